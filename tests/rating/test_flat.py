"""FLAT: an amount a period, whatever the usage."""

from decimal import Decimal

import pytest
from hypothesis import given, settings

from billing_gql.rating.models import Flat
from billing_gql.rating.rate import rate
from tests.rating.working import PRICES, QUANTITIES, steps_of


@settings(deadline=None, max_examples=100)
@given(amount=PRICES, quantity=QUANTITIES)
def test_it_is_the_same_for_any_quantity(amount: Decimal, quantity: Decimal) -> None:
    rated = rate(Flat(amount), quantity)
    assert (rated.quantity, rated.exact_amount) == (Decimal(1), amount)


@pytest.mark.parametrize(
    ("amount", "costs"),
    [
        ("10.00", "10"),
        ("0", "0"),
        ("0.000000000001", "0.000000000001"),
        ("999999999999999.999999999999", "999999999999999.999999999999"),
        ("1E+3", "1000"),
    ],
)
@pytest.mark.parametrize("quantity", ["7", "0", "-3", "0.5"])
def test_by_hand(amount: str, costs: str, quantity: str) -> None:
    rated = rate(Flat(Decimal(amount)), Decimal(quantity))
    assert f"{rated.exact_amount:f}" == costs
    assert steps_of(rated) == [("Flat amount", "1", "0", costs, costs)]
