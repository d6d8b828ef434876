"""Usage lines whose amount is no price of their quantity alone, rated again from usage."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import or_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Feature, Price
from billing_gql.integrity.check import Books, Finding
from billing_gql.invoices.breakdown import line_slices
from billing_gql.invoices.tables import LineItem
from billing_gql.kernel.money import exactly, to_currency
from billing_gql.rating.rate import needs_values, rate
from billing_gql.usage.aggregate import UsageRow, UsageSlice, aggregate
from billing_gql.usage.event_values import event_values

RATED_FROM_USAGE = 1_000
"""The newest late lines, and lines of a price by the event, are rated again from usage."""
VALUES_READ = 100_000
"""Of single events, for the newest lines of a price by the event: about half a second."""

_Row = tuple[LineItem, Feature, Price]


async def from_usage(session: AsyncSession, books: Books) -> Sequence[Finding]:
    """Rates the whole period of the newest late lines and of those that price single events.

    A late line bills the whole period less what was billed before, but for what of a negative
    amount a credit gives back. The usage is that of the line's generation, so what came afterwards
    changes nothing.
    """
    rows = (
        await session.exec(
            select(LineItem, Feature, Price)
            .join(Feature, col(Feature.id) == col(LineItem.feature_id))
            .join(Price, col(Price.id) == col(LineItem.price_id))
            .where(
                LineItem.organization_id == books.actor.organization_id,
                col(LineItem.usage_generation).is_not(None),
                or_(
                    col(LineItem.usage_after).is_not(None),
                    text("prices.model->>'type' = 'PERCENTAGE'"),
                ),
            )
            .order_by(col(LineItem.id).desc())
            .limit(RATED_FROM_USAGE)
        )
    ).all()
    slices = {
        key: [replace(one, after=None) for one in line_slices(key, line, feature)]
        for key, (line, feature, _) in enumerate(rows)
    }
    whole = [one for some in slices.values() for one in some]
    usage = {row.key: row for row in await aggregate(session, books.actor.organization_id, whole)}
    by_event = _few_enough(rows, usage)
    read: list[UsageSlice] = [one for key in by_event for one in slices[key]]
    values = await event_values(session, books.actor.organization_id, read)
    found = []
    for key, (line, _, price) in enumerate(rows):
        if needs_values(price.model) and key not in by_event:
            continue
        quantity = usage[key].quantity if key in usage else Decimal(0)
        wanted = _wanted(line, price, quantity, values.get(key, []))
        if wanted != line.amount:
            message = f"Its usage makes {wanted} of it, and the line says {line.amount}."
            found.append(Finding("LINE_RATED_USAGE", message, line.id))
    return found


def _few_enough(rows: Sequence[_Row], usage: dict[int, UsageRow]) -> set[int]:
    """The newest lines of a price by the event that have no more than VALUES_READ together."""
    events = 0
    few = set()
    for key, (_, _, price) in enumerate(rows):
        if needs_values(price.model):
            events += usage[key].event_count if key in usage else 0
            if events > VALUES_READ:
                break
            few.add(key)
    return few


@exactly
def _wanted(line: LineItem, price: Price, quantity: Decimal, values: Sequence[Decimal]) -> Decimal:
    rated = rate(price.model, quantity, values)
    return to_currency(rated.exact_amount, line.currency) - line.billed_before + line.carried
