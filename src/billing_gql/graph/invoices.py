"""Invoices, their lines and breakdowns in the schema."""

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.documents.obstacles import obstacles
from billing_gql.documents.printed import DocumentKind
from billing_gql.graph.catalog import Feature, Price, feature_of, price_of
from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.discounts import CouponApplication, InvoiceTax, TaxRate
from billing_gql.graph.links import page_link, pdf_link, xml_link
from billing_gql.graph.loaders import BreakdownKey
from billing_gql.graph.mutate import Info
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.pricing_step import PricingStep
from billing_gql.graph.scalars import BigInt, CurrencyCode, Json
from billing_gql.graph.subscriptions import Subscription, subscription_of
from billing_gql.graph.usage_breakdown import UsageBreakdown
from billing_gql.invoices import lines, states, tables
from billing_gql.usage.meters import parse_group_keys

if TYPE_CHECKING:  # they name this file's types
    from billing_gql.graph.credit_notes import CreditNote
    from billing_gql.graph.ledger import BalanceTransaction
    from billing_gql.graph.payments import Payment

LazyBalanceTransaction = Annotated[
    "BalanceTransaction", strawberry.lazy("billing_gql.graph.ledger")
]
LazyCreditNote = Annotated["CreditNote", strawberry.lazy("billing_gql.graph.credit_notes")]
LazyPayment = Annotated["Payment", strawberry.lazy("billing_gql.graph.payments")]

strawberry.enum(lines.LineItemType, description="What a line bills.")
strawberry.enum(
    states.InvoiceType, description="What made the invoice. CREDIT is for credit of a wallet."
)
strawberry.enum(states.BillingReason, description="Why the invoice was made.")


@entity(description="A line of an invoice.")
class LineItem(Node):
    """Mirrors `invoices.tables.LineItem`."""

    type: lines.LineItemType
    name: str
    description: str | None
    currency: CurrencyCode
    quantity: Decimal
    unit_amount: Decimal | None = strawberry.field(
        description="Null where no single unit price holds, as in tiers."
    )
    amount: Decimal = strawberry.field(
        description="Rounded once, half away from zero, to the currency."
    )
    discount_amount: Decimal
    tax_amount: Decimal
    total: Decimal = strawberry.field(description="amount - discountAmount + taxAmount.")
    event_count: BigInt | None
    period_start: datetime | None
    period_end: datetime | None
    pricing_steps: list[PricingStep] = strawberry.field(
        description="The working: tiers, packages, minimums, proration, in order; sums to amount"
        " before rounding."
    )
    invoice_id: strawberry.Private[str]
    price_id: strawberry.Private[str | None]
    feature_id: strawberry.Private[str | None]
    taxed_by: strawberry.Private[list[str]]

    @strawberry.field(description="The rates that tax it.")
    async def tax_rates(self, info: Info) -> list[TaxRate]:
        rows = await info.context.loaders.money.tax_rates.load_many(self.taxed_by)
        return [TaxRate.of(kept(row)) for row in rows]

    @strawberry.field(description="The invoice that the line is on.")
    async def invoice(
        self, info: Info
    ) -> Annotated["Invoice", strawberry.lazy("billing_gql.graph.invoices")]:
        return kept(await invoice_of(info, self.invoice_id))

    @strawberry.field(description="Null for a line made by hand.")
    async def price(self, info: Info) -> Price | None:
        return await price_of(info, self.price_id)

    @strawberry.field(description="Null for a line that meters nothing.")
    async def feature(self, info: Info) -> Feature | None:
        return await feature_of(info, self.feature_id)

    @strawberry.field(
        description="Null for a line that meters nothing. Keys: source, feature_id,"
        " properties.<path>; 1 to 5 of them."
    )
    async def usage_breakdown(
        self, info: Info, group_by: list[str], force_runtime_recalculation: bool = False
    ) -> UsageBreakdown | None:
        keys = parse_group_keys(group_by)
        if self.feature_id is None:
            return None
        found = await info.context.loaders.breakdowns.load(
            BreakdownKey(self.id, keys, force_runtime_recalculation)
        )
        return UsageBreakdown.of(found, self)

    @classmethod
    def of(cls, row: tables.LineItem) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            type=row.type,
            name=row.name,
            description=row.description,
            currency=CurrencyCode(row.currency),
            quantity=row.quantity,
            unit_amount=row.unit_amount,
            amount=row.amount,
            discount_amount=row.discount_amount,
            tax_amount=row.tax_amount,
            total=row.amount - row.discount_amount + row.tax_amount,
            event_count=None if row.event_count is None else BigInt(row.event_count),
            period_start=row.period_start,
            period_end=row.period_end,
            pricing_steps=[PricingStep.of(step) for step in row.pricing_steps],
            invoice_id=row.invoice_id,
            price_id=row.price_id,
            feature_id=row.feature_id,
            taxed_by=row.taxed_by,
        )


