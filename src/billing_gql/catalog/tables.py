"""Tables of features, plans and prices. None of them changes once it exists."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, Text, UniqueConstraint
from sqlmodel import Field

from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.rating.models import PriceModel
from billing_gql.store.columns import Exact, Id, Instant, Row, Struct, choice


class Aggregation(StrEnum):
    """How a feature's events make a quantity. All but COUNT read the feature's value property."""

    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    UNIQUE_COUNT = "UNIQUE_COUNT"
    """How many different values there are; each may be any JSON scalar, compared as text."""
    LATEST = "LATEST"
    """The value of the last event, by time and then by transaction id."""
    WEIGHTED_SUM = "WEIGHTED_SUM"
    """Values change a level; the level carried over the period, as its mean over time."""


class Feature(Row, table=True):
    """What is metered. `dimensions` are the property paths that roll-ups keep."""

    __tablename__ = "features"
    __table_args__ = (UniqueConstraint("organization_id", "key"),)

    id: str = Field(default_factory=lambda: new_id(Kind.FEATURE), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    key: str
    name: str
    event_name: str
    aggregation: Aggregation = Field(sa_type=choice(Aggregation))
    value_property: str | None = None
    dimensions: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    created_at: datetime = Field(sa_type=Instant)


class Plan(Row, table=True):
    """A price list that customers subscribe to.

    `minimum_commitment`, in `currency`, is the least that a full period bills before tax.
    """

    __tablename__ = "plans"
    __table_args__ = (UniqueConstraint("organization_id", "key"),)

    id: str = Field(default_factory=lambda: new_id(Kind.PLAN), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    key: str
    name: str
    currency: str
    billing_period: BillingPeriod = Field(sa_type=choice(BillingPeriod))
    trial_days: int = 0
    minimum_commitment: Decimal | None = Field(default=None, sa_type=Exact)
    created_at: datetime = Field(sa_type=Instant)


class Price(Row, table=True):
    """One price of a plan, in the plan's currency; `feature_id` is null for FLAT."""

    __tablename__ = "prices"

    id: str = Field(default_factory=lambda: new_id(Kind.PRICE), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    plan_id: str = Field(foreign_key="plans.id", index=True, sa_type=Id)
    position: int
    name: str
    feature_id: str | None = Field(default=None, foreign_key="features.id", sa_type=Id)
    cadence: BillingCadence = Field(sa_type=choice(BillingCadence))
    currency: str
    model: PriceModel = Field(sa_type=Struct(PriceModel))


class CouponDuration(StrEnum):
    """On how many of a customer's invoices a coupon is."""

    ONCE = "ONCE"
    REPEATING = "REPEATING"
    FOREVER = "FOREVER"


class Coupon(Row, table=True):
    """Either percent off, or an amount off in `currency`."""

    __tablename__ = "coupons"
    __table_args__ = (
        UniqueConstraint("organization_id", "code"),
        CheckConstraint(
            "(percent_off IS NULL) <> (amount_off IS NULL)"
            " AND (amount_off IS NULL) = (currency IS NULL)"
            " AND (duration = 'REPEATING') = (duration_invoices IS NOT NULL)",
            name="ck_coupons_kind",
        ),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.COUPON), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    code: str
    name: str
    percent_off: Decimal | None = Field(default=None, sa_type=Exact)
    amount_off: Decimal | None = Field(default=None, sa_type=Exact)
    currency: str | None = None
    duration: CouponDuration = Field(sa_type=choice(CouponDuration))
    duration_invoices: int | None = None
    created_at: datetime = Field(sa_type=Instant)


class TaxRate(Row, table=True):
    """A rate of tax, in percent. Defaults are on every line that does not name its own."""

    __tablename__ = "tax_rates"
    __table_args__ = (UniqueConstraint("organization_id", "code"),)

    id: str = Field(default_factory=lambda: new_id(Kind.TAX_RATE), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    code: str
    name: str
    percentage: Decimal = Field(sa_type=Exact)
    is_default: bool
    created_at: datetime = Field(sa_type=Instant)
