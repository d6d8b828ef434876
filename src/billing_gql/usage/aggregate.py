"""Quantities of usage, from roll-ups and raw events, in one statement for any number of slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.kernel.checks import EARLIEST
from billing_gql.kernel.money import MAX_UNIT_DECIMALS, exactly, plain
from billing_gql.kernel.period import Period, seconds
from billing_gql.store.database import run_sql
from billing_gql.usage.aggregations import READINGS
from billing_gql.usage.meters import GroupKey


class Named(StrEnum):
    """Which events of a customer a slice takes, by the subscription that they name."""

    ANY = "ANY"
    NONE = "NONE"
    THIS = "THIS"
    THIS_OR_NONE = "THIS_OR_NONE"


@dataclass(frozen=True, slots=True)
class UsageSlice:
    """Events of one customer and feature in a window; slices with one `key` make one quantity.

    They are of one aggregation, and no event is in two of them. `after` and `generation` bound when
    the events arrived (see `usage.tables`): generations above the one, up to the other; None is no
    bound. `period_seconds`, one for the key, is the time over which WEIGHTED_SUM takes its mean;
    None takes the window's own.
    """

    key: int
    customer_id: str
    feature: Feature
    window: Period
    named: Named = Named.ANY
    subscription_id: str | None = None
    generation: int | None = None
    after: int | None = None
    period_seconds: Decimal | None = None
    changes_only: bool = False
    """Of WEIGHTED_SUM: without the level that the window starts with."""
    added_up: bool = False
    """Of WEIGHTED_SUM: the sum of the changes themselves, as of a SUM."""

    @property
    def aggregation(self) -> Aggregation:
        """How the events make a quantity."""
        return Aggregation.SUM if self.added_up else self.feature.aggregation


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of one group within one key; `group` has a value for each group key, or null."""

    key: int
    group: tuple[str | None, ...]
    quantity: Decimal
    event_count: int


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SINCE = datetime(1970, 1, 1, tzinfo=UTC)

OF_SLICE = """
    {row}.organization_id = :organization AND {row}.customer_id = s.customer_id
   AND (s.generation IS NULL OR {row}.generation <= s.generation)
   AND (s.after IS NULL OR {row}.generation > s.after)
   AND (s.named = 'ANY' OR {row}.subscription_id IS NOT DISTINCT FROM s.subscription_id
        OR (s.named = 'THIS_OR_NONE' AND {row}.subscription_id IS NULL))"""
"""Whether a roll-up or an event `{row}` is of the slice `s`, but for its feature and its time."""

# Whole days and whole hours, through the primary keys of daily_usage and hourly_usage.
_FROM_ROLLUPS = """
  SELECT s.key{keys}, {columns}
  FROM slice AS s
  CROSS JOIN LATERAL (VALUES {edges}) AS edge (starts, ends)
  JOIN {table} AS r
    ON {of_slice}
   AND r.feature_id = s.feature_id AND r.starts_at >= edge.starts AND r.starts_at < edge.ends
  WHERE s.aggregation = '{aggregation}' AND edge.starts < edge.ends"""

# What whole hours leave at both ends, or all of it, through ix_usage_events_reading.
_FROM_EVENTS = """
  SELECT s.key{keys}, {columns}
  FROM slice AS s
  CROSS JOIN LATERAL (VALUES (s.starts, s.hours_start), (s.hours_end, s.ends))
    AS edge (starts, ends)
  JOIN usage_events AS e
    ON {of_slice}
   AND e.event_name = s.event_name AND e.timestamp >= edge.starts AND e.timestamp < edge.ends
  {value}
  WHERE s.aggregation = '{aggregation}' AND edge.starts < edge.ends{has_value}"""

