"""What a usage line is made of, in the schema."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from billing_gql.graph.catalog import Feature
from billing_gql.graph.scalars import BigInt, CurrencyCode
from billing_gql.graph.usage import UsageGroupKey, group_keys
from billing_gql.invoices import breakdown

if TYPE_CHECKING:  # it names this file's types
    from billing_gql.graph.invoices import LineItem


@strawberry.type(description="The events with one value for each key.")
class UsageGroup:
    """Mirrors `invoices.breakdown.Group`."""

    keys: list[UsageGroupKey]
    usage: Decimal = strawberry.field(
        description="The feature's own aggregation inside the group; for COUNT and SUM these add"
        " up to the line's quantity."
    )
    cost: Decimal
    percentage: Decimal
    event_count: BigInt


@strawberry.type(
    description="A usage line's amount split over groups of its events. Group costs add up to"
    " `invoicedAmount` exactly, percentages to 100 exactly, whatever the price model and the"
    " currency."
)
class UsageBreakdown:
    """Mirrors `invoices.breakdown.Breakdown`."""

    line_item: Annotated["LineItem", strawberry.lazy("billing_gql.graph.invoices")]
    feature: Feature
    currency: CurrencyCode
    invoiced_amount: Decimal = strawberry.field(description="What the invoice bills for the line.")
    recalculated_amount: Decimal | None = strawberry.field(
        description="The line rated again from raw events; null unless asked for."
    )
    difference: Decimal | None = strawberry.field(
        description="recalculatedAmount - invoicedAmount; null unless asked for."
    )
    is_recalculated: bool
    as_of: datetime = strawberry.field(description="Instant as of which events were read.")
    groups: list[UsageGroup] = strawberry.field(description="Largest cost first; ties by keys.")

    @classmethod
    def of(cls, found: breakdown.Breakdown, line: "LineItem") -> Self:
        return cls(
            line_item=line,
            feature=Feature.of(found.feature),
            currency=CurrencyCode(found.line.currency),
            invoiced_amount=found.invoiced_amount,
            recalculated_amount=found.recalculated_amount,
            difference=found.difference,
            is_recalculated=found.recalculated_amount is not None,
            as_of=found.as_of,
            groups=[
                UsageGroup(
                    keys=group_keys(found.keys, group.values),
                    usage=group.usage,
                    cost=group.cost,
                    percentage=group.percentage,
                    event_count=BigInt(group.event_count),
                )
                for group in found.groups
            ],
        )
