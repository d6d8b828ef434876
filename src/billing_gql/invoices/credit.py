"""Gives back some of an owed invoice by a credit note, line by line, with its tax."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.announce import announce_change
from billing_gql.invoices.bought_credit import give_bought_credit
from billing_gql.invoices.credit_note_queries import credited_of_lines
from billing_gql.invoices.credit_notes import (
    CreditNote,
    CreditNoteLineItem,
    CreditNoteReason,
    CreditNoteSettlement,
)
from billing_gql.invoices.crediting import Credited, creditable, tax_of_credit
from billing_gql.invoices.credits import granted_of_lines
from billing_gql.invoices.numbers import take_credit_note_number
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus
from billing_gql.invoices.store import lines_of, lock_invoice, require
from billing_gql.invoices.tables import Invoice
from billing_gql.invoices.totals import LineAmounts
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import exactly, zero
from billing_gql.kernel.problems import AmountOutOfRange, InvalidInput, NotFound
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import BalanceTransactionReason
from billing_gql.ledger.queries import balance_of
from billing_gql.organizations.queries import organization_of
from billing_gql.store.outbox import emit
from billing_gql.store.subjects import Subject


@dataclass(frozen=True, slots=True)
class LineCredit:
    """What is to be given back of a line, before tax."""

    line_item_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class _Part:
    """The same, checked, with its tax."""

    line_item_id: str
    amount: Decimal
    tax_amount: Decimal


async def credit_invoice(
    session: AsyncSession,
    actor: Actor,
    invoice_id: str,
    *,
    reason: CreditNoteReason,
    settlement: CreditNoteSettlement,
    lines: Sequence[LineCredit],
) -> CreditNote:
    """Makes a credit note for lines of the invoice, each at most once, and settles it.

    Raises NotFound, InvoiceStateProblem, InvalidInput or AmountOutOfRange. Beside another note, a
    void or a payment, the second waits for the customer's row and then meets what is left.
    """
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.CREDIT, actor.now, "invoiceId")
    parts = await _parts(session, invoice, lines)
    nothing = zero(invoice.currency)
    subtotal = _sum([part.amount for part in parts], nothing)
    total_tax = _sum([part.tax_amount for part in parts], nothing)
    total = _sum([subtotal, total_tax], nothing)
    await _settle(session, actor, customer, invoice, settlement, total)
    invoice.credited = _sum([invoice.credited, subtotal], nothing)
    invoice.updated_at = actor.now
    if invoice.paid_at is not None:
        # Of one for prepaid credit: this note has settled it, for the table allows none after.
        await give_bought_credit(session, actor, customer, invoice)
    note = CreditNote(
        organization_id=actor.organization_id,
        invoice_id=invoice.id,
        number=await take_credit_note_number(session, await organization_of(session, actor)),
        reason=reason,
        settlement=settlement,
        currency=invoice.currency,
        subtotal=subtotal,
        total_tax=total_tax,
        total=total,
        created_at=actor.now,
    )
    session.add(note)
    await session.flush()  # its lines name it, and no relationship tells the session so
    session.add_all(
        CreditNoteLineItem(
            credit_note_id=note.id,
            line_item_id=part.line_item_id,
            organization_id=actor.organization_id,
            position=position,
            currency=invoice.currency,
            amount=part.amount,
            tax_amount=part.tax_amount,
        )
        for position, part in enumerate(parts)
    )
    await session.flush()
    await _announce(session, actor, invoice, note)
    return note


async def _announce(
    session: AsyncSession, actor: Actor, invoice: Invoice, note: CreditNote
) -> None:
    await emit(
        session,
        actor,
        Subject.CREDIT_NOTE,
        note.id,
        "credit_note.created",
        {
            "number": note.number,
            "invoiceId": note.invoice_id,
            "reason": note.reason.value,
            "settlement": note.settlement.value,
            "currency": note.currency,
            "subtotal": f"{note.subtotal:f}",
            "totalTax": f"{note.total_tax:f}",
            "total": f"{note.total:f}",
        },
        invoice_id=invoice.id,
    )
    await announce_change(session, actor, invoice)


async def _parts(
    session: AsyncSession, invoice: Invoice, lines: Sequence[LineCredit]
) -> list[_Part]:
    if not lines:
        raise InvalidInput("Give at least one line.", ("lineItems",))
    currency = invoice.currency
    rows = await lines_of(session, invoice)
    amounts = [LineAmounts(row.amount, row.discount_amount, row.tax_amount) for row in rows]
    most = {
        row.id: (one, row.tax_amount)
        for row, one in zip(rows, creditable(amounts, currency), strict=True)
    }
    credited = await credited_of_lines(session, invoice)
    granted = await granted_of_lines(session, invoice)
    parts: dict[str, _Part] = {}
    for index, line in enumerate(lines):
        at = ("lineItems", index)
        if line.line_item_id not in most:
            raise NotFound(f"The invoice has no line {line.line_item_id!r}.", (*at, "lineItemId"))
        if line.line_item_id in parts:
            raise InvalidInput("A line is credited once by a note.", (*at, "lineItemId"))
        amount = checks.amount(line.amount, currency, *at, "amount")
        of, tax_amount = most[line.line_item_id]
        before = credited.get(line.line_item_id, Credited(zero(currency), zero(currency)))
        # What a cancellation gives back of a fee is not given back by a note too.
        left = max(of - before.amount - granted.get(line.line_item_id, zero(currency)), Decimal(0))
        if amount > left:
            raise AmountOutOfRange(
                f"At most {left:f} {currency} is left to credit of this line, not {amount:f}.",
                (*at, "amount"),
            )
        tax = tax_of_credit(tax_amount, of, before, amount, currency)
        parts[line.line_item_id] = _Part(line.line_item_id, amount, tax)
    return list(parts.values())


async def _settle(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    invoice: Invoice,
    settlement: CreditNoteSettlement,
    total: Decimal,
) -> None:
    nothing = zero(invoice.currency)
    match settlement:
        case CreditNoteSettlement.OFFSET:
            remaining = invoice.standing.amount_remaining
            _at_most(remaining, total, "remains to be paid", invoice)
            invoice.total_credited = _sum([invoice.total_credited, total], nothing)
            if total == remaining:
                # As a payment would: what is settled is not given up any more.
                invoice.status = InvoiceStatus.FINALIZED
                invoice.paid_at = actor.now
        case CreditNoteSettlement.REFUND:
            left = _sum([invoice.amount_paid, -invoice.refunded], nothing)
            _at_most(left, total, "was paid and not refunded", invoice)
            invoice.refunded = _sum([invoice.refunded, total], nothing)
        case CreditNoteSettlement.BALANCE:
            after = _sum([await balance_of(session, customer), total], nothing)
            if after >= checks.MAX_BALANCE:
                raise AmountOutOfRange(
                    f"The balance must stay below {checks.MAX_BALANCE:f} {customer.currency}.",
                    ("settlement",),
                )
            await post(
                session,
                actor,
                customer,
                BalanceTransactionReason.CREDIT_NOTE,
                total,
                invoice_id=invoice.id,
            )


def _at_most(most: Decimal, total: Decimal, what: str, invoice: Invoice) -> None:
    if total > most:
        raise AmountOutOfRange(
            f"Only {most:f} {invoice.currency} {what}; the note comes to {total:f} with tax.",
            ("settlement",),
        )


@exactly
def _sum(amounts: Sequence[Decimal], nothing: Decimal) -> Decimal:
    return sum(amounts, nothing)
