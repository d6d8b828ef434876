"""Lines against their working and against the prices that they were rated by."""

from collections.abc import Sequence
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Plan, Price
from billing_gql.integrity.check import CURRENCIES, Books, Finding, stated
from billing_gql.invoices.compose import fee
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.tables import LineItem
from billing_gql.kernel.money import to_currency
from billing_gql.kernel.period import Period
from billing_gql.rating.models import PriceModel
from billing_gql.rating.rate import needs_values, rate
from billing_gql.subscriptions.cycles import Cycle, days_of
from billing_gql.subscriptions.tables import Subscription

RATED_LINES = 5_000
"""The newest ones are rated again: about 20 microseconds each, in Python."""

# The working of every line sums to its amount; one by hand with a unit price is quantity times it.
workings = stated(f"""
SELECT code, id AS subject_id,
       format('The working makes %s, and the line says %s.', wanted, amount) AS message
FROM (
  SELECT 'LINE_STEPS' AS code, l.id, l.amount, round(coalesce(s.amount, 0), c.decimals) AS wanted
  FROM line_items AS l
  JOIN {CURRENCIES} ON c.code = l.currency
  CROSS JOIN LATERAL (
    SELECT sum((step->>'amount')::numeric) AS amount FROM jsonb_array_elements(l.pricing_steps)
      AS step
  ) AS s
  WHERE l.organization_id = :organization
  UNION ALL
  SELECT 'LINE_AMOUNT', l.id, l.amount, round(l.quantity * l.unit_amount, c.decimals)
  FROM line_items AS l
  JOIN {CURRENCIES} ON c.code = l.currency
  WHERE l.organization_id = :organization AND l.type = 'MANUAL' AND l.unit_amount IS NOT NULL
) AS line
WHERE amount <> wanted ORDER BY id
""")


async def ratings(session: AsyncSession, books: Books) -> Sequence[Finding]:
    """Rates the stored quantity of the newest lines again, and fees by their days.

    Left out are lines whose amount is no price of their quantity: `rating` has late ones and those
    that price single events, `owed_back` credits. Commitments depend on other lines: of
    these the working is all that is held.
    """
    rows = await session.exec(
        select(LineItem, Price, Plan, Subscription)
        .join(Price, col(Price.id) == col(LineItem.price_id))
        .join(Plan, col(Plan.id) == col(Price.plan_id))
        .join(Subscription, col(Subscription.id) == col(LineItem.subscription_id))
        .where(
            LineItem.organization_id == books.actor.organization_id,
            col(LineItem.type).in_(
                [LineItemType.USAGE, LineItemType.FIXED, LineItemType.PRORATION]
            ),
            col(LineItem.usage_after).is_(None),
            LineItem.billed_before == 0,
            col(LineItem.credit_id).is_(None),
        )
        .order_by(col(LineItem.id).desc())
        .limit(RATED_LINES)
    )
    found = []
    for line, price, plan, subscription in rows.all():
        if line.period_start is None or line.period_end is None or needs_values(price.model):
            continue
        period = Period(line.period_start, line.period_end)
        wanted = _amount(line, price.model, period, subscription.cycle(plan.billing_period))
        if wanted != line.amount:
            message = f"Its price makes {wanted} of it, and the line says {line.amount}."
            found.append(Finding("LINE_RATING", message, line.id))
    return found


def _amount(line: LineItem, model: PriceModel, period: Period, cycle: Cycle) -> Decimal:
    if line.type is LineItemType.USAGE:
        rated = rate(model, line.quantity)
    else:
        rated = fee(model, *days_of(cycle, period))
    return to_currency(rated.exact_amount, line.currency)
