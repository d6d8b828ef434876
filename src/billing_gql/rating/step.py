"""One step of a price's working."""

from decimal import Decimal

import msgspec


class PricingStep(msgspec.Struct, frozen=True):
    """`quantity x unit_amount + flat_amount`, as far as this step goes: exact, not rounded."""

    description: str
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal
