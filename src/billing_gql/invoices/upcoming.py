"""The invoice that a subscription bills next: computed, not stored."""

from dataclasses import dataclass
from datetime import date

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import find_customer
from billing_gql.invoices.add_up import LineToSum, sum_up
from billing_gql.invoices.assemble import assemble
from billing_gql.invoices.lines import ComposedLine
from billing_gql.invoices.next_bill import next_bill
from billing_gql.invoices.totals import Totals
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
    """The preview of what falls due next, from all usage so far.

    None if the subscription is unknown or nothing more will fall due.
    """
    subscription = await find_subscription(session, actor, subscription_id, None)
    if subscription is None:
        return None
    customer = await find_customer(session, actor, subscription.customer_id, None)
    if customer is None:
        raise AssertionError("a foreign key keeps the customer of a subscription")
    due = await next_bill(session, actor, subscription)
    if due is None or due.is_empty:
        return None
    span = due.bill.closing or due.bill.opening
    if span is None:
        raise AssertionError("a bill that is not empty has a period")
    lines = await assemble(
        session,
        actor,
        due.bill,
        currency=customer.currency,
        generation=customer.usage_generation,
    )
    return Upcoming(
        subscription=subscription,
        currency=customer.currency,
        target_date=local_date(due.at, subscription.timezone),
        period=span.period,
        lines=lines,
        totals=await sum_up(
            session,
            actor,
            customer,
            [
                LineToSum(None, line.type, line.amount, is_credit=line.credit_id is not None)
                for line in lines
            ],
        ),
    )
