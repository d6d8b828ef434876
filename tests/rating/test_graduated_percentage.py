"""GRADUATED_PERCENTAGE: as GRADUATED, with a rate in percent in place of a unit price."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings

from billing_gql.rating.models import Graduated, GraduatedPercentage, PercentageTier, PriceTier
from billing_gql.rating.rate import rate
from tests.rating.working import SMALL, Working, cost, price_tiers, rate_tier, steps_of

TWO = GraduatedPercentage((rate_tier("1000", "2.50", "1"), rate_tier(None, "100", "20.0")))
FIRST = ("Tier 1 to 1000", "1000", "0.025", "1", "26")


@pytest.mark.parametrize(
    ("quantity", "costs", "working"),
    [
        ("0.01", "1.00025", [("Tier 1 to 1000", "0.01", "0.025", "1", "1.00025")]),
        ("1000", "26", [FIRST]),
        ("1000.01", "46.01", [FIRST, ("Tier above 1000", "0.01", "1", "20", "20.01")]),
        ("1500.5", "546.5", [FIRST, ("Tier above 1000", "500.5", "1", "20", "520.5")]),
        ("0", "0", []),
        ("-10", "0", []),
        (
            "999999999999999999.999999999999",
            "999999999999999045.999999999999",
            [
                FIRST,
                (
                    "Tier above 1000",
                    "999999999999998999.999999999999",
                    "1",
                    "20",
                    "999999999999999019.999999999999",
                ),
            ],
        ),
    ],
)
def test_by_hand(quantity: str, costs: str, working: Working) -> None:
    rated = rate(TWO, Decimal(quantity))
    assert f"{rated.exact_amount:f}" == costs
    assert steps_of(rated) == working
    assert rated.quantity == max(Decimal(quantity), Decimal(0))


def test_the_smallest_rate_is_exact() -> None:
    smallest = GraduatedPercentage((rate_tier(None, "0.000000000001"),))
    assert f"{rate(smallest, Decimal('0.000000000001')).exact_amount:f}" == f"{Decimal('1E-26'):f}"


@settings(deadline=None, max_examples=200)
@given(tiers=price_tiers(), units=SMALL)
def test_it_is_graduated_at_a_hundredth(tiers: tuple[PriceTier, ...], units: Decimal) -> None:
    def without_flats(by_hundredth: bool) -> Fraction:
        if by_hundredth:
            rates = (PercentageTier(tier.up_to, tier.unit_amount) for tier in tiers)
            return cost(GraduatedPercentage(tuple(rates)), units) * 100
        return cost(Graduated(tuple(PriceTier(t.up_to, t.unit_amount) for t in tiers)), units)

    assert without_flats(True) == without_flats(False)
    flats = tuple(PercentageTier(t.up_to, Decimal(0), t.flat_amount) for t in tiers)
    same = tuple(PriceTier(t.up_to, Decimal(0), t.flat_amount) for t in tiers)
    assert cost(GraduatedPercentage(flats), units) == cost(Graduated(same), units)
