"""Quantities of usage, from roll-ups and raw events, in one statement for any number of slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.kernel.money import plain
from billing_gql.kernel.period import Period
from billing_gql.store.database import run_sql
from billing_gql.usage.meters import GroupKey


class Named(StrEnum):
    """Which events of a customer a slice takes, by the subscription that they name."""

    ANY = "ANY"
    NONE = "NONE"
    THIS = "THIS"


@dataclass(frozen=True, slots=True)
class UsageSlice:
    """Events of one customer and feature in a window; slices with one `key` are added up.

    `generation` bounds when they arrived (see `usage.tables`); None takes all.
    """

    key: int
    customer_id: str
    feature: Feature
    window: Period
    named: Named = Named.ANY
    subscription_id: str | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of one group within one key; `group` has a value for each group key, or null."""

    key: int
    group: tuple[str | None, ...]
    quantity: Decimal
    event_count: int


HOUR = timedelta(hours=1)

_SLICES = """
WITH slice AS (
  SELECT * FROM unnest(
    CAST(:key AS int[]), CAST(:customer AS text[]), CAST(:feature AS text[]),
    CAST(:event_name AS text[]), CAST(:value_path AS text[]), CAST(:named AS text[]),
    CAST(:subscription AS text[]), CAST(:generation AS int[]), CAST(:starts AS timestamptz[]),
    CAST(:ends AS timestamptz[]), CAST(:hours_start AS timestamptz[]),
    CAST(:hours_end AS timestamptz[]){place_arrays}
  ) AS s (key, customer_id, feature_id, event_name, value_path, named, subscription_id,
          generation, starts, ends, hours_start, hours_end{place_names})
), part AS ({parts})
SELECT key{names}, sum(quantity) AS quantity, sum(event_count)::bigint AS event_count
FROM part GROUP BY key{names}
"""

# Whole hours, through the primary key of usage_rollups.
_FROM_ROLLUPS = """
  SELECT s.key{keys}, r.event_count AS event_count,
         CASE WHEN s.value_path IS NULL THEN r.event_count ELSE r.total END AS quantity
  FROM slice AS s
  JOIN usage_rollups AS r
    ON r.organization_id = :organization AND r.customer_id = s.customer_id
   AND r.feature_id = s.feature_id AND r.hour >= s.hours_start AND r.hour < s.hours_end
   AND (s.generation IS NULL OR r.generation <= s.generation)
   AND (s.named = 'ANY' OR r.subscription_id IS NOT DISTINCT FROM s.subscription_id)
"""

# What whole hours leave at both ends, or all of it, through ix_usage_events_reading.
_FROM_EVENTS = """
  SELECT s.key{keys}, 1 AS event_count, v.quantity AS quantity
  FROM slice AS s
  CROSS JOIN LATERAL (VALUES (s.starts, s.hours_start), (s.hours_end, s.ends))
    AS edge (starts, ends)
  JOIN usage_events AS e
    ON e.organization_id = :organization AND e.customer_id = s.customer_id
   AND e.event_name = s.event_name AND e.timestamp >= edge.starts AND e.timestamp < edge.ends
   AND (s.generation IS NULL OR e.generation <= s.generation)
   AND (s.named = 'ANY' OR e.subscription_id IS NOT DISTINCT FROM s.subscription_id)
  CROSS JOIN LATERAL (
    SELECT CASE WHEN s.value_path IS NULL THEN 1 ELSE metered_number(e.properties, s.value_path) END
  ) AS v (quantity)
  WHERE v.quantity IS NOT NULL
"""


async def aggregate(
    session: AsyncSession,
    organization_id: str,
    slices: Sequence[UsageSlice],
    group_by: Sequence[GroupKey] = (),
    *,
    from_events: bool = False,
) -> list[UsageRow]:
    """The usage of each key and group, in one statement; groups without events have no row.

    Roll-ups answer where they hold the group keys, raw events the rest; `from_events` reads raw
    events only, so that the roll-ups can be held against them.
    """
    if not slices:
        return []
    hours = [
        _no_hours(one.window)
        if from_events or not _rolled_up(one.feature, group_by)
        else _whole_hours(one.window)
        for one in slices
    ]
    parts = []
    if any(start < end for start, end in hours):
        parts.append(_FROM_ROLLUPS.format(keys=_key_columns(group_by, rolled_up=True)))
    if any(
        (start, end) != (one.window.start, one.window.end)
        for one, (start, end) in zip(slices, hours, strict=True)
    ):
        parts.append(_FROM_EVENTS.format(keys=_key_columns(group_by, rolled_up=False)))
    places = range(len(group_by))
    statement = _SLICES.format(
        place_arrays="".join(f", CAST(:place{place} AS int[])" for place in places),
        place_names="".join(f", place{place}" for place in places),
        parts=" UNION ALL ".join(parts),
        names="".join(f", key{place}" for place in places),
    )
    rows = await run_sql(
        session,
        text(statement),
        {
            "organization": organization_id,
            "starts": [one.window.start for one in slices],
            "ends": [one.window.end for one in slices],
            "hours_start": [start for start, _ in hours],
            "hours_end": [end for _, end in hours],
            **_slice_columns(slices),
            **_key_values(slices, group_by),
        },
    )
    return [UsageRow(row[0], tuple(row[1:-2]), plain(row[-2]), row[-1]) for row in rows]


def _rolled_up(feature: Feature, group_by: Sequence[GroupKey]) -> bool:
    return all(key.path is None or key.path in feature.dimensions for key in group_by)


def _whole_hours(window: Period) -> tuple[datetime, datetime]:
    """The hours of UTC that lie inside the window; an empty pair at its start if none does."""
    start = window.start.replace(minute=0, second=0, microsecond=0)
    if start < window.start:
        start += HOUR
    end = window.end.replace(minute=0, second=0, microsecond=0)
    return (start, end) if start < end else _no_hours(window)


def _no_hours(window: Period) -> tuple[datetime, datetime]:
    return window.start, window.start


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


def _slice_columns(slices: Sequence[UsageSlice]) -> dict[str, list[object]]:
    return {
        "key": [one.key for one in slices],
        "customer": [one.customer_id for one in slices],
        "feature": [one.feature.id for one in slices],
        "event_name": [one.feature.event_name for one in slices],
        "value_path": [
            None if one.feature.aggregation is Aggregation.COUNT else one.feature.value_property
            for one in slices
        ],
        "named": [one.named.value for one in slices],
        "subscription": [one.subscription_id for one in slices],
        "generation": [one.generation for one in slices],
    }


def _key_values(slices: Sequence[UsageSlice], group_by: Sequence[GroupKey]) -> dict[str, object]:
    """For each key its property's path, and its place in the dimensions of each slice's feature."""
    values: dict[str, object] = {}
    for place, key in enumerate(group_by):
        values[f"place{place}"] = [
            one.feature.dimensions.index(key.path) + 1
            if key.path in one.feature.dimensions
            else None
            for one in slices
        ]
        if key.path is not None:
            values[f"path{place}"] = key.path
    return values
