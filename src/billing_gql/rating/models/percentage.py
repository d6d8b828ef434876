"""PERCENTAGE: each event costs a share of its value and a fixed amount, between two bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

import msgspec
from msgspec.structs import force_setattr

from billing_gql.kernel import checks
from billing_gql.kernel.problems import AmountOutOfRange, InvalidInput
from billing_gql.rating.step import PricingStep, step

MAX_FREE_EVENTS = 10**9
ZERO = Decimal(0)


class Percentage(msgspec.Struct, frozen=True, tag="PERCENTAGE"):
    """`rate` percent of an event's value plus `fixed_amount`, at least and at most so much.

    The free allowance ends when `free_events` events or `free_amount` of value are used up,
    whichever comes first; a limit that is None does not bound, and where both are None nothing is
    free. Amounts are in currency units. Raises AmountOutOfRange or InvalidInput.
    """

    rate: Decimal
    fixed_amount: Decimal = ZERO
    free_events: int | None = None
    free_amount: Decimal | None = None
    minimum_per_event: Decimal | None = None
    maximum_per_event: Decimal | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "rate", checks.unit_price(self.rate, "rate"))
        fixed = checks.unit_price(self.fixed_amount, "fixedAmount")
        force_setattr(self, "fixed_amount", fixed)
        events = self.free_events
        if events is not None and not 0 <= events <= MAX_FREE_EVENTS:
            raise AmountOutOfRange(
                f"Must be from 0 to {MAX_FREE_EVENTS}, not {events}.", ("freeEvents",)
            )
        free = _amount(self.free_amount, "freeAmount")
        force_setattr(self, "free_amount", free)
        least = _amount(self.minimum_per_event, "minimumPerEvent")
        force_setattr(self, "minimum_per_event", least)
        most = _amount(self.maximum_per_event, "maximumPerEvent")
        force_setattr(self, "maximum_per_event", most)
        if least is not None and most is not None and least > most:
            raise InvalidInput(
                f"The minimum, {least:f}, must not be above the maximum, {most:f}.",
                ("minimumPerEvent",),
            )


def _amount(value: Decimal | None, name: str) -> Decimal | None:
    return None if value is None else checks.unit_price(value, name)


def percentage_steps(model: Percentage, values: Sequence[Decimal]) -> list[PricingStep]:
    """What the events with these values, in time order, cost: a step for each part of the working.

    An event below zero is a correction: it costs nothing and uses none of the allowance. There may
    be a million events, so none is rated by itself: the rate and the fixed amount hold for the
    sums, and then for each bound the events beyond it are found and moved to it together.
    """
    free = _use_allowance(model, values)
    charged = [value for value in islice(values, free.taken, None) if value >= ZERO]
    if free.rest is not None:
        charged.append(free.rest)
    share = model.rate.scaleb(-2)
    steps = [
        step(f"{model.rate:f} % of value", sum(charged, ZERO), unit_amount=share),
        step("Fixed amount an event", Decimal(len(charged)), unit_amount=model.fixed_amount),
    ]
    if model.minimum_per_event is not None:
        least = model.minimum_per_event - model.fixed_amount
        raised = [value for value in charged if value * share < least]
        bound = f"Raised to the minimum of {model.minimum_per_event:f} an event"
        steps.append(_moved(bound, raised, share, least))
    if model.maximum_per_event is not None:
        most = model.maximum_per_event - model.fixed_amount
        cut = [value for value in charged if value * share > most]
        bound = f"Cut to the maximum of {model.maximum_per_event:f} an event"
        steps.append(_moved(bound, cut, share, most))
    return [*_free_steps(free), *(one for one in steps if one.amount != 0)]


def _moved(bound: str, values: list[Decimal], share: Decimal, to: Decimal) -> PricingStep:
    """What moving the shares of these values to `to` changes; its quantity is the events."""
    change = to * len(values) - sum(values, ZERO) * share
    return step(bound, Decimal(len(values)), flat_amount=change)


@dataclass(slots=True)
class _Allowance:
    """What was free: `events` wholly, and of one more all but `rest`. In sum `value`.

    The first `taken` values are dealt with, corrections among them too.
    """

    taken: int = 0
    events: int = 0
    value: Decimal = ZERO
    rest: Decimal | None = None


def _use_allowance(model: Percentage, values: Sequence[Decimal]) -> _Allowance:
    """Goes through the values as long as something is free."""
    used = _Allowance()
    most_events, most_value = model.free_events, model.free_amount
    if most_events is None and most_value is None:
        return used
    for value in values:
        if most_events is not None and used.events >= most_events:
            break
        if most_value is not None and used.value >= most_value:
            break
        used.taken += 1
        if value < ZERO:
            continue
        if most_value is not None and used.value + value > most_value:
            used.rest = used.value + value - most_value
            used.value = most_value
            break
        used.events += 1
        used.value += value
    return used


def _free_steps(used: _Allowance) -> list[PricingStep]:
    parts = []
    if used.events:
        parts.append(f"{used.events} event{'' if used.events == 1 else 's'}")
    if used.rest is not None:
        parts.append("part of another" if parts else "part of an event")
    return [step(f"Free: {' and '.join(parts)}", used.value)] if parts else []
