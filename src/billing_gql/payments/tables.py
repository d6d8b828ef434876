"""The table of payments."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.store.columns import Exact, Id, Instant, Row, choice


class Payment(Row, table=True):
    """A payment for an invoice, in its currency: recorded by hand, or an attempt at a provider.

    The trigger `freeze_payment` refuses that one is deleted, that its money changes, and that a
    success turns back; `freeze_provider_customer`, that it becomes another's at the provider.
    `count_payment` holds an invoice's `amount_paid` against its payments.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="ck_payments_amount"),
        CheckConstraint(
            "(state = 'PROCESSING') = (next_check_at IS NOT NULL)"
            " AND (state IN ('SUCCEEDED', 'REFUNDED')) = (received_at IS NOT NULL)"
            " AND (state = 'FAILED') = (failure_reason IS NOT NULL)",
            name="ck_payments_state",
        ),
        CheckConstraint(
            "(provider = 'MANUAL') = (attempt IS NULL) AND (provider = 'MANUAL') = (token IS NULL)"
            " AND (provider <> 'MANUAL' OR state IN ('SUCCEEDED', 'REFUNDED'))",
            name="ck_payments_provider",
        ),
        CheckConstraint(
            "(provider = 'STRIPE') = (provider_customer IS NOT NULL)",
            name="ck_payments_provider_customer",
        ),
        Index("ix_payments_invoice", "invoice_id", "id"),
        # One attempt at a time: two could both take the money.
        Index(
            "uq_payments_processing",
            "invoice_id",
            unique=True,
            postgresql_where=text("state = 'PROCESSING'"),
        ),
        Index("uq_payments_attempt", "invoice_id", "attempt", unique=True),
        # What a provider did is counted once.
        Index("uq_payments_provider_reference", "provider", "provider_reference", unique=True),
        # The billing run looks for attempts of which the provider is to be asked.
        Index(
            "ix_payments_check",
            "organization_id",
            "next_check_at",
            postgresql_where=text("next_check_at IS NOT NULL"),
        ),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.PAYMENT), primary_key=True, sa_type=Id)
    """Also the idempotency key at the provider: asked again, it answers of the same charge."""
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    invoice_id: str = Field(foreign_key="invoices.id", sa_type=Id)
    provider: PaymentProvider = Field(sa_type=choice(PaymentProvider))
    state: PaymentState = Field(sa_type=choice(PaymentState))
    currency: str
    amount: Decimal = Field(sa_type=Exact)
    attempt: int | None = None
    """The invoice's first attempt is 1; null for a payment by hand."""
    token: str | None = None
    """The payment method that was asked, as it was then."""
    provider_customer: str | None = None
    """The provider's own reference of the customer, as it was then."""
    reference: str | None = None
    """The caller's own, of a payment by hand."""
    provider_reference: str | None = None
    failure_reason: str | None = None
    received_at: datetime | None = Field(default=None, sa_type=Instant)
    next_check_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the provider is asked, first or again, how the attempt ended."""
    checks: int = 0
    """How often it was asked without an end."""
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
