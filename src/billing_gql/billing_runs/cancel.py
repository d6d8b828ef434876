"""Cancels a subscription, at once or at the end of its period."""

from datetime import timedelta
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.catch_up import at_present, catch_up
from billing_gql.customers.tables import Customer
from billing_gql.invoices.credits import credit_unused_fees
from billing_gql.invoices.draft import draft_bill, end_of_grace
from billing_gql.invoices.next_bill import bill_until
from billing_gql.invoices.states import BillingReason
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import local_date, midnight
from billing_gql.kernel.problems import InvalidState
from billing_gql.organizations.queries import organization_of
from billing_gql.organizations.tables import Organization
from billing_gql.subscriptions.queries import lock_subscription
from billing_gql.subscriptions.states import SubscriptionStatus
from billing_gql.subscriptions.tables import Subscription


class CancelAt(StrEnum):
    """When a cancelled subscription ends."""

    NOW = "NOW"
    PERIOD_END = "PERIOD_END"


async def cancel_subscription(
    session: AsyncSession, actor: Actor, subscription_id: str, at: CancelAt
) -> Subscription:
    """Ends the subscription now, with its last invoice drafted, or lets its period run out.

    One that has not started, or is in its trial with NOW, ends without an invoice; a fee of its
    first day that is billed already is credited. Raises NotFound or InvalidState. Two at once: the
    second meets what the first did.
    """
    customer, subscription = await lock_subscription(
        session, actor, subscription_id, "subscriptionId"
    )
    organization = await organization_of(session, actor)
    actor = at_present(actor, organization, subscription)
    _require_running(subscription, actor)
    await catch_up(session, actor, organization, customer, subscription)
    _require_running(subscription, actor)
    if at is CancelAt.PERIOD_END and subscription.cancels_at is not None:
        raise InvalidState(
            f"The subscription ends at {subscription.cancels_at.isoformat()} already.", ("at",)
        )
    status = subscription.status(actor.now)
    if status is SubscriptionStatus.PENDING:
        # Its first day is billed from midnight on, though it may start later on that day.
        await credit_unused_fees(session, actor, customer, subscription, subscription.period_start)
        _end(subscription, actor)
    elif at is CancelAt.PERIOD_END:
        trialing = status is SubscriptionStatus.TRIALING
        subscription.cancels_at = (
            subscription.trial_ends_at if trialing else subscription.next_bill_at
        )
        if trialing:
            # Nothing is billed at the trial's end: the run only notes that it is over.
            subscription.next_bill_at = subscription.trial_ends_at
        subscription.pending_plan_id = None
    else:
        if status is SubscriptionStatus.ACTIVE:
            await _bill_to_now(session, actor, organization, customer, subscription)
        _end(subscription, actor)
    await session.flush()
    return subscription


async def _bill_to_now(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    subscription: Subscription,
) -> None:
    """The last invoice: usage up to this instant, fees by days with today, the rest credited."""
    # At midnight the day that starts is not used.
    last_day = local_date(actor.now - timedelta(microseconds=1), subscription.timezone)
    unused_from = midnight(last_day + timedelta(days=1), subscription.timezone)
    await credit_unused_fees(session, actor, customer, subscription, unused_from)
    plan, bill = await bill_until(session, actor, subscription, actor.now)
    if bill.closing is not None:
        await draft_bill(
            session,
            actor,
            customer,
            bill,
            plan=plan,
            reason=BillingReason.SUBSCRIPTION_END,
            finalize_at=end_of_grace(organization, bill, actor.now),
        )


def _end(subscription: Subscription, actor: Actor) -> None:
    subscription.ended_at = actor.now
    subscription.cancels_at = None
    subscription.next_bill_at = None
    subscription.pending_plan_id = None


def _require_running(subscription: Subscription, actor: Actor) -> None:
    if subscription.ended_at is not None or subscription.status(actor.now) is (
        SubscriptionStatus.ENDED
    ):
        ended_at = subscription.ends_at or actor.now
        raise InvalidState(
            f"The subscription ended at {ended_at.isoformat()}.", ("subscriptionId",)
        )
