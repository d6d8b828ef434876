"""Usage lines against events, each event billed once, and roll-ups against events."""

from collections.abc import Sequence
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Feature, Price
from billing_gql.integrity.check import Books, Finding, stated
from billing_gql.invoices.breakdown import line_slices
from billing_gql.invoices.tables import LineItem
from billing_gql.kernel.money import plain
from billing_gql.rating.models.flat import Flat
from billing_gql.rating.rate import needs_values
from billing_gql.usage.aggregate import UsageRow, aggregate

METERED_LINES = 1_000
"""The newest usage lines are counted again: from roll-ups, which `rollups` holds against events."""
EVENTS_READ = 500_000
"""The newest hours with at most so many events are rolled up again: 2 to 3 seconds."""


async def quantities(session: AsyncSession, books: Books) -> Sequence[Finding]:
    """Counts the events of the newest usage lines again, and their quantity.

    The quantity of a late line is a difference, and that of a price by the event is the values'
    sum: of these the events are counted only.
    """
    rows = await session.exec(
        select(LineItem, Feature, Price)
        .join(Feature, col(Feature.id) == col(LineItem.feature_id))
        .join(Price, col(Price.id) == col(LineItem.price_id))
        .where(
            LineItem.organization_id == books.actor.organization_id,
            col(LineItem.usage_generation).is_not(None),
        )
        .order_by(col(LineItem.id).desc())
        .limit(METERED_LINES)
    )
    lines = rows.all()
    slices = [
        one
        for key, (line, feature, _) in enumerate(lines)
        for one in line_slices(key, line, feature)
    ]
    counted = {
        row.key: row for row in await aggregate(session, books.actor.organization_id, slices)
    }
    found = []
    for key, (line, _, price) in enumerate(lines):
        usage = counted.get(key, UsageRow(key, (), Decimal(0), 0))
        if usage.event_count != line.event_count:
            message = f"There are {usage.event_count} events of it, and it says {line.event_count}."
            found.append(Finding("LINE_EVENTS", message, line.id))
        whole = line.usage_after is None and not isinstance(price.model, Flat)
        quantity = plain(max(usage.quantity, Decimal(0)))
        if whole and not needs_values(price.model) and quantity != line.quantity:
            message = f"Its events make {quantity}, and it says {line.quantity}."
            found.append(Finding("LINE_QUANTITY", message, line.id))
    return found


# What a line takes are spans of time in which events name its subscription, or name none, of the
# generations after one and up to another. No two lines of a customer and feature take the same;
# what was voided was taken back. The running maximum finds the few spans that begin inside of an
# earlier one (those of late lines, as a rule), so that only these are held against all others.
billed_once = stated("""
WITH span AS (
  SELECT l.id, l.customer_id, l.feature_id, n.named, lower(n.span) AS starts, upper(n.span) AS ends,
         int4range(coalesce(l.usage_after, -1), l.usage_generation, '(]') AS generations
  FROM line_items AS l
  JOIN invoices AS i ON i.id = l.invoice_id AND i.status <> 'VOIDED'
  CROSS JOIN LATERAL (
    SELECT l.subscription_id AS named, tstzrange(l.period_start, l.period_end) AS span
    UNION ALL
    SELECT '', unnest(l.usage_windows)
  ) AS n
  WHERE l.organization_id = :organization AND l.type = 'USAGE' AND NOT isempty(n.span)
), ordered AS (
  SELECT *, max(ends) OVER (PARTITION BY customer_id, feature_id, named ORDER BY starts, ends, id
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
  FROM span
)
SELECT 'USAGE_TWICE' AS code, later.id AS subject_id,
       format('Events of it are billed by the line %s too.', min(earlier.id)) AS message
FROM ordered AS later
JOIN span AS earlier
  ON (earlier.customer_id, earlier.feature_id, earlier.named)
     = (later.customer_id, later.feature_id, later.named)
 AND earlier.id < later.id AND earlier.starts < later.ends AND earlier.ends > later.starts
 AND earlier.generations && later.generations
WHERE EXISTS (
  SELECT 1 FROM ordered AS o
  WHERE (o.customer_id, o.feature_id, o.named)
        = (later.customer_id, later.feature_id, later.named) AND o.starts < o.until)
GROUP BY later.id ORDER BY later.id
""")

# What roll-ups sum up to, whatever the aggregation: what a feature does not need is null. `last`
# compares like (timestamp, transaction id), as in `usage.rollups`; each of distinct values is a
# group of its own.
_SUMS = """coalesce(value, '') AS value, sum(event_count) AS events, sum(total) AS total,
         max(peak) AS peak, sum(moment) AS moment,
         max(CASE WHEN latest_at IS NOT NULL THEN ARRAY[
           to_char(latest_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), latest_id, latest::text
         ] COLLATE "C" END) AS last"""
