"""What a price would cost, in the schema: nothing is read and nothing is stored for it."""

from decimal import Decimal
from typing import Self

import strawberry

from billing_gql.graph.inputs import given
from billing_gql.graph.price_models import PriceModelInput
from billing_gql.graph.pricing_step import PricingStep
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.kernel.problems import problems_under
from billing_gql.rating.estimate import Estimate, estimate


@strawberry.type(description="What a quantity costs, with its working shown.")
class RatedAmount:
    """Mirrors `rating.estimate.Estimate`."""

    currency: CurrencyCode
    quantity: Decimal = strawberry.field(
        description="What was rated: never below zero; 1 for a FLAT price."
    )
    amount: Decimal
    exact_amount: Decimal = strawberry.field(description="Before rounding to the currency.")
    steps: list[PricingStep] = strawberry.field(description="They sum to `exactAmount`.")

    @classmethod
    def of(cls, found: Estimate) -> Self:
        return cls(
            currency=CurrencyCode(found.currency),
            quantity=found.rated.quantity,
            amount=found.amount,
            exact_amount=found.rated.exact_amount,
            steps=[PricingStep.of(step) for step in found.rated.steps],
        )


@strawberry.type
class PriceEstimateQueries:
    """Fields of Query."""

    @strawberry.field(
        description="What a quantity, or a list of single event values, would cost under a price"
        " model. Nothing is stored. PERCENTAGE takes eventValues, 1 to 1000 in time order; the"
        " other models take quantity, or eventValues which are added up; FLAT needs neither."
    )
    async def price_estimate(
        self,
        model: PriceModelInput,
        currency: CurrencyCode,
        quantity: Decimal | None = strawberry.UNSET,
        event_values: list[Decimal] | None = strawberry.UNSET,
    ) -> RatedAmount:
        with problems_under("model"):
            chosen = model.model()
        found = estimate(
            chosen, currency, quantity=given(quantity), event_values=given(event_values)
        )
        return RatedAmount.of(found)
