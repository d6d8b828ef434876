"""A line's amount is split over groups: costs sum to it, percentages to 100, exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.invoices.breakdown import split_groups
from billing_gql.kernel.money import currency_decimals
from billing_gql.usage.aggregate import UsageRow

QUANTITIES = st.one_of(
    st.just(Decimal(0)),
    st.integers(-100, 100).map(Decimal),
    st.integers(-(10**24), 10**24).map(lambda units: Decimal(f"{units}E-12")),
)
VALUES = st.tuples(
    st.one_of(st.none(), st.sampled_from(["a", "b", "", "é", "Z"])),
    st.one_of(st.none(), st.text(max_size=3)),
)


@st.composite
def usage_rows(draw: st.DrawFn) -> list[UsageRow]:
    groups = draw(st.lists(VALUES, min_size=1, max_size=10, unique=True))
    return [UsageRow(0, group, draw(QUANTITIES), draw(st.integers(0, 50))) for group in groups]


def row(quantity: str, *values: str | None, events: int = 1) -> UsageRow:
    return UsageRow(0, values, Decimal(quantity), events)


@settings(deadline=None, max_examples=400)
@given(
    rows=usage_rows(),
    currency=st.sampled_from(["JPY", "USD", "KWD"]),
    units=st.integers(0, 10**15),
)
def test_costs_sum_to_the_amount_and_percentages_to_a_hundred(
    rows: list[UsageRow], currency: str, units: int
) -> None:
    decimals = currency_decimals(currency)
    amount = Decimal(f"{units}E-{decimals}")
    groups = split_groups(amount, currency, rows)
    assert sum(Fraction(group.cost) for group in groups) == Fraction(amount)
    assert sum(Fraction(group.percentage) for group in groups) == 100
    assert {group.values: (group.usage, group.event_count) for group in groups} == {
        one.group: (one.quantity, one.event_count) for one in rows
    }
    total = sum(Fraction(one.quantity) for one in rows)
    counted = sum(one.event_count for one in rows)
    weights = {
        one.group: Fraction(one.quantity if total else one.event_count if counted else 1)
        for one in rows
    }
    whole = sum(weights.values())
    for group in groups:
        assert group.cost.as_tuple().exponent == -decimals
        share = weights[group.values] / whole
        assert abs(Fraction(group.cost) - Fraction(amount) * share) < Fraction(1, 10**decimals)
        assert abs(Fraction(group.percentage) - 100 * share) < Fraction(1, 10**4)
    costs = [group.cost for group in groups]
    assert costs == sorted(costs, reverse=True)


@settings(deadline=None, max_examples=200)
@given(rows=usage_rows(), units=st.integers(0, 10**9), data=st.data())
def test_the_order_of_the_rows_changes_nothing(
    rows: list[UsageRow], units: int, data: st.DataObject
) -> None:
    amount = Decimal(f"{units}E-2")
    mixed = data.draw(st.permutations(rows))
    assert split_groups(amount, "USD", mixed) == split_groups(amount, "USD", rows)


@pytest.mark.parametrize(
    ("amount", "currency", "rows", "found"),
    [
        pytest.param("10.00", "USD", [], [], id="no events, no groups"),
        pytest.param(
            "100",
            "JPY",
            [row("1", "c"), row("1", "b"), row("1", "a")],
            [("a", "34", "33.3334"), ("b", "33", "33.3333"), ("c", "33", "33.3333")],
            id="of equal remainders the first value has the odd yen",
        ),
        pytest.param(
            "0.010",
            "KWD",
            [row("1", "a"), row("2", "b")],
            [("b", "0.007", "66.6667"), ("a", "0.003", "33.3333")],
            id="largest cost first",
        ),
        pytest.param(
            "4.00",
            "USD",
            [row("1", None), row("1", "b"), row("1", "a"), row("1", "")],
            [("", "1.00", "25"), ("a", "1.00", "25"), ("b", "1.00", "25"), (None, "1.00", "25")],
            id="null comes last among ties, after every text",
        ),
        pytest.param(
            "0.00",
            "USD",
            [row("0", "a", events=3), row("0", "b", events=1)],
            [("a", "0.00", "75"), ("b", "0.00", "25")],
            id="without usage events are counted",
        ),
        pytest.param(
            "0.00",
            "USD",
            [row("-2", "a"), row("2", "b", events=3)],
            [("a", "0.00", "25"), ("b", "0.00", "75")],
            id="where usage cancels out events are counted",
        ),
        pytest.param(
            "5.00",
            "USD",
            [row("2", "b", events=0), row("-2", "a", events=0), row("0", "c", events=0)],
            [("a", "1.67", "33.3334"), ("b", "1.67", "33.3333"), ("c", "1.66", "33.3333")],
            id="where there are no events either the parts are equal",
        ),
        pytest.param(
            "10.00",
            "USD",
            [row("3", "a"), row("-1", "b")],
            [("a", "15.00", "150"), ("b", "-5.00", "-50")],
            id="a correction takes back its part",
        ),
        pytest.param(
            "0.00",
            "USD",
            [row("-3", "a"), row("1", "b")],
            [("a", "0.00", "150"), ("b", "0.00", "-50")],
            id="usage below zero costs nothing",
        ),
    ],
)
def test_groups_by_hand(
    amount: str, currency: str, rows: list[UsageRow], found: list[tuple[str | None, str, str]]
) -> None:
    groups = split_groups(Decimal(amount), currency, rows)
    shown = [(group.values[0], str(group.cost), str(group.percentage)) for group in groups]
    assert shown == found
