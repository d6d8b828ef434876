"""What the tests of the price models share: numbers to draw, and a look at the working."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from billing_gql.rating.models import PercentageTier, PriceModel, PriceTier
from billing_gql.rating.rate import Rated, rate

PRICES = st.integers(0, 10**27 - 1).map(lambda units: Decimal(f"{units}E-12"))
QUANTITIES = st.integers(0, 10**30 - 1).map(lambda units: Decimal(f"{units}E-12"))
# Few and small, so that equal ones, bounds and quantities meet.
SMALL = st.integers(0, 400).map(lambda units: Decimal(f"{units}E-2"))
BOUNDS = st.lists(st.integers(1, 400), max_size=5, unique=True).map(
    lambda units: [Decimal(f"{unit}E-2") for unit in sorted(units)]
)

Working = list[tuple[str, str, str, str, str]]
"""Steps as texts: description, quantity, unit amount, flat amount, amount."""


def steps_of(rated: Rated) -> Working:
    return [
        (
            step.description,
            f"{step.quantity:f}",
            f"{step.unit_amount:f}",
            f"{step.flat_amount:f}",
            f"{step.amount:f}",
        )
        for step in rated.steps
    ]


def sum_of_steps(rated: Rated) -> Fraction:
    """The steps added up without decimals; each must be what its own numbers make."""
    for step in rated.steps:
        made = Fraction(step.quantity) * Fraction(step.unit_amount) + Fraction(step.flat_amount)
        assert made == Fraction(step.amount)
    return sum((Fraction(step.amount) for step in rated.steps), Fraction(0))


def cost(model: PriceModel, quantity: Decimal) -> Fraction:
    """What a quantity costs; its steps must make it."""
    rated = rate(model, quantity)
    assert sum_of_steps(rated) == Fraction(rated.exact_amount)
    assert rated.quantity == quantity
    return Fraction(rated.exact_amount)


def plus(one: Decimal, other: Decimal) -> Decimal:
    """The exact sum of two numbers of at most 12 decimals."""
    return Decimal(f"{(Fraction(one) + Fraction(other)) * 10**12}E-12")


def tier(up_to: str | None, unit_amount: str, flat_amount: str = "0") -> PriceTier:
    return PriceTier(
        None if up_to is None else Decimal(up_to), Decimal(unit_amount), Decimal(flat_amount)
    )


def rate_tier(up_to: str | None, percent: str, flat_amount: str = "0") -> PercentageTier:
    return PercentageTier(
        None if up_to is None else Decimal(up_to), Decimal(percent), Decimal(flat_amount)
    )


@st.composite
def price_tiers(
    draw: st.DrawFn, prices: st.SearchStrategy[Decimal] = SMALL, *, flats: bool = True
) -> tuple[PriceTier, ...]:
    """Tiers that rise, the last one open."""
    bounds: Sequence[Decimal | None] = [*draw(BOUNDS), None]
    free = st.just(Decimal(0))
    return tuple(
        PriceTier(bound, draw(prices), draw(prices if flats else free)) for bound in bounds
    )
