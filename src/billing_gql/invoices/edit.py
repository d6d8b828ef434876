"""Makes one-off invoices, and changes and deletes drafts and their lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypedDict

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import tax_rates_by_ids
from billing_gql.customers.queries import find_customer, lock_customer
from billing_gql.customers.tables import Customer
from billing_gql.invoices.add_up import add_up
from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.apply_coupon import grant_coupon
from billing_gql.invoices.draft import new_invoice
from billing_gql.invoices.finalize import finalize_locked
from billing_gql.invoices.lines import ComposedLine, LineItemType
from billing_gql.invoices.settle import waive_late_usage
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus
from billing_gql.invoices.store import (
    lines_of,
    lock_invoice,
    new_line,
    overdue_at,
    require,
    state_problem,
)
from billing_gql.invoices.tables import Invoice, LineItem, WaivedPeriod
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import currency_decimals, exactly, to_currency
from billing_gql.kernel.period import Period
from billing_gql.kernel.problems import (
    AmountOutOfRange,
    CurrencyMismatch,
    InvalidInput,
    NotFound,
    Problem,
    TooManyItems,
)
from billing_gql.organizations.queries import organization_of
from billing_gql.rating.models import PerUnit
from billing_gql.rating.rate import rate, unit_amount_of
from billing_gql.rating.step import PricingStep

MAX_MANUAL_LINES = 250
MAX_LINE_TAXES = 10


@dataclass(frozen=True, slots=True)
class ManualLine:
    """A line as the caller wants it: either `unit_amount`, or `amount` for the whole line."""

    name: str
    description: str | None
    quantity: Decimal
    unit_amount: Decimal | None
    amount: Decimal | None
    period_start: datetime | None
    period_end: datetime | None
    tax_rate_ids: Sequence[str] | None = None
    """None takes the default rates, an empty one none."""


class InvoiceChanges(TypedDict, total=False):
    """What may be changed; what is absent stays."""

    due_date: date | None
    memo: str | None
    metadata: object


async def create_invoice(
    session: AsyncSession,
    actor: Actor,
    *,
    customer_id: str | None,
    external_customer_id: str | None,
    lines: Sequence[ManualLine],
    currency: str | None = None,
    due_date: date | None = None,
    memo: str | None = None,
    metadata: object = None,
    coupon_ids: Sequence[str] = (),
    finalize: bool = False,
) -> Invoice:
    """A one-off invoice. Raises NotFound, InvalidInput, CurrencyMismatch, AmountOutOfRange."""
    if (customer_id is None) == (external_customer_id is None):
        raise InvalidInput(
            "Give exactly one of customerId and externalCustomerId.", ("externalCustomerId",)
        )
    found = await find_customer(session, actor, customer_id, external_customer_id)
    if found is None:
        if customer_id is not None:
            raise NotFound.of("customer", customer_id, "customerId")
        raise NotFound.of("customer", external_customer_id or "", "externalCustomerId")
    customer = await lock_customer(session, actor, found.id, "customerId")
    if currency is not None and currency != customer.currency:
        raise CurrencyMismatch(
            f"The customer is billed in {customer.currency}, not {currency}.", ("currency",)
        )
    if not 1 <= len(lines) <= MAX_MANUAL_LINES:
        problem = TooManyItems if lines else InvalidInput
        raise problem(
            f"An invoice is made with 1 to {MAX_MANUAL_LINES} lines, not {len(lines)}.",
            ("lineItems",),
        )
    invoice = new_invoice(actor, customer)
    invoice.due_date = due_date
    invoice.overdue_at = overdue_at(invoice)
    invoice.memo = checks.optional_text(memo, "memo", most=checks.MAX_LONG_TEXT)
    invoice.metadata_ = {} if metadata is None else checks.metadata(metadata, "metadata")
    session.add(invoice)
    await session.flush()
    rows = [
        new_line(invoice, _composed(line, customer.currency, "lineItems", index), index)
        for index, line in enumerate(lines)
    ]
    for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
        row.tax_rate_ids = await _tax_rates(session, actor, line, "lineItems", index)
    session.add_all(rows)
    await session.flush()
    for index, coupon_id in enumerate(coupon_ids):
        try:
            await grant_coupon(session, actor, customer, invoice, coupon_id)
        except Problem as problem:
            problem.field = ("couponIds", str(index))
            raise
    await _add_up(session, actor, customer, invoice, rows, "lineItems")
    await announce(session, actor, invoice, InvoiceEvent.CREATED)
    if finalize:
        organization = await organization_of(session, actor)
        await finalize_locked(session, actor, organization, customer, invoice)
    return invoice


async def update_invoice(
    session: AsyncSession, actor: Actor, invoice_id: str, changes: InvoiceChanges
) -> Invoice:
    """Changes a draft's due date and memo, or any but a voided one's metadata.

    Raises NotFound, or InvoiceStateProblem: also for what only a draft lets change.
    """
    _, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.UPDATE, actor.now, "invoiceId")
    if invoice.status is not InvoiceStatus.DRAFT:
        for name, path in (("due_date", "dueDate"), ("memo", "memo")):
            if name in changes:
                raise state_problem(invoice, f"Only a draft lets {path} change", actor.now, path)
    if "due_date" in changes:
        invoice.due_date = changes["due_date"]
        invoice.overdue_at = overdue_at(invoice)
    if "memo" in changes:
        invoice.memo = checks.optional_text(changes["memo"], "memo", most=checks.MAX_LONG_TEXT)
    if "metadata" in changes:
        metadata = changes["metadata"]
        invoice.metadata_ = {} if metadata is None else checks.metadata(metadata, "metadata")
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.UPDATED)
    return invoice


async def delete_invoice(session: AsyncSession, actor: Actor, invoice_id: str) -> str:
    """Deletes a draft with its lines; a subscription's period stays unbilled then, and noted.

    Raises NotFound or InvoiceStateProblem.
    """
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.DELETE, actor.now, "invoiceId")
    await waive_late_usage(session, actor, invoice)
    customer.terms_generation += 1  # its coupons and credits are left again
    await announce(session, actor, invoice, InvoiceEvent.DELETED)
    if invoice.subscription_id and invoice.plan_id and invoice.period_start and invoice.period_end:
        session.add(
            WaivedPeriod(
                invoice_id=invoice.id,
                organization_id=invoice.organization_id,
                subscription_id=invoice.subscription_id,
                period_start=invoice.period_start,
                period_end=invoice.period_end,
                deleted_at=actor.now,
            )
        )
    await session.delete(invoice)
    await session.flush()
    return invoice_id


async def add_line(
    session: AsyncSession, actor: Actor, invoice_id: str, line: ManualLine
) -> LineItem:
    """Adds a line by hand to a draft, after the others.

    Raises NotFound, InvoiceStateProblem, InvalidInput, AmountOutOfRange or TooManyItems.
    """
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.ADD_LINE_ITEM, actor.now, "invoiceId")
    present = await lines_of(session, invoice)
    by_hand = sum(row.type is LineItemType.MANUAL for row in present)
    if by_hand >= MAX_MANUAL_LINES:
        raise TooManyItems(f"At most {MAX_MANUAL_LINES} lines by hand.", ("lineItem",))
    position = max((row.position for row in present), default=-1) + 1
    row = new_line(invoice, _composed(line, invoice.currency, "lineItem"), position)
    row.tax_rate_ids = await _tax_rates(session, actor, line, "lineItem")
    session.add(row)
    await session.flush()
    await _add_up(session, actor, customer, invoice, [*present, row], "lineItem")
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.UPDATED)
    return row


async def delete_line(session: AsyncSession, actor: Actor, line_item_id: str) -> Invoice:
    """Deletes a line that was added by hand from a draft.

    Raises NotFound, InvoiceStateProblem, or InvalidInput for a generated line, which the next
    refresh would bring back.
    """
    mine = (LineItem.organization_id == actor.organization_id, LineItem.id == line_item_id)
    invoice_id = (await session.exec(select(LineItem.invoice_id).where(*mine))).first()
    if invoice_id is None:
        raise NotFound.of("line item", line_item_id, "lineItemId")
    customer, invoice = await lock_invoice(session, actor, invoice_id, "lineItemId")
    require(invoice, InvoiceAction.ADD_LINE_ITEM, actor.now, "lineItemId")
    present = await lines_of(session, invoice)
    row = next((row for row in present if row.id == line_item_id), None)
    if row is None:  # deleted while this waited for the customer
        raise NotFound.of("line item", line_item_id, "lineItemId")
    if row.type is not LineItemType.MANUAL:
        raise InvalidInput(
            f"A {row.type.value} line comes from the subscription and returns with the next"
            " refresh; only a MANUAL line can be deleted.",
            ("lineItemId",),
        )
    await session.delete(row)
    await session.flush()
    others = [other for other in present if other is not row]
    await add_up(session, actor, customer, invoice, others)
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.UPDATED)
    return invoice


async def _tax_rates(
    session: AsyncSession, actor: Actor, line: ManualLine, *at: str | int
) -> list[str] | None:
    """The rates that the line names. Raises NotFound, TooManyItems or InvalidInput."""
    if line.tax_rate_ids is None:
        return None
    named = list(line.tax_rate_ids)
    if len(named) > MAX_LINE_TAXES:
        raise TooManyItems(f"At most {MAX_LINE_TAXES} tax rates.", (*at, "taxRateIds"))
    known = {rate.id for rate in await tax_rates_by_ids(session, actor, named)}
    for index, one in enumerate(named):
        if one not in known:
            raise NotFound.of("tax rate", one, *at, "taxRateIds", index)
        if one in named[:index]:
            raise InvalidInput("The tax rate is there twice.", (*at, "taxRateIds", index))
    return named


async def _add_up(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    invoice: Invoice,
    rows: Sequence[LineItem],
    at: str,
) -> None:
    try:
        await add_up(session, actor, customer, invoice, rows)
    except AmountOutOfRange as problem:
        raise problem.under(at) from None


@exactly
def _composed(line: ManualLine, currency: str, *at: str | int) -> ComposedLine:
    quantity = checks.quantity(line.quantity, *at, "quantity")
    if (line.unit_amount is None) == (line.amount is None):
        raise InvalidInput("Give either unitAmount or amount.", (*at, "amount"))
    if line.unit_amount is not None:
        unit = checks.unit_price(line.unit_amount, *at, "unitAmount")
        rated = rate(PerUnit(unit), quantity)
        exact, steps, unit_amount = rated.exact_amount, rated.steps, unit_amount_of(PerUnit(unit))
    else:
        exact = checks.unit_price(line.amount or Decimal(0), *at, "amount")
        unit_amount = exact if quantity == 1 else None
        steps = (PricingStep("Amount", quantity, Decimal(0), exact, exact),)
        if to_currency(exact, currency) != exact:
            raise AmountOutOfRange(
                f"{currency} has {currency_decimals(currency)} decimals.", (*at, "amount")
            )
    try:
        amount = to_currency(exact, currency)
    except AmountOutOfRange as problem:
        raise problem.under(*at) from None
    return ComposedLine(
        type=LineItemType.MANUAL,
        name=checks.text(line.name, *at, "name"),
        description=checks.optional_text(
            line.description, *at, "description", most=checks.MAX_LONG_TEXT
        ),
        quantity=quantity,
        unit_amount=unit_amount,
        amount=amount,
        steps=steps,
        period=_period(line, *at),
    )


def _period(line: ManualLine, *at: str | int) -> Period | None:
    if line.period_start is None and line.period_end is None:
        return None
    if line.period_start is None or line.period_end is None:
        raise InvalidInput("Give both periodStart and periodEnd, or neither.", (*at, "periodStart"))
    start = checks.instant(line.period_start, *at, "periodStart")
    end = checks.instant(line.period_end, *at, "periodEnd")
    if start >= end:
        raise InvalidInput("The period must end after it starts.", (*at, "periodEnd"))
    return Period(start, end)
