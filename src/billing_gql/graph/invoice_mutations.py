"""The verbs of an invoice's life in the schema."""

from datetime import date, datetime
from decimal import Decimal
from typing import cast

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.graph.inputs import changes_of, given
from billing_gql.graph.invoices import Invoice, LineItem, invoice_of, line_of
from billing_gql.graph.mutate import Info, Outcome, mutate
from billing_gql.graph.problems import UserError
from billing_gql.graph.scalars import CurrencyCode, Json
from billing_gql.invoices import edit
from billing_gql.invoices.finalize import finalize_invoice
from billing_gql.invoices.refresh import refresh_invoice
from billing_gql.invoices.uncollectible import mark_uncollectible
from billing_gql.invoices.void import void_invoice
from billing_gql.kernel.actor import Actor


@strawberry.input(
    description="Either unitAmount, and the line is quantity x unitAmount, or amount for the whole"
    " line; not both. Negative amounts are refused: that is what coupons and credit notes are for."
)
class InvoiceLineItemInput:
    """A line by hand."""

    name: str
    description: str | None = strawberry.UNSET
    quantity: Decimal | None = Decimal(1)
    unit_amount: Decimal | None = strawberry.UNSET
    amount: Decimal | None = strawberry.UNSET
    period_start: datetime | None = strawberry.UNSET
    period_end: datetime | None = strawberry.UNSET
    tax_rate_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Absent: the organization's default rates. Empty: none.",
    )

    def line(self) -> edit.ManualLine:
        """The line for the verb."""
        return edit.ManualLine(
            name=self.name,
            description=given(self.description),
            quantity=Decimal(1) if self.quantity is None else self.quantity,
            unit_amount=given(self.unit_amount),
            amount=given(self.amount),
            period_start=given(self.period_start),
            period_end=given(self.period_end),
            tax_rate_ids=given(self.tax_rate_ids),
        )


@strawberry.input
class InvoiceCreateInput:
    """A one-off invoice: exactly one of customerId and externalCustomerId."""

    customer_id: strawberry.ID | None = strawberry.UNSET
    external_customer_id: str | None = strawberry.UNSET
    currency: CurrencyCode | None = strawberry.UNSET
    line_items: list[InvoiceLineItemInput]
    coupon_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="On this invoice alone, in this order."
    )
    due_date: date | None = strawberry.UNSET
    memo: str | None = strawberry.UNSET
    metadata: Json | None = strawberry.UNSET
    finalize: bool = strawberry.field(default=False, description="Finalize at once.")
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class InvoiceCreatePayload:
    """The new invoice."""

    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class InvoiceUpdateInput:
    """What is left out stays; null empties what may be empty."""

    invoice_id: strawberry.ID
    due_date: date | None = strawberry.field(default=strawberry.UNSET, description="DRAFT only.")
    memo: str | None = strawberry.field(default=strawberry.UNSET, description="DRAFT only.")
    metadata: Json | None = strawberry.field(
        default=strawberry.UNSET, description="Replaces the whole map; any state but VOIDED."
    )


@strawberry.type
class InvoiceUpdatePayload:
    """The invoice as it is now."""

    invoice: Invoice | None
    user_errors: list[UserError]


@strawberry.input
class InvoiceDeleteInput:
    """A draft."""

    invoice_id: strawberry.ID


@strawberry.type
class InvoiceDeletePayload:
    """The id that is gone."""

    deleted_invoice_id: strawberry.ID | None
    user_errors: list[UserError]


@strawberry.input
class InvoiceLineItemCreateInput:
    """A line by hand for a draft."""

    invoice_id: strawberry.ID
    line_item: InvoiceLineItemInput
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class InvoiceLineItemCreatePayload:
    """The new line and its invoice."""

    line_item: LineItem | None
    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class InvoiceLineItemDeleteInput:
    """A line by hand of a draft."""

    line_item_id: strawberry.ID


@strawberry.type
class InvoiceLineItemDeletePayload:
    """The invoice without the line."""

    invoice: Invoice | None
    user_errors: list[UserError]


@strawberry.input
class InvoiceRefreshInput:
    """A draft."""

    invoice_id: strawberry.ID


@strawberry.type
class InvoiceRefreshPayload:
    """The draft from current usage and prices."""

    invoice: Invoice | None
    user_errors: list[UserError]


@strawberry.input
class InvoiceFinalizeInput:
    """A draft."""

    invoice_id: strawberry.ID
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class InvoiceFinalizePayload:
    """The invoice with its number."""

    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class InvoiceVoidInput:
    """An invoice that is owed, on which nothing was paid or credited."""

    invoice_id: strawberry.ID
    reason: str | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class InvoiceVoidPayload:
    """The voided invoice."""

    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class InvoiceMarkUncollectibleInput:
    """A finalized invoice on which something remains."""

    invoice_id: strawberry.ID
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class InvoiceMarkUncollectiblePayload:
    """The invoice that is given up."""

    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


