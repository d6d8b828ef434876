"""The one rule by which events become roll-ups, in SQL; for a batch and for a new feature."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Feature
from billing_gql.store.database import run_sql

# Each event once for each feature that meters it. What its aggregation does not need is null, and
# aggregates pass over that. `last` compares like (timestamp, transaction id), since PostgreSQL 15
# has no max of rows.
_METERED = """
metered AS (
  SELECT e.organization_id, e.customer_id, f.id AS feature_id, e.timestamp, e.generation,
         e.subscription_id, e.source, d.dimensions, d.value,
         sha256(convert_to(
           concat(row(e.subscription_id, e.source, d.dimensions)::text, d.value), 'UTF8'
         )) AS group_hash,
         CASE WHEN f.aggregation IN ('SUM', 'WEIGHTED_SUM') THEN d.number END AS total,
         CASE WHEN f.aggregation = 'MAX' THEN d.number END AS peak,
         CASE WHEN f.aggregation = 'LATEST' THEN e.timestamp END AS latest_at,
         CASE WHEN f.aggregation = 'LATEST' THEN ARRAY[
           to_char(e.timestamp AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), e.transaction_id,
           d.number::text
         ] COLLATE "C" END AS last,
         CASE WHEN f.aggregation = 'WEIGHTED_SUM'
           THEN d.number * extract(epoch FROM e.timestamp) END AS moment
  FROM {events} AS e
  JOIN features AS f
    ON f.organization_id = e.organization_id AND f.event_name = e.event_name {only}
  CROSS JOIN LATERAL (
    SELECT ARRAY(
             SELECT e.properties #>> string_to_array(path, '.')
             FROM unnest(f.dimensions) WITH ORDINALITY AS u (path, place) ORDER BY place
           ) AS dimensions,
           CASE WHEN f.aggregation NOT IN ('COUNT', 'UNIQUE_COUNT')
             THEN metered_number(e.properties, f.value_property) END AS number,
           CASE WHEN f.aggregation = 'UNIQUE_COUNT'
             THEN metered_text(e.properties, f.value_property) END AS value
    OFFSET 0 -- else each use below would read them again
  ) AS d
  WHERE f.aggregation = 'COUNT' OR d.number IS NOT NULL OR d.value IS NOT NULL
)"""

# Of two roll-ups of one group, the one whose last event is the later.
_LATER = """CASE WHEN (excluded.latest_at, excluded.latest_id) > (kept.latest_at, kept.latest_id)
                THEN excluded.{column} ELSE kept.{column} END"""

_BY_GRAIN = """
{grain} AS (
  INSERT INTO {table} AS kept
    (organization_id, customer_id, feature_id, starts_at, generation, group_hash, subscription_id,
     source, dimensions, value, event_count, total, peak, latest_at, latest_id, latest, moment)
  SELECT organization_id, customer_id, feature_id, starts_at, generation, group_hash,
         subscription_id, source, dimensions, value, event_count, total, peak, latest_at, last[2],
         last[3]::numeric, moment
  FROM (
    SELECT organization_id, customer_id, feature_id,
           date_trunc('{unit}', timestamp, 'UTC') AS starts_at, generation, group_hash,
           subscription_id, source, dimensions, value, count(*) AS event_count,
           sum(total) AS total, max(peak) AS peak, max(latest_at) AS latest_at, max(last) AS last,
           sum(moment) AS moment
    FROM metered {after}
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
  ) AS event
  -- Rows are locked in this order by every writer, so that two batches cannot wait on each other.
  ORDER BY customer_id, feature_id, starts_at, generation, group_hash
  ON CONFLICT (organization_id, customer_id, feature_id, starts_at, generation, group_hash)
  DO UPDATE SET event_count = kept.event_count + excluded.event_count,
                total = kept.total + excluded.total,
                peak = greatest(kept.peak, excluded.peak),
                latest_at = {latest_at},
                latest_id = {latest_id},
                latest = {latest},
                moment = kept.moment + excluded.moment
  RETURNING 1
)"""


def _by_grain(grain: str, unit: str, after: str = "") -> str:
    return _BY_GRAIN.format(
        grain=grain,
        table=f"{grain}_usage",
        unit=unit,
        after=after,
        **{name: _LATER.format(column=name) for name in ("latest_at", "latest_id", "latest")},
    )


def finished(part: str) -> str:
    """A condition that is met once that part of the statement has locked all its rows.

    PostgreSQL runs the parts of a WITH in no promised order; this promises one.
    """
    return f"(SELECT count(*) FROM {part}) >= 0"


def roll_up(events: str, only: str = "") -> str:
    """The parts `metered`, `hourly` and `daily` of a WITH that roll up the events.

    `events` is a relation of usage_events' columns; `only` may narrow the features.
    """
    return ",".join(
        (
            _METERED.format(events=events, only=only),
            _by_grain("hourly", "hour"),
            _by_grain("daily", "day", f"WHERE {finished('hourly')}"),
        )
    )


_ROLL_UP_FEATURE = text(
    "WITH "
    + roll_up(
        "(SELECT * FROM usage_events WHERE organization_id = :organization"
        " AND event_name = :event_name)",
        only="AND f.id = :feature",
    )
    + "\nSELECT 1"
)


async def roll_up_feature(session: AsyncSession, feature: Feature) -> None:
    """Rolls up the events that were stored before the feature was made.

    An event without a value that it could read does not count: at its time nothing metered it.
    Ingest holds the organization's row, so that no event falls between; see `lock_out_ingest`.
    """
    # As many rows as the name has events: a request's time limit does not fit.
    await run_sql(session, text("SET LOCAL statement_timeout = 0"))
    await run_sql(
        session,
        _ROLL_UP_FEATURE,
        {
            "organization": feature.organization_id,
            "event_name": feature.event_name,
            "feature": feature.id,
        },
    )


async def lock_out_ingest(session: AsyncSession, organization_id: str) -> None:
    """Waits for the ingests under way and holds new ones until this transaction ends."""
    await run_sql(
        session,
        text("SELECT 1 FROM organizations WHERE id = :id FOR UPDATE"),
        {"id": organization_id},
    )