_BLOCK = """
SELECT key{names}, CAST({merged} AS numeric) AS quantity,
       CAST(sum(event_count) AS bigint) AS event_count
FROM ({parts}) AS part GROUP BY key{names}"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the relation `slice`: its name, its SQL type and a value for each row."""

    name: str
    kind: str
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A span of time cut into whole days, whole hours around them, and the rest at both ends."""

    starts: datetime
    hours_start: datetime
    days_start: datetime
    days_end: datetime
    hours_end: datetime
    ends: datetime

    @property
    def has_days(self) -> bool:
        return self.days_start < self.days_end

    @property
    def has_hours(self) -> bool:
        return self.hours_start < self.days_start or self.days_end < self.hours_end

    @property
    def has_rest(self) -> bool:
        return self.starts < self.hours_start or self.hours_end < self.ends


@dataclass(frozen=True, slots=True)
class _Reach:
    """A span of a slice that is read: its window, or all before it (`inside` is 0).

    `seconds` and `inside` are the factors of WEIGHTED_SUM, see `usage.aggregations`.
    """

    one: UsageSlice
    cut: _Cut
    seconds: Decimal = Decimal(0)
    inside: int = 1


async def aggregate(
    session: AsyncSession,
    organization_id: str,
    slices: Sequence[UsageSlice],
    group_by: Sequence[GroupKey] = (),
    *,
    from_events: bool = False,
    limit: int | None = None,
) -> list[UsageRow]:
    """The usage of each key and group, in one statement; groups without events have no row.

    A group of WEIGHTED_SUM that has events only before its window has a row: its level holds on.
    Roll-ups answer where they hold the group keys, raw events the rest; `from_events` reads raw
    events only, so that the roll-ups can be held against them. `limit` bounds the rows: a caller
    that asks for one more than it allows can tell that there are too many.
    """
    if not slices:
        return []
    periods = _periods(slices)
    reaches = [
        reach
        for one in slices
        for reach in _reaches(one, rolled_up=not from_events and _rolled_up(one.feature, group_by))
    ]
    relation, values = slice_relation(
        [*slice_columns([reach.one for reach in reaches]), *_reach_columns(reaches, group_by)]
    )
    blocks = [
        _block(aggregation, reaches, group_by)
        for aggregation in Aggregation
        if any(one.aggregation is aggregation for one in slices)
    ]
    bound = "" if limit is None else "\nLIMIT :limit"
    rows = await run_sql(
        session,
        text(f"WITH slice AS ({relation}){' UNION ALL '.join(blocks)}{bound}"),
        {
            "organization": organization_id,
            "limit": limit,
            **values,
            **{f"path{place}": key.path for place, key in enumerate(group_by)},
        },
    )
    return [
        UsageRow(row[0], tuple(row[1:-2]), _quantity(row[-2], periods.get(row[0])), row[-1])
        for row in rows
    ]


def slice_relation(columns: Sequence[Column]) -> tuple[str, dict[str, Sequence[object]]]:
    """SQL of a relation with these columns, and its bound values."""
    arrays = ", ".join(f"CAST(:{one.name} AS {one.kind}[])" for one in columns)
    names = ", ".join(one.name for one in columns)
    values = {one.name: one.values for one in columns}
    return f"SELECT * FROM unnest({arrays}) AS s ({names})", values


def slice_columns(slices: Sequence[UsageSlice]) -> list[Column]:
    """What a slice asks for, but for its time."""
    return [
        Column("key", "int", [one.key for one in slices]),
        Column("customer_id", "text", [one.customer_id for one in slices]),
        Column("feature_id", "text", [one.feature.id for one in slices]),
        Column("aggregation", "text", [one.aggregation.value for one in slices]),
        Column("event_name", "text", [one.feature.event_name for one in slices]),
        Column("value_path", "text", [one.feature.value_property for one in slices]),
        Column("named", "text", [one.named.value for one in slices]),
        Column("subscription_id", "text", [one.subscription_id for one in slices]),
        Column("generation", "int", [one.generation for one in slices]),
        Column("after", "int", [one.after for one in slices]),
    ]


def _reach_columns(reaches: Sequence[_Reach], group_by: Sequence[GroupKey]) -> list[Column]:
    """Where a span is cut, its factors, and the place of each key in the feature's dimensions."""
    return [
        *(
            Column(name, "timestamptz", [getattr(reach.cut, name) for reach in reaches])
            for name in _Cut.__slots__
        ),
        Column("seconds", "numeric", [reach.seconds for reach in reaches]),
        Column("inside", "int", [reach.inside for reach in reaches]),
        *(
            Column(f"place{place}", "int", [_place(reach.one.feature, key) for reach in reaches])
            for place, key in enumerate(group_by)
        ),
    ]


def _place(feature: Feature, key: GroupKey) -> int | None:
    return feature.dimensions.index(key.path) + 1 if key.path in feature.dimensions else None


