"""The table of customers."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from billing_gql.kernel.address import Address
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.store.columns import Id, Instant, Json, Row, Struct, choice


class PaymentProvider(StrEnum):
    """Who takes the money: MANUAL is a person who says so, SANDBOX pays by its tokens."""

    MANUAL = "MANUAL"
    SANDBOX = "SANDBOX"
    STRIPE = "STRIPE"


class Customer(Row, table=True):
    """A customer. Its row is the lock under which its usage is stored and its invoices change."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("organization_id", "external_id"),
        UniqueConstraint("organization_id", "sequence"),
        CheckConstraint(
            "(payment_provider IS NULL) = (payment_token IS NULL) AND payment_provider <> 'MANUAL'",
            name="ck_customers_payment_method",
        ),
        CheckConstraint(
            "(coalesce(payment_provider, '') = 'STRIPE') = (payment_customer IS NOT NULL)",
            name="ck_customers_payment_customer",
        ),
        Index("ix_customers_created_at", "organization_id", "created_at", "id"),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.CUSTOMER), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    sequence: int
    """The organization's first customer is 1; part of invoice numbers."""
    external_id: str
    name: str
    email: str | None = None
    currency: str
    timezone: str
    address: Address | None = Field(default=None, sa_type=Struct(Address))
    tax_identifier: str | None = None
    language: str | None = None
    """Of documents, as BCP 47 has it; None for the organization's."""
    net_payment_term_days: int | None = None
    metadata_: dict[str, object] = Field(
        default_factory=dict, sa_type=Json, sa_column_kwargs={"name": "metadata"}
    )
    payment_provider: PaymentProvider | None = Field(default=None, sa_type=choice(PaymentProvider))
    payment_token: str | None = None
    """The provider's own reference of the payment method; never card data."""
    payment_customer: str | None = None
    """The provider's own reference of the customer, where it charges a method with one alone."""
    usage_generation: int = 0
    """How often usage was taken for an invoice; events carry the count at which they arrived."""
    billed_until: datetime | None = Field(default=None, sa_type=Instant)
    """Usage before this instant may be on an invoice: ingest marks events that come for it."""
    terms_generation: int = 0
    """How often coupons, credits, wallets or the balance changed: drafts that are behind are
    computed again."""
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
