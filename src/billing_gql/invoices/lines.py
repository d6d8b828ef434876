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
    MINIMUM_COMMITMENT = "MINIMUM_COMMITMENT"
    PRORATION = "PRORATION"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class UsageScope:
    """Which events a usage line bills: those of its period that name the subscription, and inside
    the windows those that name none, up to a generation (see `usage.tables`).

    A line of late usage bills those `after` the generation that earlier lines went up to.
    """

    subscription_id: str
    windows: tuple[Period, ...]
    generation: int | None
    """None where what came late is read too."""
    taken_at: datetime
    """When the events were read, by the organization's clock."""
    after: int | None = None


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
    billed_before: Decimal = Decimal(0)
    """Of late usage: what earlier lines bill for the same period."""
    carried: Decimal = Decimal(0)
    """Of a negative line: what the invoice could not hold and a later one gives back."""
    credit_id: str | None = None
    """The credit that the line gives back."""
