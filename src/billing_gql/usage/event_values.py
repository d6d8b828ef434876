"""The values of single events in time order, for prices that rate each event."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.store.database import run_sql
from billing_gql.usage.aggregate import (
    OF_SLICE,
    Column,
    UsageSlice,
    slice_columns,
    slice_relation,
)

# Through ix_usage_events_reading. One row a key: a row an event would take most of the time.
_VALUES = """
WITH slice AS ({relation})
SELECT s.key, array_agg(v.value ORDER BY e.timestamp, e.transaction_id)
FROM slice AS s
JOIN usage_events AS e
  ON {of_slice}
 AND e.event_name = s.event_name AND e.timestamp >= s.starts AND e.timestamp < s.ends
CROSS JOIN LATERAL (SELECT metered_number(e.properties, s.value_path)) AS v (value)
WHERE v.value IS NOT NULL
GROUP BY s.key
"""


async def event_values(
    session: AsyncSession, organization_id: str, slices: Sequence[UsageSlice]
) -> dict[int, list[Decimal]]:
    """The values of each key's events by timestamp and then transaction id, in one statement.

    The features read a number, as SUM does. A key without events has an empty list; the slices of
    a key are merged into one order. It always reads raw events: roll-ups hold no single one.
    """
    if not slices:
        return {}
    relation, values = slice_relation(
        [
            *slice_columns(slices),
            Column("starts", "timestamptz", [one.window.start for one in slices]),
            Column("ends", "timestamptz", [one.window.end for one in slices]),
        ]
    )
    rows = await run_sql(
        session,
        text(_VALUES.format(relation=relation, of_slice=OF_SLICE.format(row="e"))),
        {"organization": organization_id, **values},
    )
    found: dict[int, list[Decimal]] = {one.key: [] for one in slices}
    found.update((row[0], row[1]) for row in rows)
    return found