async def _shown(info: Info, outcome: Outcome) -> Invoice | None:
    return await invoice_of(info, outcome.ids.get("invoice"))


@strawberry.type
class InvoiceMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Makes a one-off invoice.")
    async def invoice_create(self, info: Info, input: InvoiceCreateInput) -> InvoiceCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            invoice = await edit.create_invoice(
                session,
                actor,
                customer_id=given(input.customer_id),
                external_customer_id=given(input.external_customer_id),
                lines=[line.line() for line in input.line_items],
                currency=given(input.currency),
                due_date=given(input.due_date),
                memo=given(input.memo),
                metadata=given(input.metadata),
                coupon_ids=given(input.coupon_ids) or (),
                finalize=input.finalize,
            )
            return {"invoice": invoice.id}

        outcome = await mutate(info, input, verb)
        return InvoiceCreatePayload(
            invoice=await _shown(info, outcome),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Changes a draft, or any but a voided invoice's metadata.")
    async def invoice_update(self, info: Info, input: InvoiceUpdateInput) -> InvoiceUpdatePayload:
        names = list(edit.InvoiceChanges.__annotations__)

        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            changes = cast("edit.InvoiceChanges", changes_of(input, names))
            invoice = await edit.update_invoice(session, actor, input.invoice_id, changes)
            return {"invoice": invoice.id}

        outcome = await mutate(info, input, verb)
        return InvoiceUpdatePayload(invoice=await _shown(info, outcome), user_errors=outcome.errors)

    @strawberry.mutation(
        description="Deletes a draft. The period of a subscription's draft is not billed then."
    )
    async def invoice_delete(self, info: Info, input: InvoiceDeleteInput) -> InvoiceDeletePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            return {"invoice": await edit.delete_invoice(session, actor, input.invoice_id)}

        outcome = await mutate(info, input, verb)
        deleted = outcome.ids.get("invoice")
        return InvoiceDeletePayload(
            deleted_invoice_id=None if deleted is None else strawberry.ID(deleted),
            user_errors=outcome.errors,
        )

    @strawberry.mutation(description="Adds a line by hand to a draft.")
    async def invoice_line_item_create(
        self, info: Info, input: InvoiceLineItemCreateInput
    ) -> InvoiceLineItemCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            line = await edit.add_line(session, actor, input.invoice_id, input.line_item.line())
            return {"invoice": line.invoice_id, "line": line.id}

        outcome = await mutate(info, input, verb)
        return InvoiceLineItemCreatePayload(
            line_item=await line_of(info, outcome.ids.get("line")),
            invoice=await _shown(info, outcome),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Deletes a line by hand from a draft.")
    async def invoice_line_item_delete(
        self, info: Info, input: InvoiceLineItemDeleteInput
    ) -> InvoiceLineItemDeletePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            invoice = await edit.delete_line(session, actor, input.line_item_id)
            return {"invoice": invoice.id}

        outcome = await mutate(info, input, verb)
        return InvoiceLineItemDeletePayload(
            invoice=await _shown(info, outcome), user_errors=outcome.errors
        )

    @strawberry.mutation(description="Computes a draft again from current usage and prices.")
    async def invoice_refresh(
        self, info: Info, input: InvoiceRefreshInput
    ) -> InvoiceRefreshPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            return {"invoice": (await refresh_invoice(session, actor, input.invoice_id)).id}

        outcome = await mutate(info, input, verb)
        return InvoiceRefreshPayload(
            invoice=await _shown(info, outcome), user_errors=outcome.errors
        )

    @strawberry.mutation(
        description="Refreshes a draft, gives it its number and dates, and freezes it."
    )
    async def invoice_finalize(
        self, info: Info, input: InvoiceFinalizeInput
    ) -> InvoiceFinalizePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            return {"invoice": (await finalize_invoice(session, actor, input.invoice_id)).id}

        outcome = await mutate(info, input, verb)
        return InvoiceFinalizePayload(
            invoice=await _shown(info, outcome),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Voids an invoice; it keeps its number.")
    async def invoice_void(self, info: Info, input: InvoiceVoidInput) -> InvoiceVoidPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            invoice = await void_invoice(session, actor, input.invoice_id, given(input.reason))
            return {"invoice": invoice.id}

        outcome = await mutate(info, input, verb)
        return InvoiceVoidPayload(
            invoice=await _shown(info, outcome),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Gives up on a finalized invoice. It stays owed.")
    async def invoice_mark_uncollectible(
        self, info: Info, input: InvoiceMarkUncollectibleInput
    ) -> InvoiceMarkUncollectiblePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            return {"invoice": (await mark_uncollectible(session, actor, input.invoice_id)).id}

        outcome = await mutate(info, input, verb)
        return InvoiceMarkUncollectiblePayload(
            invoice=await _shown(info, outcome),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
