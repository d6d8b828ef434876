"""FLAT: an amount a period, whatever the usage."""

from decimal import Decimal

import msgspec

from billing_gql.rating.step import PricingStep


class Flat(msgspec.Struct, frozen=True, tag="FLAT"):
    """`amount` in currency units, once a period."""

    amount: Decimal


def flat_steps(model: Flat) -> list[PricingStep]:
    """The one step of a flat price."""
    return [
        PricingStep(
            description="Flat amount",
            quantity=Decimal(1),
            unit_amount=Decimal(0),
            flat_amount=model.amount,
            amount=model.amount,
        )
    ]
