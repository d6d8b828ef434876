"""Splits a usage line's amount over groups of the events that it bills."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import prices_by_ids
from billing_gql.catalog.tables import Feature
from billing_gql.invoices.assemble import slices_of
from billing_gql.invoices.lines import UsageScope
from billing_gql.invoices.tables import LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import currency_decimals, exactly, plain, split, to_currency
from billing_gql.kernel.period import Period
from billing_gql.kernel.problems import TooManyItems
from billing_gql.rating.rate import needs_values, rate
from billing_gql.usage.aggregate import UsageRow, UsageSlice, aggregate
from billing_gql.usage.event_values import event_values
from billing_gql.usage.meters import (
    MAX_GROUPS,
    MAX_GROUPS_OF_ALL,
    GroupKey,
    group_order,
    too_many_groups,
)

PERCENTAGE_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Group:
    """The events with one value for each key: what they used and their part of the line's cost."""

    values: tuple[str | None, ...]
    usage: Decimal
    cost: Decimal
    percentage: Decimal
    event_count: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A line split by `keys`. Costs sum to `invoiced_amount`, percentages to 100, exactly."""

    line: LineItem
    feature: Feature
    keys: tuple[GroupKey, ...]
    invoiced_amount: Decimal
    recalculated_amount: Decimal | None
    difference: Decimal | None
    as_of: datetime
    groups: tuple[Group, ...]


async def break_down(
    session: AsyncSession,
    actor: Actor,
    lines: Sequence[tuple[LineItem, Feature]],
    keys: tuple[GroupKey, ...],
    *,
    recalculate: bool = False,
) -> list[Breakdown | TooManyItems]:
    """The breakdown of each usage line, in order; one statement for all of them.

    Without `recalculate` it counts the events that were there when the line was computed, so the
    answer for a finalized invoice never changes. With it, it reads raw events, late ones too, and
    rates the whole line again, which takes two more statements. A line with too many groups has
    the problem in place of its breakdown.
    """
    slices = [
        one
        for key, (line, feature) in enumerate(lines)
        for one in line_slices(key, line, feature, late_too=recalculate)
    ]
    rows = await aggregate(
        session,
        actor.organization_id,
        slices,
        keys,
        from_events=recalculate,
        limit=MAX_GROUPS_OF_ALL + 1,
    )
    by_line: dict[int, list[UsageRow]] = {}
    for row in rows:
        by_line.setdefault(row.key, []).append(row)
    again = await _rate_again(session, actor, lines) if recalculate else {}
    cut = len(rows) > MAX_GROUPS_OF_ALL
    return [
        too_many_groups(of_all=cut)
        if cut or len(by_line.get(key, ())) > MAX_GROUPS
        else _breakdown(actor.now, line, feature, keys, by_line.get(key, []), again.get(key))
        for key, (line, feature) in enumerate(lines)
    ]


def line_slices(
    key: int, line: LineItem, feature: Feature, *, late_too: bool = False
) -> list[UsageSlice]:
    """The slices of usage that a stored line bills."""
    if (
        line.period_start is None
        or line.period_end is None
        or line.subscription_id is None
        or line.usage_generation is None
        or line.usage_taken_at is None
    ):
        raise AssertionError(f"the usage line {line.id} does not say what it bills")
    scope = UsageScope(
        subscription_id=line.subscription_id,
        windows=tuple(
            Period(window.lower, window.upper)
            for window in line.usage_windows or ()
            if window.lower is not None and window.upper is not None
        ),
        generation=None if late_too else line.usage_generation,
        taken_at=line.usage_taken_at,
        after=line.usage_after,
    )
    period = Period(line.period_start, line.period_end)
    return slices_of(key, line.customer_id, feature, period, scope)


async def _rate_again(
    session: AsyncSession, actor: Actor, lines: Sequence[tuple[LineItem, Feature]]
) -> dict[int, Decimal]:
    """What each line would bill by all events of its period; a late one, less what came before.

    What of a negative line a credit gives back is not the line's to give.
    """
    ids = {line.price_id for line, _ in lines if line.price_id is not None}
    prices = {price.id: price for price in await prices_by_ids(session, actor, sorted(ids))}
    models = {key: prices[line.price_id or ""].model for key, (line, _) in enumerate(lines)}
    # Not from the groups: those of a maximum or of distinct values do not add up to the whole.
    slices = [
        replace(one, after=None)
        for key, (line, feature) in enumerate(lines)
        for one in line_slices(key, line, feature, late_too=True)
    ]
    rows = await aggregate(session, actor.organization_id, slices, from_events=True)
    quantities = {row.key: row.quantity for row in rows}
    valued = [one for one in slices if needs_values(models[one.key])]
    values = await event_values(session, actor.organization_id, valued) if valued else {}
    amounts = {}
    for key, (line, _) in enumerate(lines):
        quantity = quantities.get(key, Decimal(0))
        rated = rate(models[key], quantity, values.get(key, []))
        whole = to_currency(rated.exact_amount, line.currency)
        amounts[key] = whole - line.billed_before + line.carried
    return amounts


@exactly
def _breakdown(
    now: datetime,
    line: LineItem,
    feature: Feature,
    keys: tuple[GroupKey, ...],
    rows: Sequence[UsageRow],
    recalculated: Decimal | None,
) -> Breakdown:
    taken = line.usage_taken_at
    return Breakdown(
        line=line,
        feature=feature,
        keys=keys,
        invoiced_amount=line.amount,
        recalculated_amount=recalculated,
        difference=None if recalculated is None else recalculated - line.amount,
        as_of=now if recalculated is not None or taken is None else taken,
        groups=split_groups(line.amount, line.currency, rows),
    )


@exactly
def split_groups(amount: Decimal, currency: str, rows: Sequence[UsageRow]) -> tuple[Group, ...]:
    """Gives each group its part of the amount, in proportion to usage: largest cost first.

    Where usage sums to nothing there is no proportion, and events are counted instead; where there
    are none either (a WEIGHTED_SUM's level may come from earlier ones) the parts are equal. Rows
    are put in order of their values first, so that equal remainders fall the same way each time.
    """
    if not rows:
        return ()
    ordered = sorted(rows, key=lambda row: group_order(row.group))
    weights = [row.quantity for row in ordered]
    if sum(weights, Decimal(0)) == 0:
        weights = [Decimal(row.event_count) for row in ordered]
    if not any(weights):
        weights = [Decimal(1)] * len(ordered)
    costs = split(amount, weights, currency_decimals(currency))
    shares = split(Decimal(100), weights, PERCENTAGE_DECIMALS)
    groups = [
        Group(row.group, row.quantity, cost, plain(share), row.event_count)
        for row, cost, share in zip(ordered, costs, shares, strict=True)
    ]
    return tuple(sorted(groups, key=lambda group: (-group.cost, group_order(group.values))))
