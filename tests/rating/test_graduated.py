"""GRADUATED: each unit at its own tier's price; a tier's flat amount once a unit falls in it."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings

from billing_gql.rating.models import Graduated, PerUnit, PriceTier
from billing_gql.rating.rate import Rated, rate
from tests.rating.working import PRICES, QUANTITIES, SMALL, Working, cost, plus, price_tiers, tier
from tests.rating.working import steps_of as steps

THREE = Graduated((tier("100", "0.50"), tier("200.0", "0.25", "10.00"), tier(None, "0.1", "7")))
FIRST = ("Tier 1 to 100", "100", "0.5", "0", "50")
SECOND = ("Tier above 100 to 200", "100", "0.25", "10", "35")


@pytest.mark.parametrize(
    ("quantity", "costs", "working"),
    [
        ("0.000000000001", "0.0000000000005", [("Tier 1 to 100", "0.000000000001", "0.5", "0")]),
        ("1", "0.5", [("Tier 1 to 100", "1", "0.5", "0")]),
        ("99.5", "49.75", [("Tier 1 to 100", "99.5", "0.5", "0")]),
        ("100", "50", [FIRST]),
        ("100.00", "50", [FIRST]),
        (
            "100.000000000001",
            "60.00000000000025",
            [FIRST, (SECOND[0], "0.000000000001", "0.25", "10")],
        ),
        ("101", "60.25", [FIRST, (SECOND[0], "1", "0.25", "10")]),
        ("200", "85", [FIRST, SECOND]),
        ("200.5", "92.05", [FIRST, SECOND, ("Tier above 200", "0.5", "0.1", "7")]),
        (
            "999999999999999999",
            "100000000000000071.9",
            [FIRST, SECOND, ("Tier above 200", "999999999999999799", "0.1", "7")],
        ),
    ],
)
def test_by_hand(quantity: str, costs: str, working: Working) -> None:
    rated = rate(THREE, Decimal(quantity))
    assert f"{rated.exact_amount:f}" == costs
    assert rated.quantity == Decimal(quantity)
    found = steps(rated)
    assert [step[: len(wanted)] for step, wanted in zip(found, working, strict=True)] == working


@pytest.mark.parametrize("quantity", ["0", "-0.5", "-100"])
def test_no_units_fall_in_no_tier(quantity: str) -> None:
    rated = rate(Graduated((tier(None, "1", "100"),)), Decimal(quantity))
    assert rated == Rated(Decimal(0), Decimal(0), ())


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ([], ["Tier above 0"]),
        (["0.5", "1.5"], ["Tier to 0.5", "Tier above 0.5 to 1.5", "Tier above 1.5"]),
        (["1E+3"], ["Tier 1 to 1000", "Tier above 1000"]),
        (["10.0", "20.50"], ["Tier 1 to 10", "Tier above 10 to 20.5", "Tier above 20.5"]),
    ],
)
def test_tiers_are_called_by_their_bounds(bounds: list[str], words: list[str]) -> None:
    model = Graduated((*(tier(bound, "1") for bound in bounds), tier(None, "1")))
    assert [step[0] for step in steps(rate(model, Decimal(10_000)))] == words


def by_unit(tiers: tuple[PriceTier, ...], hundredths: int) -> Fraction:
    """Hundredth after hundredth of a unit, each at the price of the tier that it lies in."""
    total, reached = Fraction(0), set()
    for number in range(1, hundredths + 1):
        index = next(
            index
            for index, tier in enumerate(tiers)
            if tier.up_to is None or Fraction(number, 100) <= Fraction(tier.up_to)
        )
        reached.add(index)
        total += Fraction(tiers[index].unit_amount) / 100
    return total + sum(Fraction(tiers[index].flat_amount) for index in reached)


@settings(deadline=None, max_examples=200)
@given(tiers=price_tiers(), units=SMALL)
def test_it_is_what_its_units_cost_one_by_one(tiers: tuple[PriceTier, ...], units: Decimal) -> None:
    assert cost(Graduated(tiers), units) == by_unit(tiers, int(units * 100))


@settings(deadline=None, max_examples=200)
@given(tiers=price_tiers(), one=SMALL, more=SMALL)
def test_more_never_costs_less(tiers: tuple[PriceTier, ...], one: Decimal, more: Decimal) -> None:
    assert cost(Graduated(tiers), one) <= cost(Graduated(tiers), plus(one, more))


@settings(deadline=None, max_examples=200)
@given(tiers=price_tiers(PRICES, flats=False), units=SMALL)
def test_without_flat_amounts_it_never_jumps(tiers: tuple[PriceTier, ...], units: Decimal) -> None:
    little = Decimal("0.000000000001")
    change = cost(Graduated(tiers), plus(units, little)) - cost(Graduated(tiers), units)
    steepest = max(Fraction(tier.unit_amount) for tier in tiers)
    assert 0 <= change <= steepest * Fraction(little)


@settings(deadline=None, max_examples=200)
@given(unit=PRICES, units=QUANTITIES)
def test_one_tier_is_a_unit_price(unit: Decimal, units: Decimal) -> None:
    one_tier = Graduated((PriceTier(None, unit, Decimal(0)),))
    assert cost(one_tier, units) == cost(PerUnit(unit), units)


@settings(deadline=None, max_examples=200)
@given(tiers=price_tiers(flats=False), unit=PRICES, units=QUANTITIES)
def test_tiers_of_one_price_are_a_unit_price(
    tiers: tuple[PriceTier, ...], unit: Decimal, units: Decimal
) -> None:
    alike = Graduated(tuple(PriceTier(tier.up_to, unit, Decimal(0)) for tier in tiers))
    assert cost(alike, units) == cost(PerUnit(unit), units)
