"""Finds the closed periods of a subscription for which usage came late."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.compose import Billed, LineKey
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.period import Period
from billing_gql.store.database import run_sql
from billing_gql.subscriptions.tables import Subscription


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A period of a plan that has ended: the windows of each price's unnamed events, and what
    frozen lines bill for it."""

    plan_id: str
    period: Period
    windows: Mapping[str, tuple[Period, ...]]
    billed: Mapping[LineKey, Billed]


# A period that a draft still bills is not looked at: that draft takes what came late when it is
# refreshed. A level is carried over, so late usage of it reaches every later period too.
_TOUCHED = """
SELECT i.plan_id, i.period_start, i.period_end
FROM invoices AS i
WHERE i.organization_id = :organization AND i.subscription_id = :subscription
  AND i.invoice_type = 'SUBSCRIPTION' AND i.plan_id IS NOT NULL AND i.status <> 'DRAFT'
  AND EXISTS (SELECT 1 FROM late_usage WHERE organization_id = :organization
              AND customer_id = :customer AND generation > :settled)
  AND EXISTS (
    SELECT 1 FROM prices AS p
    JOIN features AS f ON f.id = p.feature_id
    JOIN late_usage AS u
      ON u.organization_id = :organization AND u.customer_id = :customer
     AND u.event_name = f.event_name AND u.generation > :settled AND u.generation <= :generation
     AND u.day < i.period_end
     AND (f.aggregation = 'WEIGHTED_SUM' OR u.day + interval '1 day' > i.period_start)
    WHERE p.plan_id = i.plan_id)
  AND NOT EXISTS (
    SELECT 1 FROM line_items AS l JOIN invoices AS d ON d.id = l.invoice_id
    WHERE l.organization_id = :organization AND l.subscription_id = :subscription
      AND l.period_start = i.period_start AND l.usage_after IS NOT NULL
      AND d.status = 'DRAFT' AND d.id IS DISTINCT FROM :invoice)
ORDER BY i.period_start
"""

# What was voided counts as billed: it is not billed again by what comes late. But late lines that
# gave something back for a period do not count once voided, and are found again.
_BILLED = """
WITH line AS (
  SELECT l.*, i.status = 'VOIDED' AND l.period_start IS DISTINCT FROM i.period_start
    AND sum(l.amount - l.carried) OVER (PARTITION BY l.invoice_id, l.period_start) < 0 AS undone
  FROM line_items AS l JOIN invoices AS i ON i.id = l.invoice_id
  WHERE l.organization_id = :organization AND l.subscription_id = :subscription
    AND l.period_start = ANY(:starts) AND l.type IN ('USAGE', 'MINIMUM_COMMITMENT')
    AND i.status <> 'DRAFT'
)
SELECT period_start, type, price_id, sum(amount - carried) AS amount, sum(quantity) AS quantity,
       coalesce(sum(event_count), 0)::bigint AS event_count,
       coalesce(max(usage_generation), -1) AS generation, (array_agg(usage_windows))[1] AS windows
FROM line WHERE NOT undone GROUP BY period_start, type, price_id
"""

# Where voided late lines gave something back, the next invoice looks at their periods again.
_LOOK_AGAIN = """
INSERT INTO late_usage (organization_id, customer_id, event_name, day, generation)
SELECT DISTINCT l.organization_id, l.customer_id, f.event_name,
       date_trunc('day', l.period_start, 'UTC'), CAST(:generation AS int)
FROM line_items AS l
JOIN invoices AS i ON i.id = l.invoice_id
JOIN features AS f ON f.id = l.feature_id
WHERE i.organization_id = :organization AND i.id = :invoice
  AND l.period_start IS DISTINCT FROM i.period_start
  AND 0 > (SELECT sum(o.amount - o.carried) FROM line_items AS o
           WHERE o.invoice_id = i.id AND o.period_start = l.period_start
             AND o.type IN ('USAGE', 'MINIMUM_COMMITMENT'))
ON CONFLICT DO NOTHING
"""


async def look_again(session: AsyncSession, invoice: Invoice, generation: int) -> None:
    """Marks the closed periods for which a voided invoice gave something back.

    `generation` is the customer's, which must be locked.
    """
    await run_sql(
        session,
        text(_LOOK_AGAIN),
        {
            "organization": invoice.organization_id,
            "invoice": invoice.id,
            "generation": generation,
        },
    )


async def late_periods(
    session: AsyncSession, subscription: Subscription, generation: int, invoice_id: str | None
) -> list[ClosedPeriod]:
    """The closed periods that usage up to `generation` came late for, oldest first.

    Without late usage since the last invoice it is one statement that reads one index entry.
    """
    facts = {
        "organization": subscription.organization_id,
        "subscription": subscription.id,
        "customer": subscription.customer_id,
        "settled": subscription.settled_generation,
        "generation": generation,
        "invoice": invoice_id,
    }
    touched = (await run_sql(session, text(_TOUCHED), facts)).all()
    if not touched:
        return []
    rows = await run_sql(
        session, text(_BILLED), {**facts, "starts": [one.period_start for one in touched]}
    )
    billed: dict[object, dict[LineKey, Billed]] = {}
    windows: dict[object, dict[str, tuple[Period, ...]]] = {}
    for row in rows:
        lines = billed.setdefault(row.period_start, {})
        lines[LineItemType(row.type), row.price_id] = Billed(
            amount=Decimal(row.amount),
            quantity=Decimal(row.quantity),
            event_count=row.event_count,
            generation=row.generation,
        )
        if row.windows is not None:
            windows.setdefault(row.period_start, {})[row.price_id] = tuple(
                Period(window.lower, window.upper) for window in row.windows
            )
    return [
        ClosedPeriod(
            plan_id=one.plan_id,
            period=Period(one.period_start, one.period_end),
            windows=windows.get(one.period_start, {}),
            billed=billed.get(one.period_start, {}),
        )
        for one in touched
    ]
