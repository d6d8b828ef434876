"""A step of a price's working in the schema, for lines and for estimates."""

from decimal import Decimal
from typing import Self

import strawberry

from billing_gql.rating.step import PricingStep as Step


@strawberry.type(description="One step of a price's working: quantity x unitAmount + flatAmount.")
class PricingStep:
    """Mirrors `rating.step.PricingStep`."""

    description: str
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(
            description=step.description,
            quantity=step.quantity,
            unit_amount=step.unit_amount,
            flat_amount=step.flat_amount,
            amount=step.amount,
        )
