"""Rating: a model and a quantity make an exact amount, and its steps sum to it."""

from decimal import Decimal
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.rating.models import (
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    PriceModel,
    Volume,
)
from billing_gql.rating.rate import needs_values, rate, unit_amount_of
from tests.rating.working import PRICES, QUANTITIES, price_tiers, rate_tier, sum_of_steps, tier

ONE_OF_EACH: list[PriceModel] = [
    Flat(Decimal("250.00")),
    PerUnit(Decimal("12.50")),
    Package(Decimal(5), Decimal(100), Decimal(10)),
    Graduated((tier("10", "2", "1"), tier(None, "1", "3"))),
    Volume((tier("10", "2", "1"), tier(None, "1", "3"))),
    Percentage(Decimal("2.9"), Decimal("0.30"), minimum_per_event=Decimal(1)),
    GraduatedPercentage((rate_tier("10", "2", "1"), rate_tier(None, "1", "3"))),
]
MODELS = st.one_of(
    st.builds(Flat, PRICES),
    st.builds(PerUnit, PRICES),
    st.builds(Package, PRICES, PRICES.filter(bool), PRICES),
    st.builds(Graduated, price_tiers(PRICES)),
    st.builds(Volume, price_tiers(PRICES)),
)


@settings(deadline=None, max_examples=300)
@given(model=MODELS, quantity=QUANTITIES)
def test_steps_sum_to_the_exact_amount_however_large_the_numbers(
    model: PriceModel, quantity: Decimal
) -> None:
    rated = rate(model, quantity)
    assert sum_of_steps(rated) == Fraction(rated.exact_amount)
    for number in (rated.exact_amount, *(step.amount for step in rated.steps)):
        exponent = int(number.as_tuple().exponent)
        assert exponent <= 0, "no exponent above zero"
        assert exponent == 0 or number.as_tuple().digits[-1] != 0, "no trailing zeros"


@pytest.mark.parametrize("model", ONE_OF_EACH)
@pytest.mark.parametrize("quantity", ["0", "0.000", "-0.5", "-1E+3", "-0"])
def test_zero_units_cost_nothing_but_a_flat_amount(model: PriceModel, quantity: str) -> None:
    rated = rate(model, Decimal(quantity), [])
    if isinstance(model, Flat):
        assert (str(rated.quantity), str(rated.exact_amount)) == ("1", "250")
        assert len(rated.steps) == 1
    else:
        assert (str(rated.quantity), str(rated.exact_amount), rated.steps) == ("0", "0", ())


def test_only_percentage_needs_the_values_of_events() -> None:
    assert {type(model) for model in ONE_OF_EACH} == set(get_args(PriceModel))
    for model in ONE_OF_EACH:
        assert needs_values(model) is isinstance(model, Percentage)
        if needs_values(model):
            with pytest.raises(ValueError, match="values of single events"):
                rate(model, Decimal(7))
        else:
            assert rate(model, Decimal(7), [Decimal(99)]) == rate(model, Decimal(7))


def test_a_single_price_holds_for_flat_and_unit_prices_alone() -> None:
    singles = {Flat: Decimal(250), PerUnit: Decimal("12.5")}
    for model in ONE_OF_EACH:
        assert unit_amount_of(model) == singles.get(type(model))
