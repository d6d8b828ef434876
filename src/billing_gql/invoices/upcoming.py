"""The invoice that a subscription's current period will become: computed, not stored."""

from dataclasses import dataclass
from datetime import date

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import find_customer
from billing_gql.invoices.assemble import assemble
from billing_gql.invoices.lines import ComposedLine
from billing_gql.invoices.totals import Totals, totals
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period, local_date
from billing_gql.subscriptions.queries import find_subscription
from billing_gql.subscriptions.tables import Subscription


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An invoice that does not exist yet; `totals.lines` goes with `lines`."""

    subscription: Subscription
    currency: str
    target_date: date
    """The day on which it would be drafted."""
    period: Period
    lines: list[ComposedLine]
    totals: Totals


async def upcoming_invoice(
    session: AsyncSession, actor: Actor, subscription_id: str
) -> Upcoming | None:
    """The preview of the first period not yet billed, from all usage so far; None if unknown."""
    subscription = await find_subscription(session, actor, subscription_id, None)
    if subscription is None:
        return None
    customer = await find_customer(session, actor, subscription.customer_id, None)
    if customer is None:
        raise AssertionError("a foreign key keeps the customer of a subscription")
    period = Period(subscription.period_start, subscription.next_bill_at)
    lines = await assemble(
        session,
        actor,
        subscription,
        period,
        currency=customer.currency,
        generation=customer.usage_generation,
    )
    return Upcoming(
        subscription=subscription,
        currency=customer.currency,
        target_date=local_date(period.end, subscription.timezone),
        period=period,
        lines=lines,
        totals=totals([line.amount for line in lines], customer.currency),
    )
