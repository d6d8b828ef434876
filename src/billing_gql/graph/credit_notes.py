"""Credit notes in the schema."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.documents.obstacles import obstacles
from billing_gql.documents.printed import DocumentKind
from billing_gql.graph.invoices import Invoice, LineItem, invoice_of, line_of
from billing_gql.graph.links import page_link, pdf_link, xml_link
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.problems import UserError
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.invoices import credit_notes as tables
from billing_gql.invoices.credit import LineCredit, credit_invoice
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.actor import Actor
from billing_gql.payments.refund import refund_credit_note, settle_refund

if TYPE_CHECKING:  # it names this file's types
    from billing_gql.graph.refunds import Refund

LazyRefund = Annotated["Refund", strawberry.lazy("billing_gql.graph.refunds")]

ASKED_AT_ONCE = 4
"""Refunds of a note of which the mutation itself asks the provider; the worker asks for more."""

strawberry.enum(
    tables.CreditNoteSettlement,
    description="Where it goes: OFFSET lowers the invoice's due, BALANCE raises the customer's"
    " balance, REFUND goes back through the provider that took it, or was paid out by hand.",
)
strawberry.enum(tables.CreditNoteReason, description="Why something is given back.")


@strawberry.type(description="What a credit note gives back of a line.")
class CreditNoteLineItem:
    """Mirrors `invoices.credit_notes.CreditNoteLineItem`."""

    currency: CurrencyCode
    amount: Decimal = strawberry.field(description="Before tax.")
    tax_amount: Decimal
    line_item_id: strawberry.Private[str]

    @strawberry.field(description="The line of the invoice.")
    async def line_item(self, info: Info) -> LineItem:
        return kept(await line_of(info, self.line_item_id))

    @classmethod
    def of(cls, row: tables.CreditNoteLineItem) -> Self:
        return cls(
            currency=CurrencyCode(row.currency),
            amount=row.amount,
            tax_amount=row.tax_amount,
            line_item_id=row.line_item_id,
        )


@entity(description="What is given back of an invoice. It never changes.")
class CreditNote(Node):
    """Mirrors `invoices.credit_notes.CreditNote`."""

    number: str = strawberry.field(description="Of a series of its own, without gaps.")
    currency: CurrencyCode
    reason: tables.CreditNoteReason
    settlement: tables.CreditNoteSettlement
    subtotal: Decimal = strawberry.field(description="Before tax.")
    total_tax: Decimal
    total: Decimal
    created_at: datetime
    invoice_id: strawberry.Private[str]

    @strawberry.field(description="The invoice of which it gives back.")
    async def invoice(self, info: Info) -> Invoice:
        return kept(await invoice_of(info, self.invoice_id))

    @strawberry.field(description="Signed link to the PDF.")
    def pdf_url(self, info: Info) -> str:
        return pdf_link(info.context.signer, DocumentKind.CREDIT_NOTE, self.id)

    @strawberry.field(description="Signed link to a web page that shows it, with its PDF.")
    def hosted_url(self, info: Info) -> str:
        return page_link(info.context.signer, DocumentKind.CREDIT_NOTE, self.id)

    @strawberry.field(
        description="Signed link to the credit note as EN 16931 XML; null where there is none:"
        " `xmlObstacles` says why."
    )
    async def xml_url(self, info: Info) -> str | None:
        if await _xml_obstacles(info, self.id):
            return None
        return xml_link(info.context.signer, DocumentKind.CREDIT_NOTE, self.id)

    @strawberry.field(description="Why there is no e-invoice. Empty where there is one.")
    async def xml_obstacles(self, info: Info) -> list[str]:
        return await _xml_obstacles(info, self.id)

    @strawberry.field(description="In the order in which they were given.")
    async def line_items(self, info: Info) -> list[CreditNoteLineItem]:
        rows = await info.context.loaders.lines_of_credit_note.load(self.id)
        return [CreditNoteLineItem.of(row) for row in rows]

    @strawberry.field(
        description="What goes back of what was paid, where the settlement is REFUND: a refund for"
        " each payment that a provider took, the newest first, and one for what no provider took."
    )
    async def refunds(self, info: Info) -> list[LazyRefund]:
        from billing_gql.graph.refunds import Refund

        rows = await info.context.loaders.money.refunds_of_credit_note.load(self.id)
        return [Refund.of(row) for row in rows]

    @classmethod
    def of(cls, row: tables.CreditNote) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            number=row.number,
            currency=CurrencyCode(row.currency),
            reason=row.reason,
            settlement=row.settlement,
            subtotal=row.subtotal,
            total_tax=row.total_tax,
            total=row.total,
            created_at=row.created_at,
            invoice_id=row.invoice_id,
        )


async def _xml_obstacles(info: Info, note_id: str) -> list[str]:
    return list(obstacles(kept(await info.context.loaders.printed_credit_notes.load(note_id))))


async def credit_note_of(info: Info, credit_note_id: str | None) -> CreditNote | None:
    """The credit note through its loader; None for no id."""
    loader = info.context.loaders.credit_notes
    row = await loader.load(credit_note_id) if credit_note_id else None
    return None if row is None else CreditNote.of(row)


async def ask_providers(info: Info, refund_ids: Sequence[str]) -> None:
    """Settles refunds that are committed; what is read after it is read anew.

    Replayed, this finishes what the first call may not have lived to do, and finds nothing due
    otherwise.
    """
    context = info.context
    await context.renew()
    for refund_id in refund_ids:
        await settle_refund(context.database, context.actor, refund_id, context.providers)
    await context.renew()


async def _under_way(info: Info, credit_note_id: str) -> list[str]:
    rows = await info.context.loaders.money.refunds_of_credit_note.load(credit_note_id)
    return [one.id for one in rows if one.state is PaymentState.PROCESSING][:ASKED_AT_ONCE]


@strawberry.input
class CreditNoteLineItemInput:
    """A line of the invoice."""

    line_item_id: strawberry.ID
    amount: Decimal = strawberry.field(description="Before tax; at most what is left of the line.")


@strawberry.input
class CreditNoteCreateInput:
    """An invoice that is owed or paid, and what of its lines is given back."""

    invoice_id: strawberry.ID
    reason: tables.CreditNoteReason
    settlement: tables.CreditNoteSettlement
    line_items: list[CreditNoteLineItemInput]
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class CreditNoteCreatePayload:
    """The new credit note, and the invoice as it is now."""

    credit_note: CreditNote | None
    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.type
class CreditNoteMutations:
    """Fields of Mutation."""

    @strawberry.mutation(
        description="Gives back some of an invoice, with the tax on it. A REFUND that the provider"
        " does not make is a refund that FAILED: the note stands, and the refund can be mended."
    )
    async def credit_note_create(
        self, info: Info, input: CreditNoteCreateInput
    ) -> CreditNoteCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            note = await credit_invoice(
                session,
                actor,
                input.invoice_id,
                reason=input.reason,
                settlement=input.settlement,
                lines=[LineCredit(line.line_item_id, line.amount) for line in input.line_items],
            )
            if input.settlement is tables.CreditNoteSettlement.REFUND:
                await refund_credit_note(session, actor, note)
            return {"invoice": note.invoice_id, "credit_note": note.id}

        outcome = await mutate(info, input, verb)
        if "credit_note" in outcome.ids and input.settlement is tables.CreditNoteSettlement.REFUND:
            await ask_providers(info, await _under_way(info, outcome.ids["credit_note"]))
        return CreditNoteCreatePayload(
            credit_note=await credit_note_of(info, outcome.ids.get("credit_note")),
            invoice=await invoice_of(info, outcome.ids.get("invoice")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
