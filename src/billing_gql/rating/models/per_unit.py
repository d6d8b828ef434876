"""PER_UNIT: every unit at one price."""

from decimal import Decimal

import msgspec

from billing_gql.rating.step import PricingStep


class PerUnit(msgspec.Struct, frozen=True, tag="PER_UNIT"):
    """`unit_amount` in currency units for each unit, with up to 12 decimals."""

    unit_amount: Decimal


def per_unit_steps(model: PerUnit, quantity: Decimal) -> list[PricingStep]:
    """The one step of a unit price; none where nothing was used, since zero units cost nothing."""
    if quantity == 0:
        return []
    return [
        PricingStep(
            description="Unit price",
            quantity=quantity,
            unit_amount=model.unit_amount,
            flat_amount=Decimal(0),
            amount=quantity * model.unit_amount,
        )
    ]
