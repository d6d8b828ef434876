"""Writes a draft's lines and sums, and locks invoices: what the verbs of this folder share."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer
from billing_gql.invoices.lines import ComposedLine, LineItemType
from billing_gql.invoices.states import InvoiceAction, available_actions, payment_status
from billing_gql.invoices.tables import Invoice, LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import zero
from billing_gql.kernel.period import midnight
from billing_gql.kernel.problems import InvoiceStateProblem, NotFound


async def lock_invoice(
    session: AsyncSession, actor: Actor, invoice_id: str, *field: str
) -> tuple[Customer, Invoice]:
    """The customer and then the invoice, locked: every verb looks only after this.

    Raises NotFound.
    """
    mine = (Invoice.organization_id == actor.organization_id, Invoice.id == invoice_id)
    customer_id = (await session.exec(select(Invoice.customer_id).where(*mine))).first()
    if customer_id is None:
        raise NotFound.of("invoice", invoice_id, *field)
    customer = await lock_customer(session, actor, customer_id, *field)
    invoice = (
        await session.exec(
            select(Invoice)
            .where(*mine)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).first()
    if invoice is None:  # a draft that was deleted while this waited for the customer
        raise NotFound.of("invoice", invoice_id, *field)
    return customer, invoice


def require(invoice: Invoice, action: InvoiceAction, now: datetime, *field: str) -> None:
    """Raises InvoiceStateProblem at `field` unless the table allows the action."""
    if action not in available_actions(invoice.standing):
        verb = action.value.lower().replace("_", " ")
        raise state_problem(invoice, f"Cannot {verb}", now, *field)


def state_problem(invoice: Invoice, cannot: str, now: datetime, *field: str) -> InvoiceStateProblem:
    """What the invoice's state does not allow, and what it does."""
    actions = [one.value for one in available_actions(invoice.standing)]
    allowed = ", ".join(actions) or "nothing"
    return InvoiceStateProblem(
        f"{cannot}: the invoice is {invoice.status.value}. Allowed now: {allowed}.",
        field,
        status=invoice.status.value,
        payment_status=payment_status(invoice.standing, now).value,
        available_actions=actions,
    )


async def lines_of(session: AsyncSession, invoice: Invoice) -> list[LineItem]:
    """The invoice's lines in order."""
    return list(
        (
            await session.exec(
                select(LineItem)
                .where(
                    LineItem.organization_id == invoice.organization_id,
                    LineItem.invoice_id == invoice.id,
                )
                .order_by(col(LineItem.position), col(LineItem.id))
            )
        ).all()
    )


def new_line(invoice: Invoice, line: ComposedLine, position: int) -> LineItem:
    """A row for a composed line."""
    row = LineItem(
        organization_id=invoice.organization_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        position=position,
        type=line.type,
        name=line.name,
        quantity=line.quantity,
        amount=line.amount,
        discount_amount=zero(invoice.currency),
        tax_amount=zero(invoice.currency),
        billed_before=Decimal(0),
        carried=Decimal(0),
        pricing_steps=[],
    )
    _fill(row, line, position)
    return row


def _fill(row: LineItem, line: ComposedLine, position: int) -> None:
    row.position = position
    row.name = line.name
    row.description = line.description
    row.quantity = line.quantity
    row.unit_amount = line.unit_amount
    row.amount = line.amount
    row.event_count = line.event_count
    row.period_start = line.period.start if line.period else None
    row.period_end = line.period.end if line.period else None
    row.price_id = line.price_id
    row.feature_id = line.feature_id
    row.pricing_steps = list(line.steps)
    row.billed_before = line.billed_before
    row.carried = line.carried
    row.credit_id = line.credit_id
    if line.scope is not None:
        row.usage_after = line.scope.after
        row.usage_windows = [Range(one.start, one.end) for one in line.scope.windows]
        row.usage_generation = line.scope.generation
        row.usage_taken_at = line.scope.taken_at


async def replace_generated_lines(
    session: AsyncSession,
    invoice: Invoice,
    present: Sequence[LineItem],
    composed: Sequence[ComposedLine],
) -> list[LineItem]:
    """Puts the composed lines in place of the generated ones; the line of a price and period, or
    of a credit, keeps its id.

    Lines made by hand stay, after them. Returns all lines, whose sums `add_up` then makes.
    """
    before: dict[tuple[LineItemType, str | None, datetime | None, str | None], LineItem] = {
        (row.type, row.price_id, row.period_start, row.credit_id): row
        for row in present
        if row.type is not LineItemType.MANUAL
    }
    kept: list[LineItem] = []
    for position, line in enumerate(composed):
        start = line.period.start if line.period else None
        row = before.pop((line.type, line.price_id, start, line.credit_id), None)
        if row is None:
            row = new_line(invoice, line, position)
            row.subscription_id = invoice.subscription_id
            session.add(row)
        else:
            _fill(row, line, position)
        kept.append(row)
    for row in before.values():
        await session.delete(row)
    by_hand = [row for row in present if row.type is LineItemType.MANUAL]
    for position, row in enumerate(by_hand, start=len(kept)):
        row.position = position
    await session.flush()
    return [*kept, *by_hand]


def overdue_at(invoice: Invoice) -> datetime | None:
    """The end of the due date in the invoice's zone."""
    if invoice.due_date is None:
        return None
    return midnight(invoice.due_date + timedelta(days=1), invoice.timezone)


def take_generation(customer: Customer) -> int:
    """Closes the customer's usage for a line: what arrives from now on is of a later generation.

    The customer must be locked.
    """
    taken = customer.usage_generation
    customer.usage_generation = taken + 1
    return taken
