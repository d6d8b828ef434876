"""FLAT: an amount a period, whatever the usage."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from billing_gql.kernel import checks
from billing_gql.rating.step import PricingStep, step


class Flat(msgspec.Struct, frozen=True, tag="FLAT"):
    """`amount` in currency units, once a period. Raises AmountOutOfRange or InvalidInput."""

    amount: Decimal

    def __post_init__(self) -> None:
        force_setattr(self, "amount", checks.unit_price(self.amount, "amount"))


def flat_steps(model: Flat) -> list[PricingStep]:
    """The one step of a flat price."""
    return [step("Flat amount", Decimal(1), flat_amount=model.amount)]
