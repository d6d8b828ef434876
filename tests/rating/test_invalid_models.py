"""A model that breaks a rule cannot be built, and says where; a good one is read back."""

import json
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from billing_gql.graph.price_models import PriceModelName
from billing_gql.kernel.problems import AmountOutOfRange, InvalidInput, Problem, TooManyItems
from billing_gql.rating.models import (
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    PriceModel,
    Volume,
    name_of,
)
from tests.rating.test_rate import ONE_OF_EACH
from tests.rating.working import rate_tier, tier

NEGATIVE, LARGE, FINE = Decimal("-0.01"), Decimal("1E+15"), Decimal("0.0000000000001")
BAD_NUMBERS = [
    (NEGATIVE, AmountOutOfRange, "Must not be negative: -0.01."),
    (LARGE, AmountOutOfRange, "Must be below 10^15."),
    (FINE, AmountOutOfRange, "Must have at most 12 decimals."),
    (Decimal("NaN"), InvalidInput, "Must be a finite number."),
    (Decimal("-Infinity"), InvalidInput, "Must be a finite number."),
]
T = Callable[[Decimal], PriceModel]
ONE = Decimal(1)
NUMBERS: list[tuple[T, tuple[str, ...]]] = [
    (Flat, ("amount",)),
    (PerUnit, ("unitAmount",)),
    (lambda bad: Package(bad, ONE), ("amount",)),
    (lambda bad: Package(ONE, ONE, bad), ("freeUnits",)),
    (lambda bad: Graduated((tier("1", "1"), tier(None, str(bad)))), ("tiers", "1", "unitAmount")),
    (
        lambda bad: Graduated((tier("1", "1", str(bad)), tier(None, "1"))),
        ("tiers", "0", "flatAmount"),
    ),
    (lambda bad: Volume((tier(None, str(bad)),)), ("tiers", "0", "unitAmount")),
    (lambda bad: Volume((tier(None, "1", str(bad)),)), ("tiers", "0", "flatAmount")),
    (lambda bad: GraduatedPercentage((rate_tier(None, str(bad)),)), ("tiers", "0", "rate")),
    (
        lambda bad: GraduatedPercentage((rate_tier(None, "1", str(bad)),)),
        ("tiers", "0", "flatAmount"),
    ),
    (Percentage, ("rate",)),
    (lambda bad: Percentage(ONE, fixed_amount=bad), ("fixedAmount",)),
    (lambda bad: Percentage(ONE, free_amount=bad), ("freeAmount",)),
    (lambda bad: Percentage(ONE, minimum_per_event=bad), ("minimumPerEvent",)),
    (lambda bad: Percentage(ONE, maximum_per_event=bad), ("maximumPerEvent",)),
]


def refusal(build: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        build()
    return caught.value


@pytest.mark.parametrize(("build", "field"), NUMBERS)
@pytest.mark.parametrize(("bad", "kind", "message"), BAD_NUMBERS)
def test_a_number_out_of_range_is_refused(
    build: T, field: tuple[str, ...], bad: Decimal, kind: type[Problem], message: str
) -> None:
    problem = refusal(lambda: build(bad))
    assert (type(problem), problem.message, problem.field) == (kind, message, field)
    build(Decimal("0"))
    build(Decimal("999999999999999.999999999999"))


@pytest.mark.parametrize(("bad", "kind", "message"), BAD_NUMBERS[1:])
@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda bad: Package(ONE, bad), ("size",)),
        (lambda bad: Volume((tier(str(bad), "1"), tier(None, "1"))), ("tiers", "0", "upTo")),
    ],
)
def test_a_size_or_bound_out_of_range_is_refused(
    build: T, field: tuple[str, ...], bad: Decimal, kind: type[Problem], message: str
) -> None:
    problem = refusal(lambda: build(bad))
    assert (type(problem), problem.message, problem.field) == (kind, message, field)
    for below in ("0", "-0.01"):
        problem = refusal(lambda below=below: build(Decimal(below)))  # type: ignore[misc] # bound now
        assert (type(problem), problem.field) == (AmountOutOfRange, field)
        assert problem.message == f"Must be above zero: {below}."


