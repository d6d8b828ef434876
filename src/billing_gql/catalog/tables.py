"""Tables of features, plans and prices. None of them changes once it exists."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import ARRAY, Text, UniqueConstraint
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
