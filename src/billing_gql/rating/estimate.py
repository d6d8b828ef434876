"""What a quantity, or single events, would cost under a price model. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.kernel import checks
from billing_gql.kernel.money import (
    MAX_QUANTITY,
    MAX_UNIT_DECIMALS,
    exactly,
    plain,
    to_currency,
)
from billing_gql.kernel.problems import AmountOutOfRange, InvalidInput, TooManyItems
from billing_gql.rating.models import Flat, PriceModel, name_of
from billing_gql.rating.rate import Rated, needs_values, rate

MAX_EVENT_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was rated, and its amount rounded once to the currency."""

    currency: str
    rated: Rated
    amount: Decimal


@exactly
def estimate(
    model: PriceModel,
    currency: str,
    *,
    quantity: Decimal | None = None,
    event_values: Sequence[Decimal] | None = None,
) -> Estimate:
    """Rates a quantity from 0, or the values of events in time order, which may be corrections.

    PERCENTAGE takes event values alone; the other models add them up, and FLAT needs neither.
    Raises InvalidInput, AmountOutOfRange or TooManyItems at the argument's name.
    """
    checks.currency(currency, "currency")
    if needs_values(model):
        _require_values_alone(model, quantity, event_values)
    elif quantity is not None and event_values is not None:
        raise InvalidInput(
            "Give quantity, or eventValues to be added up, not both.", ("eventValues",)
        )
    elif quantity is None and event_values is None and not isinstance(model, Flat):
        raise InvalidInput(
            f"{name_of(model)} prices a quantity: give it, or eventValues to be added up.",
            ("quantity",),
        )
    at, total = "quantity", Decimal(0)
    if event_values is not None:
        at, total = "eventValues", _sum_of(event_values)
    elif quantity is not None:
        total = _bounded(quantity, at)
        if total < 0:
            raise AmountOutOfRange(f"Must not be negative: {total:f}.", (at,))
    rated = rate(model, total, event_values)
    try:
        amount = to_currency(rated.exact_amount, currency)
    except AmountOutOfRange as problem:
        raise problem.under(at) from None
    return Estimate(currency, rated, amount)


def _require_values_alone(
    model: PriceModel, quantity: Decimal | None, event_values: Sequence[Decimal] | None
) -> None:
    if quantity is not None:
        raise InvalidInput(
            f"{name_of(model)} prices each event's value: give eventValues, not a quantity.",
            ("quantity",),
        )
    if event_values is None:
        raise InvalidInput(
            f"{name_of(model)} prices each event's value: give 1 to {MAX_EVENT_VALUES} of them.",
            ("eventValues",),
        )


def _sum_of(values: Sequence[Decimal]) -> Decimal:
    if not 1 <= len(values) <= MAX_EVENT_VALUES:
        problem = TooManyItems if values else InvalidInput
        raise problem(
            f"Give 1 to {MAX_EVENT_VALUES} event values, not {len(values)}.", ("eventValues",)
        )
    for index, value in enumerate(values):
        _bounded(value, "eventValues", index)
    total = sum(values, Decimal(0))
    if total >= MAX_QUANTITY:
        raise AmountOutOfRange("The values must add up to less than 10^18.", ("eventValues",))
    return total


def _bounded(value: Decimal, *at: str | int) -> Decimal:
    """The value, in the bounds of what is metered."""
    if not value.is_finite():
        raise InvalidInput("Must be a finite number.", at)
    if abs(value) >= MAX_QUANTITY:
        raise AmountOutOfRange("Must be below 10^18.", at)
    if int(plain(value).as_tuple().exponent) < -MAX_UNIT_DECIMALS:
        raise AmountOutOfRange(f"Must have at most {MAX_UNIT_DECIMALS} decimals.", at)
    return value
