"""Tables of organizations and their API keys."""

import secrets
from datetime import datetime
from enum import StrEnum

from sqlmodel import Field

from billing_gql.kernel.address import Address
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.store.columns import Id, Instant, Row, Struct, choice


class OrganizationMode(StrEnum):
    """LIVE bills for real; TEST may set its own clock."""

    LIVE = "LIVE"
    TEST = "TEST"


class InvoiceNumbering(StrEnum):
    """Which series an invoice takes its number from."""

    PER_CUSTOMER = "PER_CUSTOMER"
    PER_ORGANIZATION = "PER_ORGANIZATION"


class Organization(Row, table=True):
    """A tenant. Nothing leaves it: every other row names its organization."""

    __tablename__ = "organizations"

    id: str = Field(default_factory=lambda: new_id(Kind.ORGANIZATION), primary_key=True, sa_type=Id)
    name: str
    mode: OrganizationMode = Field(sa_type=choice(OrganizationMode))
    timezone: str
    default_currency: str
    invoice_prefix: str
    invoice_numbering: InvoiceNumbering = Field(
        default=InvoiceNumbering.PER_CUSTOMER, sa_type=choice(InvoiceNumbering)
    )
    net_payment_term_days: int = 30
    grace_period_days: int = 3
    language: str = "en"
    """Of the documents of customers that have none of their own, as BCP 47 has it."""
    email: str | None = None
    tax_identifier: str | None = None
    address: Address | None = Field(default=None, sa_type=Struct(Address))
    payment_instructions: str | None = None
    """How to pay, as documents say it."""
    link_key: bytes = Field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs the links to its documents; known to nobody outside."""
    test_clock: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)


class ApiKey(Row, table=True):
    """A key's SHA-256; the key itself was shown once and is nowhere."""

    __tablename__ = "api_keys"

    id: str = Field(default_factory=lambda: new_id(Kind.API_KEY), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", index=True, sa_type=Id)
    key_hash: bytes = Field(unique=True)
    created_at: datetime = Field(sa_type=Instant)
