"""Rating: a price model and a quantity make an exact amount with its steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.kernel.money import exactly, plain
from billing_gql.rating.models import (
    Flat,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    PriceModel,
    Volume,
)
from billing_gql.rating.models.flat import flat_steps
from billing_gql.rating.models.graduated import graduated_steps
from billing_gql.rating.models.graduated_percentage import graduated_percentage_steps
from billing_gql.rating.models.package import package_steps
from billing_gql.rating.models.per_unit import per_unit_steps
from billing_gql.rating.models.percentage import percentage_steps
from billing_gql.rating.models.volume import volume_steps
from billing_gql.rating.step import PricingStep


@dataclass(frozen=True, slots=True)
class Rated:
    """What a quantity costs: `exact_amount` is the sum of the steps, not yet rounded."""

    quantity: Decimal
    exact_amount: Decimal
    steps: tuple[PricingStep, ...]


@exactly
def rate(model: PriceModel, quantity: Decimal, values: Sequence[Decimal] | None = None) -> Rated:
    """Rates a quantity. A quantity below zero, as corrections may leave it, costs nothing.

    PERCENTAGE rates single events: it needs their `values` in time order (ValueError without) and
    takes their sum for the quantity. The other models ignore `values`.
    """
    billable = plain(max(quantity, Decimal(0)))
    match model:
        case Flat():
            billable, steps = Decimal(1), flat_steps(model)
        case PerUnit():
            steps = per_unit_steps(model, billable)
        case Package():
            steps = package_steps(model, billable)
        case Graduated():
            steps = graduated_steps(model, billable)
        case Volume():
            steps = volume_steps(model, billable)
        case GraduatedPercentage():
            steps = graduated_percentage_steps(model, billable)
        case Percentage():
            if values is None:
                raise ValueError("PERCENTAGE is rated by the values of single events")
            billable = plain(max(sum(values, Decimal(0)), Decimal(0)))
            steps = percentage_steps(model, values)
    return rated(billable, steps)


def needs_values(model: PriceModel) -> bool:
    """Whether the model prices single events, so that their sum is not enough to rate them."""
    return isinstance(model, Percentage)


@exactly
def rated(quantity: Decimal, steps: list[PricingStep]) -> Rated:
    """The amount that the steps make."""
    return Rated(quantity, plain(sum((step.amount for step in steps), Decimal(0))), tuple(steps))


def unit_amount_of(model: PriceModel) -> Decimal | None:
    """The single price that holds for every unit, where one does."""
    match model:
        case Flat():
            return model.amount
        case PerUnit():
            return model.unit_amount
        case _:
            return None
