"""What a subscription's next invoice bills, and where the subscription stands after it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import plans_by_ids, prices_of_plans
from billing_gql.catalog.tables import Plan, Price
from billing_gql.catalog.terms import BillingCadence
from billing_gql.invoices.assemble import Bill, PlanSpan
from billing_gql.invoices.states import BillingReason
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.subscriptions.cycles import period_from
from billing_gql.subscriptions.put_on import bills_in_advance
from billing_gql.subscriptions.tables import Subscription


@dataclass(frozen=True, slots=True)
class NextBill:
    """A bill that falls due `at`; `plan` and `next_period` follow it, unless it is the last."""

    at: datetime
    bill: Bill
    reason: BillingReason
    billing_plan: Plan
    plan: Plan
    next_period: Period | None

    @property
    def is_empty(self) -> bool:
        """Nothing ends and nothing starts that a price would bill."""
        return self.bill.closing is None and self.bill.opening is None


async def next_bill(
    session: AsyncSession, actor: Actor, subscription: Subscription
) -> NextBill | None:
    """The subscription's next bill; None where nothing more will fall due."""
    at = subscription.next_bill_at
    if at is None:
        return None
    following_id = subscription.pending_plan_id or subscription.plan_id
    plans = await _read_plans(session, actor, subscription.plan_id, following_id)
    current, following = plans[subscription.plan_id], plans[following_id]
    closing = _closing(subscription, current, at)
    opening = None
    ends = subscription.cancels_at is not None and subscription.cancels_at <= at
    next_period = None
    if not ends:
        next_period = period_from(subscription.cycle(following.plan.billing_period), at)
        if bills_in_advance(following.prices):
            opening = PlanSpan(following_id, next_period)
    if ends:
        reason = BillingReason.SUBSCRIPTION_END
    elif subscription.period_start == at:
        reason = BillingReason.SUBSCRIPTION_CREATE
    else:
        reason = BillingReason.SUBSCRIPTION_CYCLE
    return NextBill(
        at=at,
        bill=Bill(subscription, closing, opening),
        reason=reason,
        billing_plan=following.plan if closing is None else current.plan,
        plan=following.plan,
        next_period=next_period,
    )


async def bill_until(
    session: AsyncSession, actor: Actor, subscription: Subscription, end: datetime
) -> tuple[Plan, Bill]:
    """The bill of a period that is cut short at `end`, with its plan."""
    plans = await _read_plans(session, actor, subscription.plan_id)
    current = plans[subscription.plan_id]
    return current.plan, Bill(subscription, _closing(subscription, current, end))


def _closing(subscription: Subscription, priced: "_PricedPlan", end: datetime) -> PlanSpan | None:
    """The period that ends, if the plan bills anything at its end."""
    in_arrears = priced.plan.minimum_commitment is not None or any(
        price.cadence is BillingCadence.ARREARS for price in priced.prices
    )
    if subscription.period_start >= end or not in_arrears:
        return None
    return PlanSpan(priced.plan.id, Period(subscription.period_start, end))


@dataclass(frozen=True, slots=True)
class _PricedPlan:
    plan: Plan
    prices: list[Price]


async def _read_plans(
    session: AsyncSession, actor: Actor, *plan_ids: str
) -> dict[str, _PricedPlan]:
    ids = sorted(set(plan_ids))
    plans = {plan.id: _PricedPlan(plan, []) for plan in await plans_by_ids(session, actor, ids)}
    for price in await prices_of_plans(session, actor, ids):
        plans[price.plan_id].prices.append(price)
    return plans
