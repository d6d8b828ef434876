"""What events cost, counted the plain way: the measure for invoices with late usage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

from billing_gql.catalog.tables import Aggregation
from billing_gql.kernel.money import to_currency
from billing_gql.kernel.period import Period
from billing_gql.rating.models import (
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PercentageTier,
    PerUnit,
    PriceModel,
    PriceTier,
    Volume,
)
from billing_gql.rating.rate import rate

TIERS = (
    PriceTier(Decimal(5), Decimal("1.115")),
    PriceTier(Decimal(12), Decimal("0.5"), Decimal(2)),
    PriceTier(None, Decimal("0.333")),
)
SHARES = (PercentageTier(Decimal(4), Decimal(50)), PercentageTier(None, Decimal("12.5")))
SOLD: Mapping[str, tuple[Aggregation, PriceModel]] = {
    "count": (Aggregation.COUNT, Package(Decimal(3), Decimal(4), Decimal(1))),
    "sum": (Aggregation.SUM, Graduated(TIERS)),
    "max": (Aggregation.MAX, Volume(TIERS)),
    "unique": (Aggregation.UNIQUE_COUNT, PerUnit(Decimal("0.335"))),
    "latest": (Aggregation.LATEST, GraduatedPercentage(SHARES)),
    "level": (Aggregation.WEIGHTED_SUM, PerUnit(Decimal("7.77"))),
    "pay": (
        Aggregation.SUM,
        Percentage(Decimal(10), Decimal("0.25"), free_events=2, free_amount=Decimal(9)),
    ),
}
"""What is metered, by its event name, and its price; every value is the property `v`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event of one of the features; `named` is the subscription that it names."""

    id: str
    name: str
    at: datetime
    value: int
    named: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What one subscription takes of a period: its own events, and the unnamed in `windows`."""

    subscription: str
    period: Period
    windows: Sequence[Period]


def owned(taken: Taken, name: str, events: Sequence[Sent]) -> list[Sent]:
    """The feature's events of the period that are the subscription's, in time order."""
    return sorted(
        (
            one
            for one in events
            if one.name == name
            and (
                (one.named == taken.subscription and one.at in taken.period)
                or (one.named is None and any(one.at in window for window in taken.windows))
            )
        ),
        key=lambda one: (one.at, one.id),
    )


def quantity(taken: Taken, name: str, events: Sequence[Sent]) -> Decimal:
    """The feature's usage."""
    mine = owned(taken, name, events)
    aggregation, _ = SOLD[name]
    if aggregation is Aggregation.WEIGHTED_SUM:
        return _mean_level(taken, name, events)
    values = [Decimal(one.value) for one in mine] or [Decimal(0)]
    quantities = {
        Aggregation.COUNT: Decimal(len(mine)),
        Aggregation.SUM: sum(values, Decimal(0)),
        Aggregation.MAX: max(values),
        Aggregation.UNIQUE_COUNT: Decimal(len({one.value for one in mine})),
        Aggregation.LATEST: values[-1],
    }
    return quantities[aggregation]


def _mean_level(taken: Taken, name: str, events: Sequence[Sent]) -> Decimal:
    """Each change of the level holds from its instant, or the span's start, to the span's end."""
    total = 0
    for one in events:
        named = one.named == taken.subscription
        if one.name != name or (one.named is not None and not named):
            continue
        for span in [taken.period] if named else taken.windows:
            held = max(span.end - max(one.at, span.start), timedelta(0))
            total += one.value * (held // timedelta(microseconds=1))
    whole = (taken.period.end - taken.period.start) // timedelta(microseconds=1)
    with localcontext(prec=60):
        mean = Decimal(total) / whole
        return mean.quantize(Decimal("1e-12"), rounding=ROUND_HALF_UP)


def cost(taken: Taken, name: str, events: Sequence[Sent], currency: str) -> tuple[Decimal, Decimal]:
    """The quantity that is charged, and the amount: all rated at once, rounded once."""
    _, model = SOLD[name]
    values = [Decimal(one.value) for one in owned(taken, name, events)]
    rated = rate(model, quantity(taken, name, events), values)
    return rated.quantity, to_currency(rated.exact_amount, currency)
