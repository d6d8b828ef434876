"""PERCENTAGE: each event at its rate and fixed amount, after an allowance and between bounds."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.rating.models import Percentage
from billing_gql.rating.rate import Rated, rate
from tests.rating.working import SMALL, Working, steps_of, sum_of_steps

SIGNED = st.integers(-200, 400).map(lambda units: Decimal(f"{units}E-2"))
VALUES = st.lists(SIGNED, max_size=12)


def model(**terms: str | int) -> Percentage:
    values = {
        name: term if isinstance(term, int) else Decimal(term) for name, term in terms.items()
    }
    return Percentage(**values)  # type: ignore[arg-type] # each case gives each term its type


def rated(price: Percentage, *values: str) -> Rated:
    return rate(price, Decimal(0), [Decimal(value) for value in values])


CARD = {"rate": "2.9", "fixed_amount": "0.30"}
BOUNDED = {**CARD, "minimum_per_event": "0.50", "maximum_per_event": "3"}


@pytest.mark.parametrize(
    ("terms", "values", "costs", "quantity"),
    [
        # The rate and the fixed amount.
        (CARD, [], "0", "0"),
        (CARD, ["100"], "3.2", "100"),
        (CARD, ["100", "100"], "6.4", "200"),
        (CARD, ["0"], "0.3", "0"),
        (CARD, ["0.5"], "0.3145", "0.5"),
        (CARD, ["100", "-40"], "3.2", "60"),
        (CARD, ["-40"], "0", "0"),
        (CARD, ["100", "-140"], "3.2", "0"),
        (CARD, ["999999999999999999"], "29000000000000000.271", "999999999999999999"),
        ({"rate": "0", "fixed_amount": "0.1"}, ["5", "6"], "0.2", "11"),
        ({"rate": "150"}, ["2"], "3", "2"),
        # The bounds: of each event, never of their sum.
        (BOUNDED, ["1"], "0.5", "1"),
        (BOUNDED, ["0"], "0.5", "0"),
        (BOUNDED, ["-1"], "0", "0"),
        (BOUNDED, ["10"], "0.59", "10"),
        (BOUNDED, ["1000"], "3", "1000"),
        (BOUNDED, ["1", "10", "1000"], "4.09", "1011"),
        (BOUNDED, ["1", "1", "1000", "1000"], "7", "2002"),
        ({"rate": "1", "minimum_per_event": "1"}, ["100", "99"], "2", "199"),
        ({"rate": "1", "maximum_per_event": "1"}, ["100", "101"], "2", "201"),
        ({"rate": "1", "maximum_per_event": "0"}, ["100"], "0", "100"),
        ({"rate": "1", "fixed_amount": "5", "maximum_per_event": "2"}, ["0"], "2", "0"),
        (
            {"rate": "1", "minimum_per_event": "2", "maximum_per_event": "2"},
            ["0", "900"],
            "4",
            "900",
        ),
        # Free events.
        ({**CARD, "free_events": 2}, ["100", "100"], "0", "200"),
        ({**CARD, "free_events": 2}, ["100", "100", "100"], "3.2", "300"),
        ({**CARD, "free_events": 2}, ["0", "0", "100"], "3.2", "100"),
        ({**CARD, "free_events": 1}, ["-5", "100", "100"], "3.2", "195"),
        ({**CARD, "free_events": 0}, ["100"], "3.2", "100"),
        ({**CARD, "free_events": 10**9}, ["100", "1E+17"], "0", "100000000000000100"),
        # Free value.
        ({**CARD, "free_amount": "100"}, ["60", "40"], "0", "100"),
        ({**CARD, "free_amount": "100"}, ["60", "40", "0"], "0.3", "100"),
        ({**CARD, "free_amount": "100"}, ["60", "40", "10"], "0.59", "110"),
        ({**CARD, "free_amount": "100"}, ["60", "50"], "0.59", "110"),
        (
            {**CARD, "free_amount": "100"},
            ["60", "40.000000000001"],
            "0.300000000000029",
            "100.000000000001",
        ),
        ({**CARD, "free_amount": "100"}, ["60", "-30", "50"], "0.59", "80"),
        ({**CARD, "free_amount": "0"}, ["100"], "3.2", "100"),
        ({**CARD, "free_amount": "0"}, ["0"], "0.3", "0"),
        ({**BOUNDED, "free_amount": "100"}, ["101"], "0.5", "101"),
        ({**BOUNDED, "free_amount": "100"}, ["1101"], "3", "1101"),
        ({**BOUNDED, "free_amount": "100"}, ["100"], "0", "100"),
        # Both: what is reached first ends both.
        ({**CARD, "free_events": 2, "free_amount": "100"}, ["10", "10", "10"], "0.59", "30"),
        ({**CARD, "free_events": 9, "free_amount": "100"}, ["100", "10"], "0.59", "110"),
        ({**CARD, "free_events": 9, "free_amount": "100"}, ["90", "20", "5"], "1.035", "115"),
        ({**CARD, "free_events": 2, "free_amount": "100"}, ["60", "40", "0"], "0.3", "100"),
        ({**CARD, "free_events": 0, "free_amount": "100"}, ["10"], "0.59", "10"),
        ({**CARD, "free_events": 9, "free_amount": "0"}, ["10"], "0.59", "10"),
    ],
)
def test_by_hand(terms: dict[str, str | int], values: list[str], costs: str, quantity: str) -> None:
    found = rated(model(**terms), *values)
    assert f"{found.exact_amount:f}" == costs
    assert f"{found.quantity:f}" == quantity
    assert sum_of_steps(found) == Fraction(costs)


RATE, FIXED = "2.9 % of value", "Fixed amount an event"
LOW, HIGH = "Raised to the minimum of 0.5 an event", "Cut to the maximum of 3 an event"


@pytest.mark.parametrize(
    ("terms", "values", "working"),
    [
        (CARD, ["-5"], []),
        (CARD, ["0"], [(FIXED, "1", "0.3", "0", "0.3")]),
        ({"rate": "2.9"}, ["100"], [(RATE, "100", "0.029", "0", "2.9")]),
        ({"rate": "100"}, ["2"], [("100 % of value", "2", "1", "0", "2")]),
        (
            BOUNDED,
            ["1", "2", "10", "1000", "-7"],
            [
                (RATE, "1013", "0.029", "0", "29.377"),
                (FIXED, "4", "0.3", "0", "1.2"),
                (LOW, "2", "0", "0.313", "0.313"),
                (HIGH, "1", "0", "-26.3", "-26.3"),
            ],
        ),
        (
            {**BOUNDED, "free_events": 3, "free_amount": "100"},
            ["60", "90", "10", "-5"],
            [
                ("Free: 1 event and part of another", "100", "0", "0", "0"),
                (RATE, "60", "0.029", "0", "1.74"),
                (FIXED, "2", "0.3", "0", "0.6"),
            ],
        ),
        ({**CARD, "free_events": 2}, ["60", "0"], [("Free: 2 events", "60", "0", "0", "0")]),
        ({**CARD, "free_events": 2}, ["0", "-9"], [("Free: 1 event", "0", "0", "0", "0")]),
        ({**CARD, "free_events": 2}, ["-9"], []),
        (
            {"rate": "1", "free_amount": "5"},
            ["7"],
            [
                ("Free: part of an event", "5", "0", "0", "0"),
                ("1 % of value", "2", "0.01", "0", "0.02"),
            ],
        ),
    ],
)
def test_the_working(terms: dict[str, str | int], values: list[str], working: Working) -> None:
    assert steps_of(rated(model(**terms), *values)) == working


def event_by_event(price: Percentage, values: Sequence[Decimal]) -> Fraction:
    """The rule as it is said, an event after another, without decimals."""
    total, events, used = Fraction(0), 0, Fraction(0)
    most_events = None if price.free_events is None else price.free_events
    most_value = None if price.free_amount is None else Fraction(price.free_amount)
    is_free = most_events is not None or most_value is not None
    for value in map(Fraction, values):
        if value < 0:
            continue
        if is_free and (events == most_events or used == most_value):
            is_free = False
        charged = value
        if is_free:
            left = value if most_value is None else most_value - used
            charged = max(value - left, Fraction(0))
            used += value - charged
            events += 1
            if charged == 0:
                continue
            is_free = False
        fee = charged * Fraction(price.rate) / 100 + Fraction(price.fixed_amount)
        if price.minimum_per_event is not None:
            fee = max(fee, Fraction(price.minimum_per_event))
        if price.maximum_per_event is not None:
            fee = min(fee, Fraction(price.maximum_per_event))
        total += fee
    return total


@st.composite
def prices(draw: st.DrawFn, *, allowance: bool = True) -> Percentage:
    bounds = sorted(draw(st.tuples(SMALL, SMALL)))
    return Percentage(
        rate=draw(SMALL),
        fixed_amount=draw(SMALL),
        free_events=draw(st.none() | st.integers(0, 6)) if allowance else None,
        free_amount=draw(st.none() | SMALL) if allowance else None,
        minimum_per_event=draw(st.sampled_from([None, bounds[0]])),
        maximum_per_event=draw(st.sampled_from([None, bounds[1]])),
    )


@settings(deadline=None, max_examples=1_000)
@given(price=prices(), values=VALUES)
def test_it_is_what_its_events_cost_one_by_one(price: Percentage, values: list[Decimal]) -> None:
    found = rate(price, Decimal(0), values)
    assert Fraction(found.exact_amount) == event_by_event(price, values)
    assert sum_of_steps(found) == Fraction(found.exact_amount)
    assert found.quantity == max(sum(values), 0)


@settings(deadline=None, max_examples=200)
@given(price=prices(allowance=False), values=VALUES, data=st.data())
def test_without_an_allowance_the_order_does_not_matter(
    price: Percentage, values: list[Decimal], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(values))
    assert rate(price, Decimal(0), values) == rate(price, Decimal(0), shuffled)


def test_with_an_allowance_the_order_matters() -> None:
    price = model(rate="1", free_events=1)
    assert rated(price, "100", "200").exact_amount == 2
    assert rated(price, "200", "100").exact_amount == 1


@pytest.mark.parametrize("free_events", [0, 1_000, 900_000, 10**9])
def test_a_million_events_are_rated_at_once(free_events: int) -> None:
    random = Random(7)  # noqa: S311 # the same values each time
    values = [Decimal(random.randrange(50_000)).scaleb(-2) for _ in range(10**6)]
    before = process_time()
    found = rate(model(**BOUNDED, free_events=free_events), Decimal(0), values)
    # Several times what it takes; rating each event by itself would take several times as long.
    assert process_time() - before < 1.5
    each = model(**BOUNDED)
    charged = Counter(values[free_events:]).items()
    assert Fraction(found.exact_amount) == sum(
        times * event_by_event(each, [value]) for value, times in charged
    )