@entity(description="An invoice. Every amount is in its `currency`.")
class Invoice(Node):
    """Mirrors `invoices.tables.Invoice`."""

    number: str | None = strawberry.field(
        description="Assigned when finalized, without gaps; null before."
    )
    invoice_type: states.InvoiceType
    status: states.InvoiceStatus
    payment_status: states.PaymentStatus
    available_actions: list[states.InvoiceAction] = strawberry.field(
        description="What may be done with it now, from the transition table."
    )
    currency: CurrencyCode
    subtotal: Decimal = strawberry.field(
        description="Sum of line amounts, before discounts and taxes."
    )
    total_discount: Decimal
    total_tax: Decimal
    total_prepaid_credits_applied: Decimal = strawberry.field(
        description="Wallet credits drawn by this invoice. They do not lower the tax base."
    )
    total: Decimal = strawberry.field(
        description="subtotal - totalDiscount + totalTax - totalPrepaidCreditsApplied; never below"
        " zero."
    )
    customer_balance_applied: Decimal = strawberry.field(
        description="Customer balance used (positive) or added (negative) when finalized."
    )
    total_credited: Decimal = strawberry.field(description="Credit notes that settle this invoice.")
    amount_due: Decimal = strawberry.field(
        description="total - customerBalanceApplied - totalCredited; never below zero."
    )
    amount_paid: Decimal
    amount_remaining: Decimal = strawberry.field(
        description="max(amountDue - amountPaid, 0); 0 once voided."
    )
    issue_date: date | None = strawberry.field(
        description="Calendar date in the customer's zone; set when finalized."
    )
    due_date: date | None
    is_overdue: bool
    period_start: datetime | None
    period_end: datetime | None
    billing_period: BillingPeriod | None
    billing_reason: states.BillingReason
    memo: str | None
    metadata: Json
    created_at: datetime
    updated_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    customer_id: strawberry.Private[str]
    subscription_id: strawberry.Private[str | None]

    @strawberry.field(description="Who is billed.")
    async def customer(self, info: Info) -> Customer:
        return kept(await customer_of(info, self.customer_id))

    @strawberry.field(description="Null for a one-off.")
    async def subscription(self, info: Info) -> Subscription | None:
        return await subscription_of(info, self.subscription_id)

    @strawberry.field(description="In order.")
    async def line_items(self, info: Info) -> list[LineItem]:
        rows = await info.context.loaders.lines_of_invoice.load(self.id)
        return [LineItem.of(row) for row in rows]

    @strawberry.field(description="A row for each rate on its lines.")
    async def taxes(self, info: Info) -> list[InvoiceTax]:
        rows = await info.context.loaders.money.taxes_of_invoice.load(self.id)
        return [InvoiceTax.of(row) for row in rows]

    @strawberry.field(description="In the order in which they are taken off: those of lines first.")
    async def coupon_applications(self, info: Info) -> list[CouponApplication]:
        rows = await info.context.loaders.money.coupons_of_invoice.load(self.id)
        return [CouponApplication.of(row) for row in rows]

    @strawberry.field(description="What it moved of the customer's balance, newest first.")
    async def balance_transactions(self, info: Info) -> list[LazyBalanceTransaction]:
        from billing_gql.graph.ledger import BalanceTransaction

        rows = await info.context.loaders.money.balance_entries_of_invoice.load(self.id)
        return [BalanceTransaction.of(row) for row in rows]

    @strawberry.field(description="What was given back of it, in order.")
    async def credit_notes(self, info: Info) -> list[LazyCreditNote]:
        from billing_gql.graph.credit_notes import CreditNote

        rows = await info.context.loaders.credit_notes_of_invoice.load(self.id)
        return [CreditNote.of(row) for row in rows]

    @strawberry.field(description="Oldest first, failed attempts too.")
    async def payments(self, info: Info) -> list[LazyPayment]:
        from billing_gql.graph.payments import Payment

        rows = await info.context.loaders.payments_of_invoice.load(self.id)
        return [Payment.of(row) for row in rows]

    @strawberry.field(description="Signed link to the PDF; null for a draft.")
    def pdf_url(self, info: Info) -> str | None:
        if self.status is states.InvoiceStatus.DRAFT:
            return None
        return pdf_link(info.context.signer, DocumentKind.INVOICE, self.id)

    @strawberry.field(
        description="Signed link to a web page for whoever pays: the invoice, how its payment"
        " stands, and its PDF; null for a draft."
    )
    def hosted_url(self, info: Info) -> str | None:
        if self.status is states.InvoiceStatus.DRAFT:
            return None
        return page_link(info.context.signer, DocumentKind.INVOICE, self.id)

    @strawberry.field(
        description="Signed link to the e-invoice, as EN 16931 XML; null where there is none:"
        " `xmlObstacles` says why. The PDF has the same XML inside."
    )
    async def xml_url(self, info: Info) -> str | None:
        if await _xml_obstacles(info, self):
            return None
        return xml_link(info.context.signer, DocumentKind.INVOICE, self.id)

    @strawberry.field(
        description="Why there is no e-invoice: what the invoice lacks, or what the standard"
        " cannot say. Empty where there is one."
    )
    async def xml_obstacles(self, info: Info) -> list[str]:
        return await _xml_obstacles(info, self)

    @strawberry.field(
        description="Why the billing run could not finalize it; null when all is well."
    )
    async def billing_problem(self, info: Info) -> str | None:
        return await info.context.loaders.billing_problems.load(self.id)

    @strawberry.field(
        description="One breakdown for each usage line. Keys: source, feature_id,"
        " properties.<path>; 1 to 5 of them. Never changes any other field of the invoice."
    )
    async def usage_breakdown(
        self, info: Info, group_by: list[str], force_runtime_recalculation: bool = False
    ) -> list[UsageBreakdown]:
        keys = parse_group_keys(group_by)
        loaders = info.context.loaders
        rows = await loaders.lines_of_invoice.load(self.id)
        found = await loaders.breakdowns.load_many(
            [
                BreakdownKey(row.id, keys, force_runtime_recalculation)
                for row in rows
                if row.feature_id is not None
            ]
        )
        return [UsageBreakdown.of(one, LineItem.of(one.line)) for one in found]

    @classmethod
    def of(cls, row: tables.Invoice, now: datetime) -> Self:
        standing = row.standing
        return cls(
            id=strawberry.ID(row.id),
            number=row.number,
            invoice_type=row.invoice_type,
            status=row.status,
            payment_status=states.payment_status(standing, now),
            available_actions=states.available_actions(standing),
            currency=CurrencyCode(row.currency),
            subtotal=row.subtotal,
            total_discount=row.total_discount,
            total_tax=row.total_tax,
            total_prepaid_credits_applied=row.total_prepaid_credits_applied,
            total=row.total,
            customer_balance_applied=row.customer_balance_applied,
            total_credited=row.total_credited,
            amount_due=row.amount_due,
            amount_paid=row.amount_paid,
            amount_remaining=standing.amount_remaining,
            issue_date=row.issue_date,
            due_date=row.due_date,
            is_overdue=states.is_overdue(standing, now),
            period_start=row.period_start,
            period_end=row.period_end,
            billing_period=row.billing_period,
            billing_reason=row.billing_reason,
            memo=row.memo,
            metadata=Json(row.metadata_),
            created_at=row.created_at,
            updated_at=row.updated_at,
            finalized_at=row.finalized_at,
            paid_at=row.paid_at,
            voided_at=row.voided_at,
            customer_id=row.customer_id,
            subscription_id=row.subscription_id,
        )


async def _xml_obstacles(info: Info, invoice: Invoice) -> list[str]:
    if invoice.status is states.InvoiceStatus.DRAFT:
        return ["The invoice is a draft."]
    return list(obstacles(kept(await info.context.loaders.printed_invoices.load(invoice.id))))


async def invoice_of(info: Info, invoice_id: str | None) -> Invoice | None:
    """The invoice through its loader; None for no id."""
    row = await info.context.loaders.invoices.load(invoice_id) if invoice_id else None
    return None if row is None else Invoice.of(row, info.context.actor.now)


async def line_of(info: Info, line_id: str | None) -> LineItem | None:
    """The line through its loader; None for no id."""
    row = await info.context.loaders.lines.load(line_id) if line_id else None
    return None if row is None else LineItem.of(row)
