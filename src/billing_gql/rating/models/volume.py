"""VOLUME: all units at the price of the tier in which the quantity falls."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from billing_gql.rating.models.tiers import PriceTier, checked_price_tiers, tier_name
from billing_gql.rating.step import PricingStep, step


class Volume(msgspec.Struct, frozen=True, tag="VOLUME"):
    """Tiers that rise; the last is open. Raises InvalidInput, AmountOutOfRange or TooManyItems."""

    tiers: tuple[PriceTier, ...]

    def __post_init__(self) -> None:
        force_setattr(self, "tiers", checked_price_tiers(self.tiers))


def volume_steps(model: Volume, quantity: Decimal) -> list[PricingStep]:
    """The one step: every unit, and the tier's flat amount. None where nothing was used."""
    if quantity == 0:
        return []
    below = Decimal(0)
    for tier in model.tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            return [
                step(
                    f"{tier_name(below, tier.up_to)}, all units",
                    quantity,
                    unit_amount=tier.unit_amount,
                    flat_amount=tier.flat_amount,
                )
            ]
        below = tier.up_to
    raise AssertionError("the last tier is open")
