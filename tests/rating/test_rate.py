"""Rating: a model and a quantity make an exact amount, and its steps sum to it."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.rating.models import Flat, PerUnit, PriceModel
from billing_gql.rating.rate import Rated, rate, unit_amount_of

PRICES = st.integers(0, 10**27 - 1).map(lambda units: Decimal(f"{units}E-12"))
QUANTITIES = st.integers(0, 10**30 - 1).map(lambda units: Decimal(f"{units}E-12"))
MODELS = st.one_of(st.builds(Flat, PRICES), st.builds(PerUnit, PRICES))


def exact(value: Decimal) -> Fraction:
    return Fraction(value)


def sum_of_steps(rated: Rated) -> Fraction:
    for step in rated.steps:
        made = exact(step.quantity) * exact(step.unit_amount) + exact(step.flat_amount)
        assert made == exact(step.amount)
    return sum((exact(step.amount) for step in rated.steps), Fraction(0))


@settings(deadline=None, max_examples=300)
@given(model=MODELS, quantity=QUANTITIES)
def test_steps_sum_to_the_exact_amount(model: PriceModel, quantity: Decimal) -> None:
    rated = rate(model, quantity)
    assert sum_of_steps(rated) == exact(rated.exact_amount)
    assert int(rated.exact_amount.as_tuple().exponent) <= 0


@settings(deadline=None, max_examples=200)
@given(unit=PRICES, one=QUANTITIES, other=QUANTITIES)
def test_a_unit_price_is_linear(unit: Decimal, one: Decimal, other: Decimal) -> None:
    units = (exact(one) + exact(other)) * 10**12
    rated = rate(PerUnit(unit), Decimal(f"{units}E-12"))
    assert exact(rated.exact_amount) == exact(unit) * (exact(one) + exact(other))
    assert exact(rated.quantity) == exact(one) + exact(other)


@settings(deadline=None, max_examples=100)
@given(amount=PRICES, quantity=QUANTITIES)
def test_a_flat_price_is_the_same_for_any_quantity(amount: Decimal, quantity: Decimal) -> None:
    rated = rate(Flat(amount), quantity)
    assert (rated.quantity, rated.exact_amount) == (Decimal(1), amount)


@pytest.mark.parametrize("quantity", ["0", "0.000", "-0.5", "-1E+3"])
@pytest.mark.parametrize(
    ("model", "costs", "steps"),
    [(PerUnit(Decimal("12.50")), "0", 0), (Flat(Decimal("250.00")), "250", 1)],
)
def test_zero_units_cost_nothing_but_a_flat_amount(
    model: PriceModel, costs: str, steps: int, quantity: str
) -> None:
    rated = rate(model, Decimal(quantity))
    assert str(rated.exact_amount) == costs
    assert len(rated.steps) == steps


@pytest.mark.parametrize(
    ("model", "quantity", "costs"),
    [
        (PerUnit(Decimal("0.0173")), "1000", "17.3"),
        (PerUnit(Decimal("0.000000000001")), "0.000000000001", "0.000000000000000000000001"),
        (
            PerUnit(Decimal("999999999999999.999999999999")),
            "1E+17",
            "99999999999999999999999999900000",
        ),
        (Flat(Decimal("10.00")), "7", "10"),
    ],
)
def test_costs_by_hand(model: PriceModel, quantity: str, costs: str) -> None:
    assert f"{rate(model, Decimal(quantity)).exact_amount:f}" == costs


def test_the_single_price_of_a_model_is_its_unit_or_flat_amount() -> None:
    assert unit_amount_of(PerUnit(Decimal("0.5"))) == Decimal("0.5")
    assert unit_amount_of(Flat(Decimal("10"))) == Decimal("10")