_BOTH = """FULL JOIN {other} USING (customer_id, feature_id, starts_at, generation, value)
WHERE (r.events, r.total, r.peak, r.moment, r.last)
      IS DISTINCT FROM ({other}.events, {other}.total, {other}.peak, {other}.moment, {other}.last)
ORDER BY feature_id, customer_id, starts_at, value"""
_MAKES = "concat_ws(' ', {0}.events, {0}.total, {0}.peak, {0}.moment, {0}.last[3])"

# Days are the sums of their hours: all of them.
days = stated(f"""
WITH r AS (
  SELECT customer_id, feature_id, starts_at, generation, {_SUMS}
  FROM daily_usage WHERE organization_id = :organization
  GROUP BY customer_id, feature_id, starts_at, generation, value
), hours AS (
  SELECT customer_id, feature_id, date_trunc('day', starts_at, 'UTC') AS starts_at, generation,
         {_SUMS}
  FROM hourly_usage WHERE organization_id = :organization
  GROUP BY customer_id, feature_id, date_trunc('day', starts_at, 'UTC'), generation, value
)
SELECT 'ROLLUP_DAY' AS code, feature_id AS subject_id,
       format('The day from %s of customer %s has, of events and their values, %s, and its hours'
              ' %s.', starts_at, customer_id, {_MAKES.format("r")}, {_MAKES.format("hours")})
         AS message
FROM r {_BOTH.format(other="hours")}
""")

# Hours are what their events make: the newest ones, up to a number of events.
hours = stated(f"""
WITH since AS (
  SELECT coalesce(max(starts_at) + interval '1 hour', '-infinity') AS at
  FROM (
    SELECT starts_at, sum(sum(event_count)) OVER (ORDER BY starts_at DESC) AS events
    FROM hourly_usage WHERE organization_id = :organization GROUP BY starts_at
  ) AS hour
  WHERE events > {EVENTS_READ}
), r AS (
  SELECT customer_id, feature_id, starts_at, generation, {_SUMS}
  FROM hourly_usage
  WHERE organization_id = :organization AND starts_at >= (SELECT at FROM since)
  GROUP BY customer_id, feature_id, starts_at, generation, value
), metered AS (
  SELECT e.customer_id, f.id AS feature_id, date_trunc('hour', e.timestamp, 'UTC') AS starts_at,
         e.generation, coalesce(v.value, '') AS value, 1 AS event_count,
         CASE WHEN f.aggregation IN ('SUM', 'WEIGHTED_SUM') THEN v.number END AS total,
         CASE WHEN f.aggregation = 'MAX' THEN v.number END AS peak,
         CASE WHEN f.aggregation = 'WEIGHTED_SUM'
           THEN v.number * extract(epoch FROM e.timestamp) END AS moment,
         CASE WHEN f.aggregation = 'LATEST' THEN e.timestamp END AS latest_at,
         e.transaction_id AS latest_id, v.number AS latest
  FROM features AS f
  CROSS JOIN customers AS c
  JOIN usage_events AS e
    ON e.organization_id = :organization AND e.customer_id = c.id AND e.event_name = f.event_name
   AND e.timestamp >= (SELECT at FROM since)
  CROSS JOIN LATERAL (
    SELECT CASE WHEN f.aggregation NOT IN ('COUNT', 'UNIQUE_COUNT')
             THEN metered_number(e.properties, f.value_property) END AS number,
           CASE WHEN f.aggregation = 'UNIQUE_COUNT'
             THEN metered_text(e.properties, f.value_property) END AS value
    OFFSET 0 -- else each use above would read them again
  ) AS v
  WHERE f.organization_id = :organization AND c.organization_id = :organization
    AND (f.aggregation = 'COUNT' OR v.number IS NOT NULL OR v.value IS NOT NULL)
), raw AS (
  SELECT customer_id, feature_id, starts_at, generation, {_SUMS}
  FROM metered GROUP BY customer_id, feature_id, starts_at, generation, value
)
SELECT 'ROLLUP_HOUR' AS code, feature_id AS subject_id,
       format('The hour from %s of customer %s has, of events and their values, %s, and its events'
              ' make %s.', starts_at, customer_id, {_MAKES.format("r")}, {_MAKES.format("raw")})
         AS message
FROM r {_BOTH.format(other="raw")}
""")
