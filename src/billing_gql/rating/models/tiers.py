"""Tiers: what the three tiered models have in common.

A tier holds the units above the tier before it, up to and with its own `up_to`. The last one is
open. Tiers are checked by the model that they belong to, which alone sees whether they rise.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from billing_gql.kernel import checks
from billing_gql.kernel.problems import InvalidInput, TooManyItems
from billing_gql.rating.step import PricingStep, step

MAX_TIERS = 100


class PriceTier(msgspec.Struct, frozen=True):
    """`unit_amount` a unit, and `flat_amount` once, both in currency units."""

    up_to: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal = Decimal(0)


class PercentageTier(msgspec.Struct, frozen=True):
    """`rate` percent of the units, and `flat_amount` once in currency units."""

    up_to: Decimal | None
    rate: Decimal
    flat_amount: Decimal = Decimal(0)


T = TypeVar("T", PriceTier, PercentageTier)


def checked_price_tiers(tiers: Sequence[PriceTier]) -> tuple[PriceTier, ...]:
    """The tiers with plain numbers; raises InvalidInput, AmountOutOfRange or TooManyItems."""
    return tuple(
        replace(tier, unit_amount=checks.unit_price(tier.unit_amount, "tiers", index, "unitAmount"))
        for index, tier in enumerate(_rising(tiers))
    )


def checked_percentage_tiers(tiers: Sequence[PercentageTier]) -> tuple[PercentageTier, ...]:
    """The tiers with plain numbers; raises InvalidInput, AmountOutOfRange or TooManyItems."""
    return tuple(
        replace(tier, rate=checks.unit_price(tier.rate, "tiers", index, "rate"))
        for index, tier in enumerate(_rising(tiers))
    )


def _rising(tiers: Sequence[T]) -> list[T]:
    """The tiers, checked in what both kinds have: their bounds and flat amounts."""
    if not 1 <= len(tiers) <= MAX_TIERS:
        problem = TooManyItems if tiers else InvalidInput
        raise problem(f"A price has 1 to {MAX_TIERS} tiers, not {len(tiers)}.", ("tiers",))
    last = len(tiers) - 1
    below = Decimal(0)
    checked = []
    for index, tier in enumerate(tiers):
        at = ("tiers", index, "upTo")
        up_to = tier.up_to
        if up_to is None:
            if index < last:
                raise InvalidInput("Only the last tier is open: give this one an upTo.", at)
        elif index == last:
            raise InvalidInput("The last tier must be open: leave its upTo out.", at)
        else:
            up_to = checks.quantity(up_to, *at)
            if up_to <= below:
                raise InvalidInput(
                    f"Tiers must rise: {up_to:f} is not above {below:f}, the upTo before it.", at
                )
            below = up_to
        flat_amount = checks.unit_price(tier.flat_amount, "tiers", index, "flatAmount")
        checked.append(replace(tier, up_to=up_to, flat_amount=flat_amount))
    return checked


def tier_name(below: Decimal, up_to: Decimal | None) -> str:
    """How a step calls the tier of the units above `below`, up to and with `up_to`."""
    if up_to is None:
        return f"Tier above {below:f}"
    if below:
        return f"Tier above {below:f} to {up_to:f}"
    # The first unit is number 1; a tier that ends within it has no such number.
    return f"Tier 1 to {up_to:f}" if up_to == up_to.to_integral_value() else f"Tier to {up_to:f}"


def graduated_tier_steps(tiers: Sequence[PriceTier], quantity: Decimal) -> list[PricingStep]:
    """A step for each tier that units fall in: those units at its price, and its flat amount."""
    steps = []
    below = Decimal(0)
    for tier in tiers:
        if quantity <= below:
            break
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        steps.append(
            step(
                tier_name(below, tier.up_to),
                upper - below,
                unit_amount=tier.unit_amount,
                flat_amount=tier.flat_amount,
            )
        )
        below = upper
    return steps
