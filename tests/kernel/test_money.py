"""Money: the one rounding, plain numbers, and splits that lose nothing."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from billing_gql.kernel.money import MAX_AMOUNT, currency_decimals, plain, split, to_currency, zero
from billing_gql.kernel.problems import AmountOutOfRange

CURRENCIES = {"JPY": 0, "USD": 2, "KWD": 3}
FINE = 15
"""Decimals of the random amounts: more than any currency or unit price has."""


def scaled(units: int, decimals: int) -> Decimal:
    return Decimal(f"{units}E-{decimals}")


def rounded_half_away(units: int, from_decimals: int, to_decimals: int) -> int:
    """The same by integers alone."""
    step = int(10 ** (from_decimals - to_decimals))
    whole, rest = divmod(abs(units), step)
    whole += 2 * rest >= step
    return whole if units >= 0 else -whole


@settings(deadline=None, max_examples=300)
@given(currency=st.sampled_from(sorted(CURRENCIES)), units=st.integers(-(10**29), 10**29))
def test_an_amount_is_rounded_half_away_from_zero(currency: str, units: int) -> None:
    decimals = CURRENCIES[currency]
    amount = to_currency(scaled(units, FINE), currency)
    assert amount == scaled(rounded_half_away(units, FINE, decimals), decimals)
    assert amount.as_tuple().exponent == -decimals


@settings(deadline=None, max_examples=200)
@given(
    currency=st.sampled_from(sorted(CURRENCIES)),
    halves=st.integers(-(10**17), 10**17),
    off=st.sampled_from([-1, 0, 1]),
)
def test_a_hair_beside_a_half_falls_to_its_own_side(currency: str, halves: int, off: int) -> None:
    decimals = CURRENCIES[currency]
    units = halves * 5 * 10 ** (FINE - decimals - 1) + off
    assume(abs(units) < 10**30)
    amount = to_currency(scaled(units, FINE), currency)
    assert amount == scaled(rounded_half_away(units, FINE, decimals), decimals)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("0.5", "JPY", "1"),
        ("-0.5", "JPY", "-1"),
        ("0.005", "USD", "0.01"),
        ("0.0049999999999999999", "USD", "0.00"),
        ("-0.004", "USD", "0.00"),
        ("1.0005", "KWD", "1.001"),
        ("1E+3", "USD", "1000.00"),
        ("2.675", "USD", "2.68"),
        ("-2.675", "USD", "-2.68"),
    ],
)
def test_an_amount_shows_exactly_its_currencys_decimals(
    amount: str, currency: str, shown: str
) -> None:
    assert str(to_currency(Decimal(amount), currency)) == shown


@pytest.mark.parametrize("currency", CURRENCIES)
def test_an_amount_too_large_is_refused(currency: str) -> None:
    largest = MAX_AMOUNT - scaled(1, CURRENCIES[currency])
    assert to_currency(largest, currency) == largest
    for amount in (MAX_AMOUNT, -MAX_AMOUNT):
        with pytest.raises(AmountOutOfRange):
            to_currency(amount, currency)


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "0"), ("USD", "0.00"), ("KWD", "0.000")])
def test_zero_has_the_currencys_decimals(currency: str, shown: str) -> None:
    assert str(zero(currency)) == shown
    assert currency_decimals(currency) == CURRENCIES[currency]


@settings(deadline=None, max_examples=200)
@given(units=st.integers(-(10**30), 10**30), exponent=st.integers(-20, 20))
def test_a_plain_number_is_the_same_one_without_exponent_or_trailing_zeros(
    units: int, exponent: int
) -> None:
    value = Decimal(f"{units}E{exponent}")
    shown = f"{plain(value):f}"
    assert Fraction(shown) == Fraction(value)
    assert int(plain(value).as_tuple().exponent) <= 0
    if "." in shown:
        assert not shown.endswith(("0", "."))
    assert shown != "-0"


WEIGHTS = st.lists(
    st.builds(
        scaled,
        st.one_of(st.just(0), st.integers(-50, 50), st.integers(-(10**20), 10**20)),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=400)
@given(units=st.integers(-(10**17), 10**17), decimals=st.sampled_from([0, 2, 3, 4]), w=WEIGHTS)
def test_parts_sum_to_the_whole_and_none_is_a_unit_off(
    units: int, decimals: int, w: list[Decimal]
) -> None:
    total = sum((Fraction(weight) for weight in w), Fraction(0))
    assume(total != 0)
    parts = split(scaled(units, decimals), w, decimals)
    in_units = [Fraction(part) * 10**decimals for part in parts]
    assert sum(in_units) == units
    exact = [units * Fraction(weight) / total for weight in w]
    for part, share in zip(in_units, exact, strict=True):
        assert part.denominator == 1
        assert abs(part - share) < 1
    for weight, part in zip(w, parts, strict=True):
        if weight == 0:
            assert part == 0
    assert all(part.as_tuple().exponent == -decimals for part in parts)


@settings(deadline=None, max_examples=300)
@given(units=st.integers(-(10**6), 10**6), w=st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_the_largest_remainders_are_topped_up_and_of_equal_ones_the_earlier(
    units: int, w: list[int]
) -> None:
    total = sum(w)
    assume(total != 0)
    parts = split(scaled(units, 2), [Decimal(weight) for weight in w], 2)
    floors = [divmod(units * weight, total) for weight in w]
    extra = [int(part.scaleb(2)) - floor for part, (floor, _) in zip(parts, floors, strict=True)]
    assert set(extra) <= {0, 1}
    by_remainder = sorted(range(len(w)), key=lambda place: (-floors[place][1], place))
    topped = sorted(place for place in range(len(w)) if extra[place])
    assert topped == sorted(by_remainder[: len(topped)])


@pytest.mark.parametrize(
    ("whole", "weights", "decimals", "parts"),
    [
        ("100.00", ["1", "1", "1"], 2, ["33.34", "33.33", "33.33"]),
        ("0.02", ["1", "1", "1"], 2, ["0.01", "0.01", "0.00"]),
        ("-0.02", ["1", "1", "1"], 2, ["0.00", "-0.01", "-0.01"]),
        ("10", ["0", "1", "0", "1"], 0, ["0", "5", "0", "5"]),
        ("1.000", ["2", "-1"], 3, ["2.000", "-1.000"]),
        ("1.00", ["-2", "1"], 2, ["2.00", "-1.00"]),
        ("0.00", ["3", "4"], 2, ["0.00", "0.00"]),
        ("1.00", ["0.000000000001", "0.000000000002"], 2, ["0.33", "0.67"]),
    ],
)
def test_splits_by_hand(whole: str, weights: list[str], decimals: int, parts: list[str]) -> None:
    found = split(Decimal(whole), [Decimal(weight) for weight in weights], decimals)
    assert found == [Decimal(part) for part in parts]


@pytest.mark.parametrize("weights", [[], ["0"], ["0", "0"], ["1", "-1"]])
def test_without_a_proportion_nothing_is_split(weights: list[str]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(Decimal("1.00"), [Decimal(weight) for weight in weights], 2)


def test_a_whole_finer_than_its_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 decimals"):
        split(Decimal("1.001"), [Decimal(1), Decimal(2)], 2)
