"""The one rule by which events become roll-ups, in SQL; for a batch and for a new feature."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Feature
from billing_gql.store.database import run_sql

ROLL_UP = """
INSERT INTO usage_rollups AS kept
  (organization_id, customer_id, feature_id, hour, generation, group_hash, subscription_id,
   source, dimensions, event_count, total)
SELECT organization_id, customer_id, feature_id, hour, generation, group_hash, subscription_id,
       source, dimensions, count(*), sum(value)
FROM (
  SELECT e.organization_id, e.customer_id, f.id AS feature_id,
         date_trunc('hour', e.timestamp, 'UTC') AS hour, e.generation, e.subscription_id, e.source,
         d.dimensions, d.value,
         sha256(convert_to(row(e.subscription_id, e.source, d.dimensions)::text, 'UTF8'))
           AS group_hash
  FROM {events} AS e
  JOIN features AS f
    ON f.organization_id = e.organization_id AND f.event_name = e.event_name {only}
  CROSS JOIN LATERAL (
    SELECT ARRAY(
             SELECT e.properties #>> string_to_array(path, '.')
             FROM unnest(f.dimensions) WITH ORDINALITY AS u (path, place) ORDER BY place
           ) AS dimensions,
           CASE f.aggregation
             WHEN 'COUNT' THEN 0 ELSE metered_number(e.properties, f.value_property)
           END AS value
  ) AS d
  WHERE d.value IS NOT NULL
) AS event
GROUP BY organization_id, customer_id, feature_id, hour, generation, group_hash, subscription_id,
         source, dimensions
-- Rows are locked in this order by every writer, so that two batches cannot wait on each other.
ORDER BY customer_id, feature_id, hour, generation, group_hash
ON CONFLICT (organization_id, customer_id, feature_id, hour, generation, group_hash)
DO UPDATE SET event_count = kept.event_count + excluded.event_count,
              total = kept.total + excluded.total
"""
"""`{events}` is a relation of usage_events' columns; `{only}` may narrow the features."""


async def roll_up_feature(session: AsyncSession, feature: Feature) -> None:
    """Rolls up the events that were stored before the feature was made.

    An event whose value is not a number does not count: at its time nothing metered it. Ingest
    holds the organization's row, so that no event falls between; see `lock_out_ingest`.
    """
    # As many rows as the name has events: a request's time limit does not fit.
    await run_sql(session, text("SET LOCAL statement_timeout = 0"))
    await run_sql(
        session,
        text(
            ROLL_UP.format(
                events="(SELECT * FROM usage_events WHERE organization_id = :organization"
                " AND event_name = :event_name)",
                only="AND f.id = :feature",
            )
        ),
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
