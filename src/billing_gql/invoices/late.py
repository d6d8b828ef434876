"""Finds the closed periods of a subscription for which usage came late."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.compose import Billed, LineKey
from billing_gql.invoices.lines import LineItemType
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

# A voided line counts as billed: what was voided is not billed again by what comes late.
_BILLED = """
SELECT l.period_start, l.type, l.price_id, sum(l.amount - l.carried) AS amount,
       sum(l.quantity) AS quantity, coalesce(sum(l.event_count), 0)::bigint AS event_count,
       coalesce(max(l.usage_generation), -1) AS generation,
       (array_agg(l.usage_windows))[1] AS windows
FROM line_items AS l JOIN invoices AS i ON i.id = l.invoice_id
WHERE l.organization_id = :organization AND l.subscription_id = :subscription
  AND l.period_start = ANY(:starts) AND l.type IN ('USAGE', 'MINIMUM_COMMITMENT')
  AND i.status <> 'DRAFT'
GROUP BY l.period_start, l.type, l.price_id
"""


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
