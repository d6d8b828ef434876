"""From prices and usage to the lines of a period. Pure: the one way to price.

It reads nothing and rounds each line once; what discounts and taxes make of the lines is `totals`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.invoices.lines import ComposedLine, LineItemType, UsageScope
from billing_gql.kernel.money import exactly, to_currency
from billing_gql.kernel.period import Period
from billing_gql.rating.models import PriceModel
from billing_gql.rating.prorate import prorate
from billing_gql.rating.rate import rate, unit_amount_of


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """A price as an invoice needs it; `feature_id` is None for a fixed price."""

    price_id: str
    name: str
    model: PriceModel
    feature_id: str | None


@dataclass(frozen=True, slots=True)
class TakenUsage:
    """What was metered for a price in the period, and from which events."""

    quantity: Decimal
    event_count: int
    scope: UsageScope


@exactly
def compose(
    prices: Sequence[PriceTerms],
    usage: Mapping[str, TakenUsage],
    *,
    currency: str,
    period: Period,
    days: int,
    of_days: int,
) -> list[ComposedLine]:
    """One line a price, in the prices' order; `usage` is by price id.

    A fixed price of a partial period (`days` of `of_days`) is prorated; usage never is.
    """
    return [
        _usage_line(price, usage[price.price_id], currency, period)
        if price.feature_id is not None
        else _fixed_line(price, currency, period, days, of_days)
        for price in prices
    ]


def _fixed_line(
    price: PriceTerms, currency: str, period: Period, days: int, of_days: int
) -> ComposedLine:
    rated = prorate(rate(price.model, Decimal(1)), days, of_days)
    whole = days == of_days
    return ComposedLine(
        type=LineItemType.FIXED,
        name=price.name,
        description=None if whole else f"{days} of {of_days} days",
        quantity=rated.quantity,
        unit_amount=unit_amount_of(price.model) if whole else None,
        amount=to_currency(rated.exact_amount, currency),
        steps=rated.steps,
        period=period,
        price_id=price.price_id,
    )


def _usage_line(
    price: PriceTerms, usage: TakenUsage, currency: str, period: Period
) -> ComposedLine:
    rated = rate(price.model, usage.quantity)
    return ComposedLine(
        type=LineItemType.USAGE,
        name=price.name,
        quantity=rated.quantity,
        unit_amount=unit_amount_of(price.model),
        amount=to_currency(rated.exact_amount, currency),
        steps=rated.steps,
        period=period,
        price_id=price.price_id,
        feature_id=price.feature_id,
        event_count=usage.event_count,
        scope=usage.scope,
    )
