"""Reads what a printed document says: few statements, whatever its size, of one instant."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import coupons_by_ids
from billing_gql.catalog.tables import Coupon, Feature
from billing_gql.documents.printed import (
    DocumentKind,
    PrintedBreakdown,
    PrintedDiscount,
    PrintedDocument,
    PrintedGroup,
    PrintedLine,
    PrintedParty,
    PrintedReference,
    PrintedStep,
    PrintedTax,
)
from billing_gql.invoices.applied import CouponApplication, InvoiceTax
from billing_gql.invoices.breakdown import Breakdown, break_down
from billing_gql.invoices.credit_note_queries import credit_notes_by_ids, lines_of_credit_notes
from billing_gql.invoices.credit_notes import CreditNote, CreditNoteLineItem
from billing_gql.invoices.queries import invoices_by_ids, lines_of_invoices
from billing_gql.invoices.read_applied import coupons_of_invoices, taxes_of_invoices
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice, LineItem, Party
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import currency_decimals, exactly, split, zero
from billing_gql.kernel.period import local_date
from billing_gql.organizations.tables import Organization
from billing_gql.usage.meters import GroupKey

T = TypeVar("T")

MAX_GROUPS_OF_LINE = 200
"""Rows of a line's breakdown; the others are summed up in one."""


async def organization_of_document(
    session: AsyncSession, kind: DocumentKind, document_id: str
) -> Organization | None:
    """Whose document it is; None for no such document. The link's signature is yet to be looked at:
    nothing of the document is read."""
    table = Invoice if kind is DocumentKind.INVOICE else CreditNote
    found = select(Organization).where(
        col(Organization.id).in_(select(table.organization_id).where(table.id == document_id))
    )
    return (await session.exec(found)).first()


async def read_document(
    session: AsyncSession,
    actor: Actor,
    kind: DocumentKind,
    document_id: str,
    keys: tuple[GroupKey, ...] = (),
) -> PrintedDocument | None:
    """The document; None where there is none, or where it is a draft. `keys` add the breakdown of
    an invoice's usage lines."""
    if kind is DocumentKind.CREDIT_NOTE:
        notes = await read_credit_notes(session, actor, [document_id])
        return notes[0] if notes else None
    invoices = await read_invoices(session, actor, [document_id], keys)
    return invoices[0] if invoices else None


async def read_invoices(
    session: AsyncSession, actor: Actor, ids: Sequence[str], keys: tuple[GroupKey, ...] = ()
) -> list[PrintedDocument]:
    """Those of the ids that are finalized invoices, as they are printed: six statements at most,
    and one for each breakdown."""
    found = await invoices_by_ids(session, actor, ids)
    invoices = [one for one in found if one.status is not InvoiceStatus.DRAFT]
    if not invoices:
        return []
    ids = [invoice.id for invoice in invoices]
    rows = await lines_of_invoices(session, actor, ids)
    lines = _by(attrgetter("invoice_id"), [line for line, _ in rows])
    taxes = _by(attrgetter("invoice_id"), await taxes_of_invoices(session, actor, ids))
    applied = await coupons_of_invoices(session, actor, ids)
    discounts = _by(attrgetter("invoice_id"), applied)
    coupons = await _coupons(session, actor, applied)
    breakdowns = await _breakdowns(session, actor, rows, keys)
    return [
        _invoice(
            invoice,
            lines[invoice.id],
            taxes[invoice.id],
            discounts[invoice.id],
            coupons,
            breakdowns,
        )
        for invoice in invoices
    ]


