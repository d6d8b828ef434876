"""PACKAGE: each started package of units has a price, after some free units."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from billing_gql.kernel import checks
from billing_gql.rating.step import PricingStep, step


class Package(msgspec.Struct, frozen=True, tag="PACKAGE"):
    """`amount` in currency units for each started package of `size` units beyond `free_units`.

    Raises AmountOutOfRange or InvalidInput.
    """

    amount: Decimal
    size: Decimal
    free_units: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        force_setattr(self, "amount", checks.unit_price(self.amount, "amount"))
        force_setattr(self, "size", checks.quantity(self.size, "size"))
        force_setattr(self, "free_units", checks.unit_price(self.free_units, "freeUnits"))


def package_steps(model: Package, quantity: Decimal) -> list[PricingStep]:
    """The one step, its quantity the packages; none where nothing was used.

    Usage within the free units has a step of no packages, which says why it costs nothing.
    """
    if quantity == 0:
        return []
    paid = max(quantity - model.free_units, Decimal(0))
    # Whole packages and what is left of another: a division could round up to a package too many.
    whole, rest = divmod(paid, model.size)
    packages = whole + (1 if rest else 0)
    free = f" beyond {model.free_units:f} free" if model.free_units else ""
    return [step(f"Packages of {model.size:f}{free}", packages, unit_amount=model.amount)]
