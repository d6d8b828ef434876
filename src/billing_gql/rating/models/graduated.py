"""GRADUATED: each unit at the price of the tier in which it falls."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from billing_gql.rating.models.tiers import PriceTier, checked_price_tiers, graduated_tier_steps
from billing_gql.rating.step import PricingStep


class Graduated(msgspec.Struct, frozen=True, tag="GRADUATED"):
    """Tiers that rise; the last is open. Raises InvalidInput, AmountOutOfRange or TooManyItems."""

    tiers: tuple[PriceTier, ...]

    def __post_init__(self) -> None:
        force_setattr(self, "tiers", checked_price_tiers(self.tiers))


def graduated_steps(model: Graduated, quantity: Decimal) -> list[PricingStep]:
    """A step for each tier that units fall in, a tier's flat amount in its step."""
    return graduated_tier_steps(model.tiers, quantity)
