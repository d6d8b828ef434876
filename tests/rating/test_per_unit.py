"""PER_UNIT: every unit at one price."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings

from billing_gql.rating.models import PerUnit
from billing_gql.rating.rate import rate
from tests.rating.working import PRICES, QUANTITIES, cost, plus, steps_of


@settings(deadline=None, max_examples=200)
@given(unit=PRICES, one=QUANTITIES, other=QUANTITIES)
def test_it_is_linear(unit: Decimal, one: Decimal, other: Decimal) -> None:
    units = Fraction(one) + Fraction(other)
    assert cost(PerUnit(unit), plus(one, other)) == Fraction(unit) * units


@pytest.mark.parametrize(
    ("unit", "quantity", "costs"),
    [
        ("0.0173", "1000", "17.3"),
        ("12.50", "0.5", "6.25"),
        ("0", "10", "0"),
        ("0.000000000001", "0.000000000001", "0.000000000000000000000001"),
        ("999999999999999.999999999999", "1E+17", "99999999999999999999999999900000"),
    ],
)
def test_by_hand(unit: str, quantity: str, costs: str) -> None:
    rated = rate(PerUnit(Decimal(unit)), Decimal(quantity))
    assert f"{rated.exact_amount:f}" == costs
    units = f"{Decimal(quantity):f}"
    plain_unit = {"12.50": "12.5"}.get(unit, unit)
    assert steps_of(rated) == [("Unit price", units, plain_unit, "0", costs)]


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_no_units_have_no_steps(quantity: str) -> None:
    assert rate(PerUnit(Decimal("12.50")), Decimal(quantity)).steps == ()
