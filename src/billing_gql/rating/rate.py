"""Rating: a price model and a quantity make an exact amount with its steps."""

from dataclasses import dataclass
from decimal import Decimal

from billing_gql.kernel.money import exactly, plain
from billing_gql.rating.models import Flat, PerUnit, PriceModel
from billing_gql.rating.models.flat import flat_steps
from billing_gql.rating.models.per_unit import per_unit_steps
from billing_gql.rating.step import PricingStep


@dataclass(frozen=True, slots=True)
class Rated:
    """What a quantity costs: `exact_amount` is the sum of the steps, not yet rounded."""

    quantity: Decimal
    exact_amount: Decimal
    steps: tuple[PricingStep, ...]


@exactly
def rate(model: PriceModel, quantity: Decimal) -> Rated:
    """Rates a quantity. A quantity below zero, as corrections may leave it, costs nothing."""
    billable = plain(max(quantity, Decimal(0)))
    match model:
        case Flat():
            billable, steps = Decimal(1), flat_steps(model)
        case PerUnit():
            steps = per_unit_steps(model, billable)
    return rated(billable, steps)


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
