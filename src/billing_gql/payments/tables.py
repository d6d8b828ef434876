"""The tables of payments and of refunds."""

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


class Refund(Row, table=True):
    """Money of a credit note that goes back: of one payment, or by hand, in the note's currency.

    The trigger `freeze_refund` refuses that one is deleted, that its money changes, and that a
    success turns back; `refund_payment` that more goes back than a payment brought;
    `refunds_add_up` that a note's refunds are not its total; `payment_is_refunded` and
    `count_payment` that a payment is not REFUNDED once all of it has gone back, or before.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="ck_refunds_amount"),
        CheckConstraint(
            "state IN ('PROCESSING', 'SUCCEEDED', 'FAILED')"
            " AND (state = 'PROCESSING') = (next_check_at IS NOT NULL)"
            " AND (state = 'SUCCEEDED') = (refunded_at IS NOT NULL)"
            " AND (state = 'FAILED') = (failure_reason IS NOT NULL)",
            name="ck_refunds_state",
        ),
        CheckConstraint(
            "(payment_id IS NULL) = (attempt IS NULL)"
            " AND (payment_id IS NOT NULL OR provider = 'MANUAL')"
            " AND (provider <> 'MANUAL' OR state = 'SUCCEEDED')",
            name="ck_refunds_provider",
        ),
        Index("ix_refunds_credit_note", "credit_note_id", "id"),
        Index("ix_refunds_payment", "payment_id"),
        Index("uq_refunds_provider_reference", "provider", "provider_reference", unique=True),
        # The billing run looks for refunds of which the provider is to be asked.
        Index(
            "ix_refunds_check",
            "organization_id",
            "next_check_at",
            postgresql_where=text("next_check_at IS NOT NULL"),
        ),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.REFUND), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    invoice_id: str = Field(foreign_key="invoices.id", sa_type=Id)
    credit_note_id: str = Field(foreign_key="credit_notes.id", sa_type=Id)
    payment_id: str | None = Field(default=None, foreign_key="payments.id", sa_type=Id)
    """What it gives back; null for what no provider took."""
    provider: PaymentProvider = Field(sa_type=choice(PaymentProvider))
    """Who gives it back: MANUAL also where it was paid out by hand after the provider failed."""
    state: PaymentState = Field(sa_type=choice(PaymentState))
    """PROCESSING, SUCCEEDED or FAILED."""
    currency: str
    amount: Decimal = Field(sa_type=Exact)
    attempt: int | None = None
    """From 1, one more each time that it is tried again; null where no provider is asked."""
    reference: str | None = None
    """The caller's own, of what was paid out by hand."""
    provider_reference: str | None = None
    """Of the last attempt."""
    failure_reason: str | None = None
    refunded_at: datetime | None = Field(default=None, sa_type=Instant)
    next_check_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the provider is asked, first or again, how the attempt ended."""
    checks: int = 0
    """How often it was asked without an end, in this attempt."""
    started_at: datetime = Field(sa_type=Instant)
    """When this attempt began."""
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)

    @property
    def key(self) -> str:
        """The idempotency key of this attempt at the provider, and by which its answer is found.

        It is the refund's id in the first attempt. A provider answers of an attempt that failed
        for ever as it did, so another attempt has another key.
        """
        return self.id if self.attempt in (None, 1) else f"{self.id}-{self.attempt}"


def refund_id_of(key: str) -> str:
    """The id of the refund that an attempt's key was made for."""
    return key.partition("-")[0]
