"""What a line of an invoice is before it is stored. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from billing_gql.kernel.period import Period
from billing_gql.rating.step import PricingStep


class LineItemType(StrEnum):
    """What the line bills."""

    FIXED = "FIXED"
    USAGE = "USAGE"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class UsageScope:
    """Which events a usage line bills: those of its period that name the subscription, and inside
    the windows those that name none, up to a generation (see `usage.tables`)."""

    subscription_id: str
    windows: tuple[Period, ...]
    generation: int
    taken_at: datetime
    """When the events were read, by the organization's clock."""


@dataclass(frozen=True, slots=True)
class ComposedLine:
    """A line with its amount rounded once. Discounts and taxes are of the invoice: see `totals`."""

    type: LineItemType
    name: str
    quantity: Decimal
    unit_amount: Decimal | None
    amount: Decimal
    steps: tuple[PricingStep, ...]
    period: Period | None = None
    description: str | None = None
    price_id: str | None = None
    feature_id: str | None = None
    event_count: int | None = None
    scope: UsageScope | None = None
