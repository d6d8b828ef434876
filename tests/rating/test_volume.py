"""VOLUME: all units at the price of the tier in which the quantity falls, and its flat amount."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings

from billing_gql.rating.models import Graduated, PerUnit, PriceTier, Volume
from billing_gql.rating.rate import Rated, rate
from tests.rating.working import PRICES, QUANTITIES, SMALL, cost, price_tiers, steps_of, tier

THREE = Volume((tier("100", "0.50", "1"), tier("200.0", "0.25", "10.00"), tier(None, "0.1")))
LOW = ("Tier 1 to 100, all units", "0.5", "1")
MIDDLE = ("Tier above 100 to 200, all units", "0.25", "10")
HIGH = ("Tier above 200, all units", "0.1", "0")


@pytest.mark.parametrize(
    ("quantity", "costs", "step"),
    [
        ("0.000000000001", "1.0000000000005", LOW),
        ("1", "1.5", LOW),
        ("100", "51", LOW),
        ("100.000000000001", "35.00000000000025", MIDDLE),
        ("101", "35.25", MIDDLE),
        ("150.5", "47.625", MIDDLE),
        ("200", "60", MIDDLE),
        ("200.000000000001", "20.0000000000001", HIGH),
        ("201", "20.1", HIGH),
        ("999999999999999999", "99999999999999999.9", HIGH),
    ],
)
def test_by_hand(quantity: str, costs: str, step: tuple[str, str, str]) -> None:
    rated = rate(THREE, Decimal(quantity))
    assert f"{rated.exact_amount:f}" == costs
    words, unit, flat = step
    assert steps_of(rated) == [(words, quantity, unit, flat, costs)]
    assert rated.quantity == Decimal(quantity)


@pytest.mark.parametrize("quantity", ["0", "-0.5", "-100"])
def test_no_units_fall_in_no_tier(quantity: str) -> None:
    rated = rate(THREE, Decimal(quantity))
    assert rated == Rated(Decimal(0), Decimal(0), ())


@settings(deadline=None, max_examples=300)
@given(tiers=price_tiers(), units=SMALL.filter(bool))
def test_all_units_have_one_price(tiers: tuple[PriceTier, ...], units: Decimal) -> None:
    it = next(tier for tier in tiers if tier.up_to is None or units <= tier.up_to)
    wanted = Fraction(units) * Fraction(it.unit_amount) + Fraction(it.flat_amount)
    assert cost(Volume(tiers), units) == wanted


@settings(deadline=None, max_examples=200)
@given(unit=PRICES, flat=PRICES, units=QUANTITIES)
def test_with_one_tier_it_is_graduated_and_without_a_flat_amount_a_unit_price(
    unit: Decimal, flat: Decimal, units: Decimal
) -> None:
    tiers = (PriceTier(None, unit, flat),)
    assert cost(Volume(tiers), units) == cost(Graduated(tiers), units)
    free = (PriceTier(None, unit, Decimal(0)),)
    assert cost(Volume(free), units) == cost(PerUnit(unit), units)
