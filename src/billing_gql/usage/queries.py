"""A customer's usage by feature, window and group: what `Customer.usage` answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import (
    Period,
    first_of_next_month,
    local_date,
    midnight,
)
from billing_gql.kernel.problems import InvalidInput, TooManyItems
from billing_gql.usage.aggregate import UsageRow, UsageSlice, aggregate
from billing_gql.usage.levels import Levels
from billing_gql.usage.meters import (
    MAX_GROUPS,
    MAX_GROUPS_OF_ALL,
    GroupKey,
    group_order,
    too_many_groups,
)

MAX_WINDOWS = 2_000
"""Windows times features of one customer."""


class UsageWindow(StrEnum):
    """How a time span is cut: hours, days and months of the customer's clock and calendar."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """What is asked of every customer at once."""

    start: datetime
    end: datetime
    feature_ids: tuple[str, ...] | None
    group_by: tuple[GroupKey, ...]
    window: UsageWindow | None


@dataclass(frozen=True, slots=True)
class Usage:
    """A quantity; `window` is None where no windows were asked for."""

    feature: Feature
    window: Period | None
    values: tuple[str | None, ...]
    quantity: Decimal
    event_count: int


async def usage_of_customers(
    session: AsyncSession,
    actor: Actor,
    customers: Sequence[tuple[str, str]],
    features: Sequence[Feature],
    request: UsageRequest,
) -> Mapping[str, list[Usage] | TooManyItems]:
    """For each (customer id, time zone) the usage in order of feature, window and group.

    Without groups every feature and window has a row, with 0 where nothing happened; with groups
    there is a row for each group that has events. WEIGHTED_SUM is the mean over the window itself,
    and shows the level of earlier events where none are in the window. A customer with too many
    groups has the problem in place of its usage. Raises InvalidInput or TooManyItems.
    """
    span = _span(request)
    places: list[_Place] = []
    for customer_id, timezone in customers:
        windows = [span] if request.window is None else cut(span, request.window, timezone)
        if len(windows) * max(len(features), 1) > MAX_WINDOWS:
            raise TooManyItems(
                f"At most {MAX_WINDOWS} windows times features; ask for a shorter span.",
                ("window",),
            )
        places += [
            _Place(customer_id, feature, window) for feature in features for window in windows
        ]
    found = await _read(session, actor, places, request)
    answers: dict[str, list[Usage]] = {customer_id: [] for customer_id, _ in customers}
    for key, place in enumerate(places):
        rows = found.get(key, [] if request.group_by else [UsageRow(key, (), Decimal(0), 0)])
        window = None if request.window is None else place.window
        answers[place.customer_id] += [
            Usage(place.feature, window, row.group, row.quantity, row.event_count)
            for row in sorted(rows, key=lambda row: group_order(row.group))
        ]
    return {
        customer_id: usage
        if not request.group_by or len(usage) <= MAX_GROUPS
        else too_many_groups(of_all=False)
        for customer_id, usage in answers.items()
    }


@dataclass(frozen=True, slots=True)
class _Place:
    """What has rows of its own in the answer."""

    customer_id: str
    feature: Feature
    window: Period


async def _read(
    session: AsyncSession, actor: Actor, places: Sequence[_Place], request: UsageRequest
) -> dict[int, list[UsageRow]]:
    """The rows of each place, by its index; one statement for all. Raises TooManyItems."""
    slices: list[UsageSlice] = []
    levels = Levels(len(places))
    for key, place in enumerate(places):
        one = UsageSlice(key, place.customer_id, place.feature, place.window)
        weighted = place.feature.aggregation is Aggregation.WEIGHTED_SUM
        slices += levels.slices_of(one) if weighted and request.window is not None else [one]
    limit = MAX_GROUPS_OF_ALL if request.group_by else len(slices)
    rows = await aggregate(
        session, actor.organization_id, slices, request.group_by, limit=limit + 1
    )
    if len(rows) > limit:
        raise too_many_groups(of_all=True)
    found: dict[int, list[UsageRow]] = {}
    for row in levels.carry(rows):
        found.setdefault(row.key, []).append(row)
    return found


def _span(request: UsageRequest) -> Period:
    start = checks.instant(request.start, "periodStart")
    end = checks.instant(request.end, "periodEnd")
    if start >= end:
        raise InvalidInput("The period must end after it starts.", ("periodEnd",))
    return Period(start, end)


def cut(span: Period, window: UsageWindow, timezone: str) -> list[Period]:
    """The span cut at each local hour, day or month; the outer windows may be partial."""
    windows = []
    start = span.start
    while start < span.end:
        end = min(_next_edge(start, window, timezone), span.end)
        windows.append(Period(start, end))
        if len(windows) > MAX_WINDOWS:
            raise TooManyItems(f"At most {MAX_WINDOWS} windows.", ("window",))
        start = end
    return windows


def _next_edge(instant: datetime, window: UsageWindow, timezone: str) -> datetime:
    if window is UsageWindow.HOUR:
        # By the local clock's face: in Kolkata an hour starts at half past one of UTC's.
        local = instant.astimezone(ZoneInfo(timezone))
        passed = timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        return instant - passed + timedelta(hours=1)
    day: date = local_date(instant, timezone)
    if window is UsageWindow.DAY:
        return midnight(day + timedelta(days=1), timezone)
    return midnight(first_of_next_month(day), timezone)
