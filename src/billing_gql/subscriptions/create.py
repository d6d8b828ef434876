"""Starts a subscription."""

from datetime import datetime, timedelta

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import plan_to_subscribe
from billing_gql.customers.queries import lock_customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.kernel.period import local_date
from billing_gql.kernel.problems import AlreadyExists, CurrencyMismatch, InvalidInput
from billing_gql.subscriptions.cycles import first_instant, trial_end
from billing_gql.subscriptions.put_on import put_on
from billing_gql.subscriptions.states import BillingAnchor
from billing_gql.subscriptions.tables import Subscription

LONGEST = timedelta(days=3653)
"""Ten years: how far from now a subscription may start."""


async def create_subscription(
    session: AsyncSession,
    actor: Actor,
    *,
    customer_id: str,
    plan_id: str,
    external_id: str | None = None,
    started_at: datetime | None = None,
    billing_anchor: BillingAnchor = BillingAnchor.CALENDAR,
) -> Subscription:
    """A new subscription. One that starts in the past owes its past periods at once.

    Raises NotFound, AlreadyExists, CurrencyMismatch or InvalidInput. The customer is locked: a
    draft being made takes its usage either before or after this subscription has a claim to it.
    """
    customer = await lock_customer(session, actor, customer_id, "customerId")
    plan = await plan_to_subscribe(session, actor, plan_id, "planId")
    if plan.currency != customer.currency:
        raise CurrencyMismatch(
            f"The plan is in {plan.currency}, the customer in {customer.currency}.", ("planId",)
        )
    start = actor.now if started_at is None else checks.instant(started_at, "startedAt")
    if abs(start - actor.now) > LONGEST:
        raise InvalidInput("Must lie within ten years of now.", ("startedAt",))
    subscription_id = new_id(Kind.SUBSCRIPTION)
    if external_id is not None:
        checks.text(external_id, "externalId")
        taken = select(Subscription.id).where(
            Subscription.organization_id == actor.organization_id,
            Subscription.external_id == external_id,
        )
        if (await session.exec(taken)).first() is not None:
            raise AlreadyExists(f"A subscription {external_id!r} exists already.", ("externalId",))
    first = first_instant(start, customer.timezone)
    billed_from = trial_end(first, plan.trial_days, customer.timezone)
    subscription = Subscription(
        id=subscription_id,
        organization_id=actor.organization_id,
        external_id=external_id or subscription_id,
        customer_id=customer.id,
        plan_id=plan.id,
        plan_since=billed_from,
        billing_anchor=billing_anchor,
        anchor_date=local_date(billed_from, customer.timezone),
        timezone=customer.timezone,
        started_at=start,
        trial_ends_at=billed_from if plan.trial_days else None,
        period_start=billed_from,
        # Usage taken before now is on no invoice of this subscription: it can come late for none.
        settled_generation=customer.usage_generation - 1,
        created_at=actor.now,
    )
    await put_on(session, actor, subscription, plan, since=billed_from, usage_from=first)
    return subscription
