"""Credits: what is owed back to a customer until an invoice of theirs gives it back.

The unused rest of a fee that was billed in advance, and the part of a late correction that its
invoice could not hold. What is left of a credit is computed from the lines that give it back, so
that a deleted draft or a voided invoice returns it by itself.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Plan, Price
from billing_gql.catalog.terms import BillingCadence
from billing_gql.customers.tables import Customer
from billing_gql.invoices.compose import OpenCredit, fee
from billing_gql.invoices.credit_notes import CreditNoteLineItem
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Credit, Invoice, LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import exactly, to_currency
from billing_gql.kernel.period import Period
from billing_gql.store.database import run_sql
from billing_gql.subscriptions.cycles import days_of
from billing_gql.subscriptions.tables import Subscription

# A credit for a line that was voided or deleted is nothing: what was given back of it is owed.
_LEFT = """
SELECT c.id, c.customer_id, c.subscription_id, c.name, c.price_id, c.period_start, c.period_end,
       CASE WHEN billed.id IS NULL THEN 0 ELSE c.amount END + coalesce(used.amount, 0) AS left
FROM credits AS c
LEFT JOIN line_items AS source ON source.id = c.source_line_item_id
LEFT JOIN invoices AS billed ON billed.id = source.invoice_id AND billed.status <> 'VOIDED'
LEFT JOIN LATERAL (
  SELECT sum(l.amount) AS amount
  FROM line_items AS l JOIN invoices AS i ON i.id = l.invoice_id
  WHERE l.credit_id = c.id AND i.status <> 'VOIDED' AND i.id IS DISTINCT FROM :invoice
) AS used ON true
WHERE c.organization_id = :organization AND {whose}
  AND CASE WHEN billed.id IS NULL THEN 0 ELSE c.amount END + coalesce(used.amount, 0) <> 0
ORDER BY c.id
"""


async def open_credits(
    session: AsyncSession, subscription: Subscription, invoice_id: str | None
) -> list[OpenCredit]:
    """What is left of the customer's credits, oldest first; the draft's own lines take nothing.

    Below 0 where more was given back than there is: a fee that was credited was voided later.
    """
    rows = await run_sql(
        session,
        text(_LEFT.format(whose="c.customer_id = :customer")),
        {
            "organization": subscription.organization_id,
            "customer": subscription.customer_id,
            "invoice": invoice_id,
        },
    )
    return [
        OpenCredit(
            credit_id=row.id,
            name=row.name,
            price_id=row.price_id,
            period=Period(row.period_start, row.period_end),
            amount=Decimal(row.left),
        )
        for row in rows
    ]


async def credit_unused_fees(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    subscription: Subscription,
    unused_from: datetime,
) -> None:
    """Credits the days from `unused_from`, a local midnight, on of fees billed in advance.

    A fee and its credit leave exactly what the used days cost, both after the fee's own discounts.
    The customer must be locked.
    """
    customer.terms_generation += 1
    # What a credit note has given back of a fee is not owed back again.
    noted = (
        select(func.coalesce(func.sum(CreditNoteLineItem.amount), 0))
        .where(col(CreditNoteLineItem.line_item_id) == col(LineItem.id))
        .scalar_subquery()
    )
    rows = await session.exec(
        select(LineItem, Price, Plan, noted)
        .join(Invoice, col(Invoice.id) == col(LineItem.invoice_id))
        .join(Price, col(Price.id) == col(LineItem.price_id))
        .join(Plan, col(Plan.id) == col(Price.plan_id))
        .outerjoin(Credit, col(Credit.source_line_item_id) == col(LineItem.id))
        .where(
            LineItem.organization_id == actor.organization_id,
            LineItem.subscription_id == subscription.id,
            col(LineItem.period_end) > unused_from,
            col(LineItem.amount) > 0,
            Price.cadence == BillingCadence.ADVANCE,
            Invoice.status != InvoiceStatus.VOIDED,
            col(Credit.id).is_(None),
        )
        .order_by(col(LineItem.id))
    )
    for line, price, plan, given_back in rows.all():
        if line.period_start is None or line.period_end is None:
            raise AssertionError(f"the fee {line.id} has no period")
        used = to_currency(Decimal(0), line.currency)
        if line.period_start < unused_from:
            cycle = subscription.cycle(plan.billing_period)
            days, of_days = days_of(cycle, Period(line.period_start, unused_from))
            used = to_currency(fee(price.model, days, of_days).exact_amount, line.currency)
        paid = line.amount - line.discount_amount
        owed = paid - max(_in_proportion(used, paid, line), given_back)
        if owed > 0:
            session.add(
                Credit(
                    organization_id=actor.organization_id,
                    customer_id=subscription.customer_id,
                    subscription_id=subscription.id,
                    source_line_item_id=line.id,
                    price_id=price.id,
                    name=f"Unused {price.name}",
                    period_start=max(line.period_start, unused_from),
                    period_end=line.period_end,
                    amount=owed,
                    created_at=actor.now,
                )
            )
    await session.flush()


@exactly
def _in_proportion(used: Decimal, paid: Decimal, line: LineItem) -> Decimal:
    """What the used days cost of a fee that a coupon has lowered to `paid`."""
    return to_currency(used * paid / line.amount, line.currency)


def carried_credit(actor: Actor, line: LineItem) -> Credit:
    """The credit for what a frozen invoice could not hold of a negative line."""
    if line.period_start is None or line.period_end is None or line.subscription_id is None:
        raise AssertionError(f"the line {line.id} has no period")
    return Credit(
        organization_id=actor.organization_id,
        customer_id=line.customer_id,
        subscription_id=line.subscription_id,
        source_line_item_id=line.id,
        price_id=line.price_id,
        name=line.name,
        period_start=line.period_start,
        period_end=line.period_end,
        amount=line.carried,
        created_at=actor.now,
    )


async def credit_left(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str]
) -> dict[str, Decimal]:
    """What is left of each customer's credits; those without any are left out."""
    rows = await run_sql(
        session,
        text(_LEFT.format(whose="c.customer_id = ANY(:customers)")),
        {"organization": actor.organization_id, "customers": customer_ids, "invoice": None},
    )
    left: dict[str, Decimal] = {}
    for row in rows:
        left[row.customer_id] = left.get(row.customer_id, Decimal(0)) + row.left
    return left


async def granted_of_lines(session: AsyncSession, invoice: Invoice) -> dict[str, Decimal]:
    """What credits give back of the invoice's lines; those without any are left out."""
    rows = await session.exec(
        select(col(Credit.source_line_item_id), col(Credit.amount))
        .join(LineItem, col(LineItem.id) == col(Credit.source_line_item_id))
        .where(
            Credit.organization_id == invoice.organization_id,
            LineItem.invoice_id == invoice.id,
            LineItem.amount > 0,
        )
    )
    return dict(rows.all())