def _by(key: Callable[[T], str], rows: Iterable[T]) -> Mapping[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _invoice(
    invoice: Invoice,
    rows: Sequence[LineItem],
    taxes: Sequence[InvoiceTax],
    applied: Sequence[CouponApplication],
    coupons: Mapping[str, Coupon],
    breakdowns: Mapping[str, PrintedBreakdown],
) -> PrintedDocument:
    lines = tuple(_line(line, invoice, taxes, breakdowns.get(line.id)) for line in rows)
    return PrintedDocument(
        kind=DocumentKind.INVOICE,
        id=invoice.id,
        number=_known(invoice.number),
        language=_language(invoice),
        currency=invoice.currency,
        issued_at=_known(invoice.finalized_at),
        issue_date=_known(invoice.issue_date),
        due_date=invoice.due_date,
        first_day=_first_day(invoice.period_start, invoice),
        last_day=_last_day(invoice.period_end, invoice),
        seller=_party(invoice.seller),
        buyer=_party(invoice.buyer),
        lines=lines,
        discounts=_discounts(applied, coupons, lines),
        taxes=tuple(
            PrintedTax(tax.name, tax.percentage, tax.taxable_amount, tax.amount) for tax in taxes
        ),
        subtotal=invoice.subtotal,
        total_discount=invoice.total_discount,
        total_tax=invoice.total_tax,
        prepaid_credits=invoice.total_prepaid_credits_applied,
        total=invoice.total,
        balance_applied=invoice.customer_balance_applied,
        amount_due=invoice.total - invoice.customer_balance_applied,
        memo=invoice.memo,
        payment_instructions=_known(invoice.seller).payment_instructions,
        is_void=invoice.status is InvoiceStatus.VOIDED,
    )


async def read_credit_notes(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> list[PrintedDocument]:
    """Those of the ids that are credit notes, as they are printed: five statements at most."""
    notes = await credit_notes_by_ids(session, actor, ids)
    if not notes:
        return []
    invoice_ids = sorted({note.invoice_id for note in notes})
    found = await invoices_by_ids(session, actor, invoice_ids)
    invoices = {invoice.id: invoice for invoice in found}
    rows = await lines_of_credit_notes(session, actor, [note.id for note in notes])
    items = _by(attrgetter("credit_note_id"), rows)
    lines = {line.id: line for line, _ in await lines_of_invoices(session, actor, invoice_ids)}
    taxes = _by(attrgetter("invoice_id"), await taxes_of_invoices(session, actor, invoice_ids))
    return [
        _credit_note(note, invoices[note.invoice_id], items[note.id], lines, taxes[note.invoice_id])
        for note in notes
    ]


def _credit_note(
    note: CreditNote,
    invoice: Invoice,
    items: Sequence[CreditNoteLineItem],
    lines: Mapping[str, LineItem],
    taxes: Sequence[InvoiceTax],
) -> PrintedDocument:
    nothing = zero(note.currency)
    return PrintedDocument(
        kind=DocumentKind.CREDIT_NOTE,
        id=note.id,
        number=note.number,
        language=_language(invoice),
        currency=note.currency,
        issued_at=note.created_at,
        issue_date=local_date(note.created_at, invoice.timezone),
        due_date=None,
        first_day=_first_day(invoice.period_start, invoice),
        last_day=_last_day(invoice.period_end, invoice),
        seller=_party(invoice.seller),
        buyer=_party(invoice.buyer),
        lines=tuple(
            _credited_line(item, lines[item.line_item_id], invoice, taxes) for item in items
        ),
        discounts=(),
        taxes=_credited_taxes(items, lines, taxes, note.currency),
        subtotal=note.subtotal,
        total_discount=nothing,
        total_tax=note.total_tax,
        prepaid_credits=nothing,
        total=note.total,
        balance_applied=nothing,
        amount_due=nothing,
        memo=None,
        payment_instructions=None,
        is_void=False,
        credits=PrintedReference(
            number=_known(invoice.number),
            issue_date=_known(invoice.issue_date),
            reason=note.reason.value,
            settlement=note.settlement.value,
        ),
    )


def _line(
    line: LineItem,
    invoice: Invoice,
    taxes: Sequence[InvoiceTax],
    breakdown: PrintedBreakdown | None,
) -> PrintedLine:
    return PrintedLine(
        id=line.id,
        name=line.name,
        description=line.description,
        quantity=line.quantity,
        unit_amount=line.unit_amount,
        amount=line.amount,
        discount_amount=line.discount_amount,
        tax_amount=line.tax_amount,
        tax_percentages=_percentages(line, taxes),
        first_day=_first_day(line.period_start, invoice),
        last_day=_last_day(line.period_end, invoice),
        steps=tuple(
            PrintedStep(
                step.description, step.quantity, step.unit_amount, step.flat_amount, step.amount
            )
            for step in line.pricing_steps
        ),
        breakdown=breakdown,
    )


def _credited_line(
    item: CreditNoteLineItem, line: LineItem, invoice: Invoice, taxes: Sequence[InvoiceTax]
) -> PrintedLine:
    return PrintedLine(
        id=line.id,
        name=line.name,
        description=line.description,
        quantity=None,
        unit_amount=None,
        amount=item.amount,
        discount_amount=zero(item.currency),
        tax_amount=item.tax_amount,
        tax_percentages=_percentages(line, taxes),
        first_day=_first_day(line.period_start, invoice),
        last_day=_last_day(line.period_end, invoice),
    )


def _percentages(line: LineItem, taxes: Sequence[InvoiceTax]) -> tuple[Decimal, ...]:
    return tuple(tax.percentage for tax in taxes if tax.tax_rate_id in line.taxed_by)


@exactly
def _credited_taxes(
    items: Sequence[CreditNoteLineItem],
    lines: Mapping[str, LineItem],
    taxes: Sequence[InvoiceTax],
    currency: str,
) -> tuple[PrintedTax, ...]:
    """The note's tax by rate: that of a line with several is split in proportion to them."""
    nothing = zero(currency)
    bases = {tax.tax_rate_id: nothing for tax in taxes}
    amounts = dict(bases)
    for item in items:
        on_it = [tax for tax in taxes if tax.tax_rate_id in lines[item.line_item_id].taxed_by]
        weights = [tax.percentage for tax in on_it]
        parts = (
            split(item.tax_amount, weights, currency_decimals(currency))
            if any(weights)
            else [nothing] * len(on_it)
        )
        for tax, part in zip(on_it, parts, strict=True):
            bases[tax.tax_rate_id] += item.amount
            amounts[tax.tax_rate_id] += part
    return tuple(
        PrintedTax(tax.name, tax.percentage, bases[tax.tax_rate_id], amounts[tax.tax_rate_id])
        for tax in taxes
        if bases[tax.tax_rate_id]
    )


async def _coupons(
    session: AsyncSession, actor: Actor, applied: Sequence[CouponApplication]
) -> dict[str, Coupon]:
    ids = sorted({one.coupon_id for one in applied})
    found = await coupons_by_ids(session, actor, ids) if ids else ()
    return {coupon.id: coupon for coupon in found}


def _discounts(
    applied: Sequence[CouponApplication],
    coupons: Mapping[str, Coupon],
    lines: Sequence[PrintedLine],
) -> tuple[PrintedDiscount, ...]:
    names = {line.id: line.name for line in lines}
    return tuple(
        PrintedDiscount(
            name=coupons[one.coupon_id].name,
            percent_off=coupons[one.coupon_id].percent_off,
            amount=one.amount,
            line_item_id=one.line_item_id,
            line_name=None if one.line_item_id is None else names[one.line_item_id],
        )
        for one in applied
    )


async def _breakdowns(
    session: AsyncSession,
    actor: Actor,
    rows: Sequence[tuple[LineItem, Feature | None]],
    keys: tuple[GroupKey, ...],
) -> dict[str, PrintedBreakdown]:
    """Of each usage line that can be split by the keys; one with too many groups has none."""
    metered = [(line, feature) for line, feature in rows if feature is not None]
    if not keys or not metered:
        return {}
    found = await break_down(session, actor, metered, keys)
    return {
        one.line.id: _breakdown(one) for one in found if isinstance(one, Breakdown) and one.groups
    }


@exactly
def _breakdown(found: Breakdown) -> PrintedBreakdown:
    shown, others = found.groups[:MAX_GROUPS_OF_LINE], found.groups[MAX_GROUPS_OF_LINE:]
    return PrintedBreakdown(
        keys=tuple(key.dimension for key in found.keys),
        groups=tuple(PrintedGroup(group.values, group.usage, group.cost) for group in shown),
        others=len(others),
        others_cost=sum((group.cost for group in others), zero(found.line.currency)),
    )


def _party(party: Party | None) -> PrintedParty:
    known = _known(party)
    return PrintedParty(known.name, known.email, known.tax_identifier, known.address)


def _language(invoice: Invoice) -> str:
    """The buyer's; invoices from before there were languages are in English."""
    return _known(invoice.buyer).language or "en"


def _first_day(start: datetime | None, invoice: Invoice) -> date | None:
    return None if start is None else local_date(start, invoice.timezone)


def _last_day(end: datetime | None, invoice: Invoice) -> date | None:
    """The last day of a half-open period."""
    return None if end is None else local_date(end - timedelta(microseconds=1), invoice.timezone)


def _known(value: T | None) -> T:
    """What a finalized invoice always has: the database holds it to that."""
    if value is None:
        raise AssertionError("a finalized invoice lacks what it must have")
    return value