def _block(
    aggregation: Aggregation, reaches: Sequence[_Reach], group_by: Sequence[GroupKey]
) -> str:
    """The statement of one aggregation: only of the parts that its spans need."""
    reading = READINGS[aggregation]
    cuts = [reach.cut for reach in reaches if reach.one.aggregation is aggregation]
    rolled_up = {
        "keys": _key_columns(group_by, rolled_up=True),
        "columns": reading.rolled_up,
        "of_slice": OF_SLICE.format(row="r"),
        "aggregation": aggregation.value,
    }
    parts = []
    if any(cut.has_days for cut in cuts):
        days = "(s.days_start, s.days_end)"
        parts.append(_FROM_ROLLUPS.format(table="daily_usage", edges=days, **rolled_up))
    if any(cut.has_hours for cut in cuts):
        hours = "(s.hours_start, s.days_start), (s.days_end, s.hours_end)"
        parts.append(_FROM_ROLLUPS.format(table="hourly_usage", edges=hours, **rolled_up))
    if any(cut.has_rest for cut in cuts):
        parts.append(
            _FROM_EVENTS.format(
                keys=_key_columns(group_by, rolled_up=False),
                columns=reading.raw,
                of_slice=OF_SLICE.format(row="e"),
                aggregation=aggregation.value,
                value=""
                if reading.metered is None
                else f"CROSS JOIN LATERAL (SELECT {reading.metered}(e.properties, s.value_path))"
                " AS v (value)",
                has_value="" if reading.metered is None else " AND v.value IS NOT NULL",
            )
        )
    return _BLOCK.format(
        merged=reading.merged,
        parts=" UNION ALL ".join(parts),
        names="".join(f", key{place}" for place in range(len(group_by))),
    )


def _key_columns(group_by: Sequence[GroupKey], *, rolled_up: bool) -> str:
    columns = ""
    for place, key in enumerate(group_by):
        if key.dimension == "feature_id":
            column = "s.feature_id"
        elif key.path is None:
            column = "r.source" if rolled_up else "e.source"
        elif rolled_up:
            column = f"r.dimensions[s.place{place}]"
        else:
            column = f"e.properties #>> string_to_array(:path{place}, '.')"
        columns += f", {column} AS key{place}"
    return columns


def _rolled_up(feature: Feature, group_by: Sequence[GroupKey]) -> bool:
    return all(key.path is None or key.path in feature.dimensions for key in group_by)


@exactly
def _reaches(one: UsageSlice, *, rolled_up: bool) -> list[_Reach]:
    """The window of a slice, and for WEIGHTED_SUM the time before it, from the first event on."""
    window = one.window
    if one.aggregation is not Aggregation.WEIGHTED_SUM:
        return [_Reach(one, _cut(window, rolled_up=rolled_up))]
    inside = _Reach(one, _cut(window, rolled_up=rolled_up), seconds(Period(SINCE, window.end)))
    if window.start <= EARLIEST or one.changes_only:
        return [inside]
    earlier = _cut(Period(EARLIEST, window.start), rolled_up=rolled_up)
    return [inside, _Reach(one, earlier, seconds(window), inside=0)]


def _cut(span: Period, *, rolled_up: bool) -> _Cut:
    """Cuts at the hours and days of UTC; without roll-ups all of it is rest."""
    starts, ends = span.start, span.end
    hours_start, hours_end = _whole(starts, ends, HOUR) if rolled_up else (starts, starts)
    days_start, days_end = _whole(hours_start, hours_end, DAY)
    return _Cut(starts, hours_start, days_start, days_end, hours_end, ends)


def _whole(starts: datetime, ends: datetime, unit: timedelta) -> tuple[datetime, datetime]:
    """The whole units of UTC inside of a span; an empty pair at its start if there are none."""
    first = starts + (SINCE - starts) % unit
    last = ends - (ends - SINCE) % unit
    return (first, last) if first < last else (starts, starts)


@exactly
def _periods(slices: Sequence[UsageSlice]) -> dict[int, Decimal]:
    """The seconds over which each key of WEIGHTED_SUM takes its mean."""
    periods: dict[int, Decimal] = {}
    for one in slices:
        if one.aggregation is not Aggregation.WEIGHTED_SUM:
            continue
        mean_over = one.period_seconds
        if mean_over is None:
            mean_over = seconds(one.window)
        if periods.setdefault(one.key, mean_over) != mean_over:
            raise ValueError(f"the slices of key {one.key} have different periods")
    return periods


def _quantity(merged: Decimal, period_seconds: Decimal | None) -> Decimal:
    """The quantity of what was merged."""
    return plain(merged) if period_seconds is None else mean_level(merged, period_seconds)


@exactly
def mean_level(level_seconds: Decimal, period_seconds: Decimal) -> Decimal:
    """The mean of a level over a period, rounded once, half up."""
    # A hundred digits are enough to round right: dividend and divisor have at most 24 decimals
    # together, so a quotient that is no tie is further from one than the last of its digits.
    mean = (level_seconds / period_seconds).quantize(Decimal(1).scaleb(-MAX_UNIT_DECIMALS))
    return plain(mean)
