"""One step of a price's working."""

from decimal import Decimal

import msgspec

from billing_gql.kernel.money import plain


class PricingStep(msgspec.Struct, frozen=True):
    """`quantity x unit_amount + flat_amount`, as far as this step goes: exact, not rounded."""

    description: str
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


def step(
    description: str,
    quantity: Decimal,
    *,
    unit_amount: Decimal = Decimal(0),
    flat_amount: Decimal = Decimal(0),
) -> PricingStep:
    """The step with its amount, every number plain. To be called within `money.exactly`."""
    return PricingStep(
        description=description,
        quantity=plain(quantity),
        unit_amount=plain(unit_amount),
        flat_amount=plain(flat_amount),
        amount=plain(quantity * unit_amount + flat_amount),
    )
