"""Reads credit notes: by id, of invoices, and what they have given back of lines."""

from collections.abc import Sequence
from decimal import Decimal

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.credit_notes import CreditNote, CreditNoteLineItem
from billing_gql.invoices.crediting import Credited
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.store.columns import among


async def credit_notes_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[CreditNote]:
    """Those of the ids that are credit notes here."""
    mine = CreditNote.organization_id == actor.organization_id
    return (
        await session.exec(select(CreditNote).where(mine, among(col(CreditNote.id), ids)))
    ).all()


async def credit_notes_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[CreditNote]:
    """The invoices' credit notes in the order in which they were made."""
    rows = await session.exec(
        select(CreditNote)
        .where(
            CreditNote.organization_id == actor.organization_id,
            among(col(CreditNote.invoice_id), invoice_ids),
        )
        .order_by(col(CreditNote.created_at), col(CreditNote.id))
    )
    return rows.all()


async def lines_of_credit_notes(
    session: AsyncSession, actor: Actor, credit_note_ids: Sequence[str]
) -> Sequence[CreditNoteLineItem]:
    """The notes' lines in the order in which they were given."""
    rows = await session.exec(
        select(CreditNoteLineItem)
        .where(
            CreditNoteLineItem.organization_id == actor.organization_id,
            among(col(CreditNoteLineItem.credit_note_id), credit_note_ids),
        )
        .order_by(col(CreditNoteLineItem.credit_note_id), col(CreditNoteLineItem.position))
    )
    return rows.all()


async def credited_of_lines(session: AsyncSession, invoice: Invoice) -> dict[str, Credited]:
    """What notes have given back of the invoice's lines; those untouched are left out."""
    rows = await session.exec(
        select(
            CreditNoteLineItem.line_item_id,
            func.sum(CreditNoteLineItem.amount),
            func.sum(CreditNoteLineItem.tax_amount),
        )
        .join(CreditNote, col(CreditNote.id) == col(CreditNoteLineItem.credit_note_id))
        .where(
            CreditNote.organization_id == invoice.organization_id,
            CreditNote.invoice_id == invoice.id,
        )
        .group_by(col(CreditNoteLineItem.line_item_id))
    )
    return {line: Credited(Decimal(amount), Decimal(tax)) for line, amount, tax in rows}
