"""Moves a subscription to another plan: up at once, down at the end of the period."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.catch_up import at_present, catch_up
from billing_gql.catalog.queries import plan_to_subscribe, prices_of_plans
from billing_gql.catalog.tables import Plan
from billing_gql.catalog.terms import yearly_amount
from billing_gql.customers.tables import Customer
from billing_gql.invoices.assemble import Bill, PlanSpan
from billing_gql.invoices.credits import credit_unused_fees
from billing_gql.invoices.draft import draft_bill, end_of_grace
from billing_gql.invoices.finalize import finalize_locked
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.next_bill import bill_until
from billing_gql.invoices.states import BillingReason, InvoiceType
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import start_of_day
from billing_gql.kernel.problems import CurrencyMismatch, InvalidInput, InvalidState
from billing_gql.organizations.queries import organization_of
from billing_gql.organizations.tables import Organization
from billing_gql.rating.models import Flat
from billing_gql.subscriptions.cycles import first_instant, period_from
from billing_gql.subscriptions.put_on import bills_in_advance, put_on
from billing_gql.subscriptions.queries import lock_subscription
from billing_gql.subscriptions.states import SubscriptionStatus
from billing_gql.subscriptions.tables import Subscription


async def change_plan(
    session: AsyncSession, actor: Actor, subscription_id: str, plan_id: str
) -> Subscription:
    """Puts the subscription on the plan: at once if its fixed prices cost more in a year, or before
    anything is billed; else from the next period on.

    The plan it is on already takes a coming change back. Raises NotFound, CurrencyMismatch,
    InvalidInput or InvalidState. Two at once: the second meets what the first did.
    """
    customer, subscription = await lock_subscription(
        session, actor, subscription_id, "subscriptionId"
    )
    plan = await plan_to_subscribe(session, actor, plan_id, "planId")
    if plan.currency != customer.currency:
        raise CurrencyMismatch(
            f"The plan is in {plan.currency}, the customer in {customer.currency}.", ("planId",)
        )
    organization = await organization_of(session, actor)
    actor = at_present(actor, organization, subscription)
    _require_open(subscription, actor)
    await catch_up(session, actor, organization, customer, subscription)
    if plan.id == subscription.plan_id:
        if subscription.pending_plan_id is None:
            raise InvalidInput("The subscription is on this plan already.", ("planId",))
        subscription.pending_plan_id = None
    elif actor.now < subscription.period_start:
        # On the morning before a start its first day is billed already: that is not here.
        first = first_instant(subscription.started_at, subscription.timezone)
        await put_on(
            session,
            actor,
            subscription,
            plan,
            since=subscription.period_start,
            usage_from=max(first, start_of_day(actor.now, subscription.timezone)),
        )
    elif subscription.status(actor.now) is SubscriptionStatus.PENDING or await _is_upgrade(
        session, actor, subscription, plan
    ):
        # A first day is billed at its midnight, also where the start comes later in it.
        await _upgrade(session, actor, organization, customer, subscription, plan)
    else:
        subscription.pending_plan_id = plan.id
    await session.flush()
    return subscription


async def _upgrade(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    subscription: Subscription,
    plan: Plan,
) -> None:
    """Today is the new plan's first day.

    The old plan's fee of the days from today on is credited and the new one's charged, on one
    PRORATION invoice that is final at once. What the old plan bills in arrears has a draft of its
    own, open for late usage.
    """
    today = start_of_day(actor.now, subscription.timezone)
    await credit_unused_fees(session, actor, customer, subscription, today)
    old_plan, ended = await bill_until(session, actor, subscription, today)
    prices = await prices_of_plans(session, actor, [plan.id])
    await put_on(session, actor, subscription, plan, since=today, opened=True)
    if bills_in_advance(prices):
        await _prorate(session, actor, organization, customer, subscription, plan)
    if ended.closing is not None:
        await draft_bill(
            session,
            actor,
            customer,
            ended,
            plan=old_plan,
            reason=BillingReason.SUBSCRIPTION_UPDATE,
            finalize_at=end_of_grace(organization, ended, today),
        )


async def _prorate(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    subscription: Subscription,
    plan: Plan,
) -> None:
    period = period_from(subscription.cycle(plan.billing_period), subscription.period_start)
    invoice = await draft_bill(
        session,
        actor,
        customer,
        Bill(
            subscription,
            opening=PlanSpan(plan.id, period),
            opening_type=LineItemType.PRORATION,
            late=False,
        ),
        plan=plan,
        reason=BillingReason.SUBSCRIPTION_UPDATE,
        finalize_at=None,
        invoice_type=InvoiceType.PRORATION,
    )
    await finalize_locked(session, actor, organization, customer, invoice)


async def _is_upgrade(
    session: AsyncSession, actor: Actor, subscription: Subscription, plan: Plan
) -> bool:
    """Whether the fixed prices of the plan cost more in a year than those of the present one."""
    present = await plan_to_subscribe(session, actor, subscription.plan_id, "planId")
    yearly = {}
    for one in (present, plan):
        prices = await prices_of_plans(session, actor, [one.id])
        fixed = [price.model.amount for price in prices if isinstance(price.model, Flat)]
        yearly[one.id] = yearly_amount(one.billing_period, fixed)
    return yearly[plan.id] > yearly[present.id]


def _require_open(subscription: Subscription, actor: Actor) -> None:
    if subscription.ends_at is not None:
        ended = "ended" if subscription.ends_at <= actor.now else "is cancelled and ends"
        raise InvalidState(
            f"The subscription {ended} at {subscription.ends_at.isoformat()}.",
            ("subscriptionId",),
        )
