"""Tables of invoices, their lines and their number series, with what the database refuses."""

from datetime import date, datetime
from decimal import Decimal

import msgspec
from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Computed, Index, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, Range
from sqlmodel import Field

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.states import (
    BillingReason,
    InvoiceStatus,
    InvoiceType,
    PaymentState,
    Standing,
)
from billing_gql.kernel.address import Address
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.rating.step import PricingStep
from billing_gql.store.columns import Exact, Id, Instant, Json, Row, Struct, choice


class Party(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A seller or buyer as it was when the invoice was finalized."""

    name: str
    external_id: str | None = None
    email: str | None = None
    tax_identifier: str | None = None
    address: Address | None = None
    language: str | None = None
    """The buyer's: documents are in it. BCP 47."""
    payment_instructions: str | None = None
    """The seller's: how to pay."""


class Invoice(Row, table=True):
    """An invoice. Amounts are in `currency`, with exactly its decimals.

    The CHECKs hold its sums; the trigger `freeze_invoice` refuses any change of what a finalized
    one says, and checks its lines against its sums when it is finalized.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint(
            "total = subtotal - total_discount + total_tax - total_prepaid_credits_applied",
            name="ck_invoices_total",
        ),
        CheckConstraint(
            "subtotal >= 0 AND total_discount BETWEEN 0 AND subtotal AND total_tax >= 0"
            " AND total_prepaid_credits_applied >= 0 AND total >= 0 AND total_credited >= 0"
            " AND amount_paid >= 0 AND total - customer_balance_applied - total_credited >= 0",
            name="ck_invoices_signs",
        ),
        # Credit notes give back no more than was billed, refunds no more than was paid.
        CheckConstraint(
            "credited BETWEEN 0 AND greatest(subtotal - total_discount, 0)"
            " AND refunded BETWEEN 0 AND greatest(amount_paid, 0)",
            name="ck_invoices_credited",
        ),
        CheckConstraint("(status = 'DRAFT') = (number IS NULL)", name="ck_invoices_number"),
        CheckConstraint(
            "status = 'DRAFT' OR (issue_date IS NOT NULL AND due_date IS NOT NULL"
            " AND finalized_at IS NOT NULL AND seller IS NOT NULL AND buyer IS NOT NULL)",
            name="ck_invoices_finalized",
        ),
        CheckConstraint("(status = 'VOIDED') = (voided_at IS NOT NULL)", name="ck_invoices_voided"),
        CheckConstraint("period_start < period_end", name="ck_invoices_period"),
        CheckConstraint(
            "(invoice_type = 'CREDIT') = (wallet_id IS NOT NULL)", name="ck_invoices_wallet"
        ),
        Index("uq_invoices_number", "organization_id", "number", unique=True),
        # A subscription closes a period once and opens it once, on one invoice or on two.
        Index(
            "uq_invoices_subscription_period",
            "subscription_id",
            "period_start",
            unique=True,
            postgresql_where=text(
                "status <> 'VOIDED' AND invoice_type = 'SUBSCRIPTION' AND plan_id IS NOT NULL"
            ),
        ),
        Index(
            "uq_invoices_subscription_opening",
            "subscription_id",
            "opens_at",
            unique=True,
            postgresql_where=text(
                "status <> 'VOIDED' AND invoice_type = 'SUBSCRIPTION' AND opens_plan_id IS NOT NULL"
            ),
        ),
        # Lists read one of these from an end: drafts, which have no date yet, count as newest.
        Index(
            "ix_invoices_issue_date",
            "organization_id",
            text("coalesce(issue_date, 'infinity'::date)"),
            "id",
        ),
        Index("ix_invoices_created_at", "organization_id", "created_at", "id"),
        Index(
            "ix_invoices_due_date",
            "organization_id",
            text("coalesce(due_date, 'infinity'::date)"),
            "id",
        ),
        Index("ix_invoices_total", "organization_id", "total", "id"),
        Index(
            "ix_invoices_customer",
            "customer_id",
            text("coalesce(issue_date, 'infinity'::date)"),
            "id",
        ),
        # The billing run looks for drafts whose grace is over.
        Index(
            "ix_invoices_finalize",
            "organization_id",
            "finalize_at",
            postgresql_where=text("status = 'DRAFT'"),
        ),
        # And for finalized ones that the customer's payment method is to pay.
        Index(
            "ix_invoices_collect",
            "organization_id",
            "collect_at",
            postgresql_where=text("collect_at IS NOT NULL"),
        ),
        Index("ix_invoices_wallet", "wallet_id", postgresql_where=text("wallet_id IS NOT NULL")),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.INVOICE), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    number: str | None = None
    invoice_type: InvoiceType = Field(sa_type=choice(InvoiceType))
    status: InvoiceStatus = Field(default=InvoiceStatus.DRAFT, sa_type=choice(InvoiceStatus))
    billing_reason: BillingReason = Field(sa_type=choice(BillingReason))
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    subscription_id: str | None = Field(default=None, foreign_key="subscriptions.id", sa_type=Id)
    wallet_id: str | None = Field(default=None, foreign_key="wallets.id", sa_type=Id)
    """The wallet whose credit it is for, which gets it once nothing remains."""
    currency: str
    timezone: str
    """The customer's when the invoice was made: dates on it are of this zone."""
    subtotal: Decimal = Field(sa_type=Exact)
    total_discount: Decimal = Field(sa_type=Exact)
    total_tax: Decimal = Field(sa_type=Exact)
    total_prepaid_credits_applied: Decimal = Field(sa_type=Exact)
    total: Decimal = Field(sa_type=Exact)
    customer_balance_applied: Decimal = Field(sa_type=Exact)
    total_credited: Decimal = Field(sa_type=Exact)
    amount_due: Decimal = Field(
        default=None,
        sa_type=Exact,
        sa_column_args=[
            Computed("total - customer_balance_applied - total_credited", persisted=True)
        ],
    )
    amount_paid: Decimal = Field(sa_type=Exact)
    credited: Decimal = Field(default=Decimal(0), sa_type=Exact)
    """What credit notes give back before tax, however they are settled."""
    refunded: Decimal = Field(default=Decimal(0), sa_type=Exact)
    """What credit notes paid out of `amount_paid`, which stays what was received."""
    last_attempt: PaymentState | None = Field(default=None, sa_type=choice(PaymentState))
    """Of the last payment by the customer's method. Kept by `payments`, a slice above."""
    has_payment_method: bool = False
    """The customer's, once finalized: what may be done with the invoice depends on it."""
    collect_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the billing run starts the payment that finalizing asked for; null once it has."""
    issue_date: date | None = None
    due_date: date | None = None
    overdue_at: datetime | None = Field(default=None, sa_type=Instant)
    """The end of the due date in the invoice's zone."""
    period_start: datetime | None = Field(default=None, sa_type=Instant)
    period_end: datetime | None = Field(default=None, sa_type=Instant)
    billing_period: BillingPeriod | None = Field(default=None, sa_type=choice(BillingPeriod))
    plan_id: str | None = Field(default=None, foreign_key="plans.id", sa_type=Id)
    """The plan whose period, `period_start` to `period_end`, has ended; null if none has."""
    opens_plan_id: str | None = Field(default=None, foreign_key="plans.id", sa_type=Id)
    """The plan whose period, `opens_at` to `opens_until`, is billed in advance; null if none is."""
    opens_at: datetime | None = Field(default=None, sa_type=Instant)
    opens_until: datetime | None = Field(default=None, sa_type=Instant)
    usage_generation: int | None = None
    """Usage of generations up to this one is on the draft; null where it bills none."""
    terms_generation: int = 0
    """The customer's when the draft was summed up."""
    default_taxes: int = 0
    """How many default tax rates there were when the draft was summed up; none is ever removed."""
    finalize_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the billing run finalizes the draft; null for a draft made by hand."""
    memo: str | None = None
    metadata_: dict[str, object] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"name": "metadata"}
    )
    seller: Party | None = Field(default=None, sa_type=Struct(Party))
    buyer: Party | None = Field(default=None, sa_type=Struct(Party))
    void_reason: str | None = None
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
    finalized_at: datetime | None = Field(default=None, sa_type=Instant)
    paid_at: datetime | None = Field(default=None, sa_type=Instant)
    voided_at: datetime | None = Field(default=None, sa_type=Instant)

    @property
    def standing(self) -> Standing:
        """The facts that decide what may be done."""
        return Standing(
            status=self.status,
            amount_due=self.amount_due,
            amount_paid=self.amount_paid,
            total_credited=self.total_credited,
            overdue_at=self.overdue_at,
            creditable=self.subtotal - self.total_discount,
            credited=self.credited,
            last_attempt=self.last_attempt,
            has_payment_method=self.has_payment_method,
            buys_credit=self.wallet_id is not None,
        )


class LineItem(Row, table=True):
    """A line of an invoice. For a usage line it also says which events it bills.

    Those are, after `usage_after` and up to `usage_generation`: the events of the period that name
    `subscription_id`, and within `usage_windows` those that name none.
    """

    __tablename__ = "line_items"
    __table_args__ = (
        CheckConstraint(
            "(amount >= 0 OR type IN ('USAGE', 'MINIMUM_COMMITMENT', 'PRORATION'))"
            " AND (quantity >= 0 OR type = 'USAGE') AND tax_amount >= 0 AND carried >= 0"
            " AND discount_amount BETWEEN 0 AND greatest(amount, 0)",
            name="ck_line_items_signs",
        ),
        CheckConstraint("(type = 'USAGE') = (feature_id IS NOT NULL)", name="ck_line_items_usage"),
        # Only late usage and credits take something back.
        CheckConstraint(
            "amount >= 0 OR credit_id IS NOT NULL OR billed_before <> 0",
            name="ck_line_items_negative",
        ),
        Index("ix_line_items_invoice", "invoice_id", "position"),
        # What was billed for a period: late usage and credits look for it.
        Index("ix_line_items_subscription", "subscription_id", "period_start"),
        Index("ix_line_items_credit", "credit_id", postgresql_where=text("credit_id IS NOT NULL")),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.LINE_ITEM), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    invoice_id: str = Field(foreign_key="invoices.id", ondelete="CASCADE", sa_type=Id)
    position: int
    type: LineItemType = Field(sa_type=choice(LineItemType))
    name: str
    description: str | None = None
    currency: str
    quantity: Decimal = Field(sa_type=Exact)
    unit_amount: Decimal | None = Field(default=None, sa_type=Exact)
    amount: Decimal = Field(sa_type=Exact)
    discount_amount: Decimal = Field(sa_type=Exact)
    tax_amount: Decimal = Field(sa_type=Exact)
    event_count: int | None = Field(default=None, sa_type=BigInteger)
    period_start: datetime | None = Field(default=None, sa_type=Instant)
    period_end: datetime | None = Field(default=None, sa_type=Instant)
    price_id: str | None = Field(default=None, foreign_key="prices.id", sa_type=Id)
    feature_id: str | None = Field(default=None, foreign_key="features.id", sa_type=Id)
    customer_id: str = Field(sa_type=Id)
    subscription_id: str | None = Field(default=None, sa_type=Id)
    usage_windows: list[Range[datetime]] | None = Field(default=None, sa_type=TSTZMULTIRANGE)
    usage_after: int | None = None
    usage_generation: int | None = None
    usage_taken_at: datetime | None = Field(default=None, sa_type=Instant)
    billed_before: Decimal = Field(sa_type=Exact)
    """Of late usage: what earlier lines bill for the same period."""
    carried: Decimal = Field(sa_type=Exact)
    """Of a negative line: what the invoice could not hold; a credit once it is frozen."""
    credit_id: str | None = Field(default=None, foreign_key="credits.id", sa_type=Id)
    tax_rate_ids: list[str] | None = Field(default=None, sa_type=ARRAY(Id))
    """The rates that were named for a line by hand; null takes the defaults."""
    taxed_by: list[str] = Field(default_factory=list, sa_type=ARRAY(Id))
    """The rates that are on it."""
    pricing_steps: list[PricingStep] = Field(sa_type=Struct(list[PricingStep]))


class Credit(Row, table=True):
    """What is owed back to a customer for a line; lines that name it give it back."""

    __tablename__ = "credits"
    __table_args__ = (
        CheckConstraint("amount > 0", name="ck_credits_amount"),
        Index("ix_credits_customer", "customer_id"),
        # A line is credited once.
        Index("uq_credits_source", "source_line_item_id", unique=True),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.CREDIT), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    subscription_id: str = Field(foreign_key="subscriptions.id", index=True, sa_type=Id)
    source_line_item_id: str = Field(sa_type=Id)
    """No foreign key: with a draft its lines may be deleted, and the credit then counts for 0."""
    price_id: str | None = Field(default=None, foreign_key="prices.id", sa_type=Id)
    name: str
    period_start: datetime = Field(sa_type=Instant)
    period_end: datetime = Field(sa_type=Instant)
    amount: Decimal = Field(sa_type=Exact)
    created_at: datetime = Field(sa_type=Instant)


class WaivedPeriod(Row, table=True):
    """A period of a subscription that stays unbilled: the draft that billed it was deleted."""

    __tablename__ = "waived_periods"

    invoice_id: str = Field(primary_key=True, sa_type=Id)
    """The draft's."""
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    subscription_id: str = Field(foreign_key="subscriptions.id", index=True, sa_type=Id)
    period_start: datetime = Field(sa_type=Instant)
    period_end: datetime = Field(sa_type=Instant)
    deleted_at: datetime = Field(sa_type=Instant)
