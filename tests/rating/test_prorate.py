"""Proration: a partial period costs its share of days."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from billing_gql.kernel.money import to_currency
from billing_gql.rating.models import Flat
from billing_gql.rating.prorate import prorate
from billing_gql.rating.rate import Rated, rate, rated
from billing_gql.rating.step import PricingStep

PRICES = st.integers(0, 10**26).map(lambda units: Decimal(f"{units}E-12"))
OF_DAYS = st.one_of(st.integers(28, 31), st.integers(1, 366))
DECIMALS = {"JPY": 0, "USD": 2, "KWD": 3}


def flat(amount: Decimal) -> Rated:
    return rate(Flat(amount), Decimal(1))


def several(amounts: list[Decimal]) -> Rated:
    steps = [PricingStep("Part", Decimal(1), Decimal(0), amount, amount) for amount in amounts]
    return rated(Decimal(1), steps)


def total(shares: list[Rated]) -> Fraction:
    return sum((Fraction(share.exact_amount) for share in shares), Fraction(0))


@settings(deadline=None, max_examples=200)
@given(amounts=st.lists(PRICES, min_size=1, max_size=5), of_days=OF_DAYS, data=st.data())
def test_the_steps_of_a_share_sum_to_it(
    amounts: list[Decimal], of_days: int, data: st.DataObject
) -> None:
    days = data.draw(st.integers(1, of_days))
    share = prorate(several(amounts), days, of_days)
    assert sum(Fraction(step.amount) for step in share.steps) == Fraction(share.exact_amount)
    exact = sum((Fraction(amount) for amount in amounts), Fraction(0)) * days / of_days
    assert abs(Fraction(share.exact_amount) - exact) < Fraction(1, 10**18)
    for step in share.steps:
        assert step.amount == step.flat_amount
        assert days == of_days or step.description == f"Part, {days} of {of_days} days"


@settings(deadline=None, max_examples=100)
@given(amount=PRICES, of_days=OF_DAYS)
def test_all_days_are_the_whole(amount: Decimal, of_days: int) -> None:
    assert prorate(flat(amount), of_days, of_days) == flat(amount)


@settings(deadline=None, max_examples=200)
@given(amount=PRICES, of_days=st.integers(28, 31), data=st.data())
def test_the_parts_of_a_month_are_its_whole(
    amount: Decimal, of_days: int, data: st.DataObject
) -> None:
    parts: list[int] = []
    while sum(parts) < of_days:
        parts.append(data.draw(st.integers(1, of_days - sum(parts))))
    shares = [prorate(flat(amount), days, of_days) for days in parts]
    assert abs(total(shares) - Fraction(amount)) < Fraction(1, 10**18)


def half_away(exact: Fraction, decimals: int) -> Fraction:
    units = exact * 10**decimals
    whole = (2 * units.numerator + units.denominator) // (2 * units.denominator)
    return Fraction(whole, 10**decimals)


@settings(deadline=None, max_examples=400)
@given(
    currency=st.sampled_from(sorted(DECIMALS)),
    halves=st.integers(1, 10**12),
    off=st.integers(-2, 2),
    of_days=OF_DAYS,
    data=st.data(),
)
def test_a_share_beside_half_a_cent_is_rounded_as_its_exact_value(
    currency: str, halves: int, off: int, of_days: int, data: st.DataObject
) -> None:
    days = data.draw(st.integers(1, of_days))
    decimals = DECIMALS[currency]
    aimed = Fraction(2 * halves - 1, 2 * 10**decimals) * of_days / days
    units = aimed.numerator * 10**12 // aimed.denominator + off
    assume(units > 0)
    amount = Decimal(f"{units}E-12")
    share = to_currency(prorate(flat(amount), days, of_days).exact_amount, currency)
    assert Fraction(share) == half_away(Fraction(amount) * days / of_days, decimals)


@pytest.mark.parametrize(
    ("amount", "days", "of_days", "costs"),
    [
        ("310.00", 17, 31, "170"),
        ("100.00", 1, 3, "33.33333333333333333333"),
        ("100.00", 2, 3, "66.66666666666666666667"),
        ("29.00", 29, 29, "29"),
        ("0.00", 3, 30, "0"),
    ],
)
def test_shares_by_hand(amount: str, days: int, of_days: int, costs: str) -> None:
    assert str(prorate(flat(Decimal(amount)), days, of_days).exact_amount) == costs


@pytest.mark.parametrize(("days", "of_days"), [(0, 30), (-1, 30), (31, 30)])
def test_a_share_of_no_day_or_of_too_many_is_refused(days: int, of_days: int) -> None:
    with pytest.raises(ValueError, match="cannot prorate"):
        prorate(flat(Decimal(1)), days, of_days)
