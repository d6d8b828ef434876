"""GRADUATED_PERCENTAGE: each part of a value at the rate of the tier in which it falls."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from billing_gql.rating.models.tiers import (
    PercentageTier,
    PriceTier,
    checked_percentage_tiers,
    graduated_tier_steps,
)
from billing_gql.rating.step import PricingStep


class GraduatedPercentage(msgspec.Struct, frozen=True, tag="GRADUATED_PERCENTAGE"):
    """Tiers that rise; the last is open. Raises InvalidInput, AmountOutOfRange or TooManyItems."""

    tiers: tuple[PercentageTier, ...]

    def __post_init__(self) -> None:
        force_setattr(self, "tiers", checked_percentage_tiers(self.tiers))


def graduated_percentage_steps(model: GraduatedPercentage, quantity: Decimal) -> list[PricingStep]:
    """A step for each tier that a part falls in; its unit amount is the rate over 100."""
    shares = [PriceTier(tier.up_to, tier.rate.scaleb(-2), tier.flat_amount) for tier in model.tiers]
    return graduated_tier_steps(shares, quantity)
