"""Puts a subscription on a plan, and says when it bills next."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import prices_of_plans
from billing_gql.catalog.tables import Plan, Price
from billing_gql.catalog.terms import BillingCadence
from billing_gql.kernel.actor import Actor
from billing_gql.subscriptions.cycles import period_from
from billing_gql.subscriptions.tables import Subscription, SubscriptionPlan


async def put_on(
    session: AsyncSession,
    actor: Actor,
    subscription: Subscription,
    plan: Plan,
    *,
    since: datetime,
    usage_from: datetime | None = None,
    opened: bool = False,
) -> None:
    """The plan from `since`, a local midnight, on; `usage_from` where its usage starts earlier.

    A plan that has a price in advance bills at once, to open its first period, unless the caller
    has that `opened`.
    """
    subscription.plan_id = plan.id
    subscription.plan_since = since
    subscription.pending_plan_id = None
    subscription.period_start = since
    prices = await prices_of_plans(session, actor, [plan.id])
    subscription.next_bill_at = (
        since
        if bills_in_advance(prices) and not opened
        else period_from(subscription.cycle(plan.billing_period), since).end
    )
    session.add(subscription)
    await session.flush()
    await note_plan(session, subscription, since if usage_from is None else usage_from)


async def note_plan(session: AsyncSession, subscription: Subscription, since: datetime) -> None:
    """Keeps from when on the subscription has been on its plan."""
    # A second change on one day takes the first one's place.
    await session.exec(
        insert(SubscriptionPlan)
        .values(
            subscription_id=subscription.id,
            starts_at=since,
            organization_id=subscription.organization_id,
            plan_id=subscription.plan_id,
        )
        .on_conflict_do_update(
            index_elements=["subscription_id", "starts_at"],
            set_={"plan_id": subscription.plan_id},
        )
    )


def bills_in_advance(prices: Sequence[Price]) -> bool:
    """Whether a period of such a plan is billed when it starts."""
    return any(price.cadence is BillingCadence.ADVANCE for price in prices)