@pytest.mark.parametrize("kind", ["graduated", "volume", "graduated percentage"])
@pytest.mark.parametrize(
    ("bounds", "problem", "message", "field"),
    [
        ([], InvalidInput, "A price has 1 to 100 tiers, not 0.", ("tiers",)),
        (
            [*map(str, range(1, 101)), None],
            TooManyItems,
            "A price has 1 to 100 tiers, not 101.",
            ("tiers",),
        ),
        (
            ["5"],
            InvalidInput,
            "The last tier must be open: leave its upTo out.",
            ("tiers", "0", "upTo"),
        ),
        (
            ["5", "10"],
            InvalidInput,
            "The last tier must be open: leave its upTo out.",
            ("tiers", "1", "upTo"),
        ),
        (
            ["5", None, None],
            InvalidInput,
            "Only the last tier is open: give this one an upTo.",
            ("tiers", "1", "upTo"),
        ),
        (
            ["5", "5.0", None],
            InvalidInput,
            "Tiers must rise: 5 is not above 5, the upTo before it.",
            ("tiers", "1", "upTo"),
        ),
        (
            ["5", "10", "7.5", None],
            InvalidInput,
            "Tiers must rise: 7.5 is not above 10, the upTo before it.",
            ("tiers", "2", "upTo"),
        ),
    ],
)
def test_tiers_must_rise_to_an_open_one(
    kind: str,
    bounds: list[str | None],
    problem: type[Problem],
    message: str,
    field: tuple[str, ...],
) -> None:
    def build() -> PriceModel:
        if kind == "graduated percentage":
            return GraduatedPercentage(tuple(rate_tier(bound, "1") for bound in bounds))
        return (Graduated if kind == "graduated" else Volume)(
            tuple(tier(bound, "1") for bound in bounds)
        )

    found = refusal(build)
    assert (type(found), found.message, found.field) == (problem, message, field)


def test_a_hundred_tiers_are_let_through() -> None:
    bounds = [*map(str, range(1, 100)), None]
    assert len(Graduated(tuple(tier(bound, "1") for bound in bounds)).tiers) == 100


@pytest.mark.parametrize("events", [-1, 10**9 + 1])
def test_free_events_out_of_range_are_refused(events: int) -> None:
    found = refusal(lambda: Percentage(ONE, free_events=events))
    assert found.message == f"Must be from 0 to 1000000000, not {events}."
    assert (type(found), found.field) == (AmountOutOfRange, ("freeEvents",))
    assert Percentage(ONE, free_events=0).free_events == 0
    assert Percentage(ONE, free_events=10**9).free_events == 10**9


def test_a_minimum_above_the_maximum_is_refused() -> None:
    found = refusal(
        lambda: Percentage(ONE, minimum_per_event=Decimal("3.10"), maximum_per_event=Decimal("3"))
    )
    assert found.message == "The minimum, 3.1, must not be above the maximum, 3."
    assert (type(found), found.field) == (InvalidInput, ("minimumPerEvent",))
    Percentage(ONE, minimum_per_event=Decimal("3.0"), maximum_per_event=Decimal("3"))


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_stored_model_is_read_back(model: PriceModel) -> None:
    stored = json.loads(json.dumps(msgspec.to_builtins(model)))
    assert msgspec.convert(stored, PriceModel) == model
    assert stored["type"] == name_of(model)


def test_the_names_are_those_of_the_schema() -> None:
    assert {name_of(model) for model in ONE_OF_EACH} == {name.value for name in PriceModelName}


@pytest.mark.parametrize(
    ("stored", "model"),
    [
        ({"type": "FLAT", "amount": "250.00"}, Flat(Decimal(250))),
        ({"type": "PER_UNIT", "unit_amount": "0.0173"}, PerUnit(Decimal("0.0173"))),
    ],
)
def test_what_was_stored_before_is_still_read(stored: object, model: PriceModel) -> None:
    assert msgspec.convert(stored, PriceModel) == model


def test_numbers_are_kept_plain() -> None:
    assert str(Flat(Decimal("10.00")).amount) == "10"
    assert str(PerUnit(Decimal("0.50")).unit_amount) == "0.5"
    package = Package(Decimal("5.0"), Decimal("1E+2"), Decimal("0.0"))
    assert (str(package.amount), str(package.size), str(package.free_units)) == ("5", "100", "0")
    one, other = Volume((tier("1E+1", "0.10", "2.0"), tier(None, "1E+3", "0.00"))).tiers
    assert (str(one.up_to), str(one.unit_amount), str(one.flat_amount)) == ("10", "0.1", "2")
    assert (str(other.unit_amount), str(other.flat_amount)) == ("1000", "0")
    (last,) = GraduatedPercentage((rate_tier(None, "2.50", "1.0"),)).tiers
    assert (str(last.rate), str(last.flat_amount)) == ("2.5", "1")
    card = Percentage(
        Decimal("2.90"), Decimal("0.30"), 1, Decimal("1E+2"), Decimal("0.50"), Decimal("3.0")
    )
    assert [str(number) for number in msgspec.structs.astuple(card)] == [
        *("2.9", "0.3", "1", "100", "0.5", "3")
    ]
