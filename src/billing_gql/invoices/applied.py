"""Tables of what is taken off and put on invoices: coupons where they are applied, and taxes."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Index
from sqlmodel import Field

from billing_gql.kernel.ids import Kind, new_id
from billing_gql.store.columns import Exact, Id, Instant, Row


class CouponGrant(Row, table=True):
    """A coupon given to a customer's coming invoices, to one draft, or to one line of a draft.

    How often it was used is the number of invoices with a `CouponApplication` of it that are not
    voided: a voided invoice or a deleted draft gives its use back by itself.
    """

    __tablename__ = "coupon_grants"
    __table_args__ = (Index("ix_coupon_grants_customer", "customer_id", "id"),)

    id: str = Field(default_factory=lambda: new_id(Kind.COUPON_GRANT), primary_key=True, sa_type=Id)
    """In order of application."""
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    coupon_id: str = Field(foreign_key="coupons.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    invoice_id: str | None = Field(
        default=None, foreign_key="invoices.id", ondelete="CASCADE", index=True, sa_type=Id
    )
    line_item_id: str | None = Field(
        default=None, foreign_key="line_items.id", ondelete="CASCADE", index=True, sa_type=Id
    )
    created_at: datetime = Field(sa_type=Instant)


class CouponApplication(Row, table=True):
    """What a coupon takes off an invoice, or off one of its lines. Frozen with the invoice."""

    __tablename__ = "coupon_applications"

    invoice_id: str = Field(
        foreign_key="invoices.id", ondelete="CASCADE", primary_key=True, sa_type=Id
    )
    grant_id: str = Field(foreign_key="coupon_grants.id", primary_key=True, index=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    coupon_id: str = Field(foreign_key="coupons.id", sa_type=Id)
    line_item_id: str | None = Field(
        default=None, foreign_key="line_items.id", ondelete="CASCADE", index=True, sa_type=Id
    )
    currency: str
    amount: Decimal = Field(sa_type=Exact)


class InvoiceTax(Row, table=True):
    """Tax of one rate on an invoice, as the rate was. Frozen with the invoice."""

    __tablename__ = "invoice_taxes"

    invoice_id: str = Field(
        foreign_key="invoices.id", ondelete="CASCADE", primary_key=True, sa_type=Id
    )
    tax_rate_id: str = Field(foreign_key="tax_rates.id", primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    position: int
    name: str
    percentage: Decimal = Field(sa_type=Exact)
    currency: str
    taxable_amount: Decimal = Field(sa_type=Exact)
    amount: Decimal = Field(sa_type=Exact)
