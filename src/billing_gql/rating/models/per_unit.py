"""PER_UNIT: every unit at one price."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from billing_gql.kernel import checks
from billing_gql.rating.step import PricingStep, step


class PerUnit(msgspec.Struct, frozen=True, tag="PER_UNIT"):
    """`unit_amount` in currency units for each unit, with up to 12 decimals.

    Raises AmountOutOfRange or InvalidInput.
    """

    unit_amount: Decimal

    def __post_init__(self) -> None:
        force_setattr(self, "unit_amount", checks.unit_price(self.unit_amount, "unitAmount"))


def per_unit_steps(model: PerUnit, quantity: Decimal) -> list[PricingStep]:
    """The one step of a unit price; none where nothing was used, since zero units cost nothing."""
    if quantity == 0:
        return []
    return [step("Unit price", quantity, unit_amount=model.unit_amount)]
