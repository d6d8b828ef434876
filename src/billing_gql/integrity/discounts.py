"""What coupons took, computed again from the lines, and how often they were used."""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.integrity.check import Books, Finding, stated
from billing_gql.invoices.totals import CouponTerms, LineTerms, Totals, totals
from billing_gql.kernel.problems import AmountOutOfRange
from billing_gql.store.database import run_sql

DISCOUNTED_INVOICES = 5_000
"""The newest ones with a coupon are discounted again, as long as they have no more than"""
DISCOUNTED_LINES = 50_000
"""lines together: about a second, in Python."""

_DISCOUNTED = f"""
WITH newest AS (
  SELECT id FROM invoices AS i
  WHERE organization_id = :organization
    AND EXISTS (SELECT 1 FROM coupon_applications AS a WHERE a.invoice_id = i.id)
  ORDER BY id DESC LIMIT {DISCOUNTED_INVOICES}
)"""

_LINES = text(f"""{_DISCOUNTED}
SELECT l.invoice_id, l.id, l.currency, l.amount, l.discount_amount,
       l.credit_id IS NOT NULL AS is_credit
FROM newest JOIN line_items AS l ON l.invoice_id = newest.id
ORDER BY l.invoice_id DESC, l.position LIMIT {DISCOUNTED_LINES}
""")

# In order of application.
_COUPONS = text(f"""{_DISCOUNTED}
SELECT a.invoice_id, a.grant_id, a.line_item_id, a.amount, c.percent_off, c.amount_off
FROM newest
JOIN coupon_applications AS a ON a.invoice_id = newest.id
JOIN coupons AS c ON c.id = a.coupon_id
ORDER BY a.grant_id
""")


async def shares(session: AsyncSession, books: Books) -> Sequence[Finding]:
    """Applies the coupons of the newest discounted invoices to their lines again.

    A coupon that took nothing has left no application, and would take nothing again.
    """
    facts = {"organization": books.actor.organization_id}
    coupons: dict[str, dict[str | None, list[CouponTerms]]] = {}
    taken = {}
    for row in await run_sql(session, _COUPONS, facts):
        terms = CouponTerms(row.grant_id, row.percent_off, row.amount_off)
        coupons.setdefault(row.invoice_id, {}).setdefault(row.line_item_id, []).append(terms)
        taken[row.invoice_id, row.grant_id] = row.amount
    lines = (await run_sql(session, _LINES, facts)).all()
    invoices = [(one, list(rows)) for one, rows in groupby(lines, lambda row: row.invoice_id)]
    if len(lines) == DISCOUNTED_LINES:
        invoices.pop()  # some of its lines may not have been read
    found = []
    for invoice_id, rows in invoices:
        given = coupons[invoice_id]
        sums = _discounted(
            [
                LineTerms(row.amount, coupons=tuple(given.get(row.id, ())), is_credit=row.is_credit)
                for row in rows
            ],
            rows[0].currency,
            given.get(None, []),
        )
        if sums is None:
            continue
        for one in sums.discounts:
            says = taken[invoice_id, one.application_id]
            if says != one.amount:
                message = f"A coupon makes {one.amount} of it, and took {says}."
                found.append(Finding("COUPON_AMOUNT", message, invoice_id))
        for row, line in zip(rows, sums.lines, strict=True):
            if row.discount_amount != line.discount_amount:
                message = (
                    f"The line's part of the discounts is {line.discount_amount}, and it says"
                    f" {row.discount_amount}."
                )
                found.append(Finding("LINE_DISCOUNT", message, row.id))
    return found


def _discounted(
    lines: Sequence[LineTerms], currency: str, coupons: Sequence[CouponTerms]
) -> Totals | None:
    """None for amounts that no invoice can have: other checks find these."""
    try:
        return totals(lines, currency, coupons=coupons)
    except AmountOutOfRange:
        return None


# A line has no discount without a coupon on its invoice, and none beyond its amount.
bounds = stated("""
SELECT 'LINE_UNDISCOUNTED' AS code, l.id AS subject_id,
       format('%s is taken off the line''s %s, and %s coupons are on its invoice.',
              l.discount_amount, l.amount, c.coupons) AS message
FROM line_items AS l
CROSS JOIN LATERAL (
  SELECT count(*) AS coupons FROM coupon_applications AS a WHERE a.invoice_id = l.invoice_id
) AS c
WHERE l.organization_id = :organization AND l.discount_amount <> 0
  AND (l.discount_amount NOT BETWEEN 0 AND greatest(l.amount, 0) OR c.coupons = 0)
ORDER BY l.id
""")

# Drafts count too; what was voided gave its use back. A draft or line has its own for itself.
uses = stated("""
WITH used AS (
  SELECT a.grant_id, count(DISTINCT a.invoice_id) AS invoices,
         bool_or(i.customer_id <> g.customer_id OR a.invoice_id <> g.invoice_id) AS elsewhere
  FROM coupon_applications AS a
  JOIN coupon_grants AS g ON g.id = a.grant_id
  JOIN invoices AS i ON i.id = a.invoice_id AND i.status <> 'VOIDED'
  WHERE a.organization_id = :organization GROUP BY a.grant_id
)
SELECT 'COUPON_USES' AS code, c.id AS subject_id,
       CASE WHEN u.elsewhere THEN format('Given to %s, it is on an invoice elsewhere.',
                                         coalesce(g.invoice_id, g.customer_id))
         ELSE format('Given to %s for %s invoices, it is on %s.', g.customer_id,
                     coalesce(c.duration_invoices, 1), u.invoices) END AS message
FROM used AS u
JOIN coupon_grants AS g ON g.id = u.grant_id
JOIN coupons AS c ON c.id = g.coupon_id
WHERE u.elsewhere
   OR g.invoice_id IS NULL AND g.line_item_id IS NULL AND c.duration <> 'FOREVER'
      AND u.invoices > coalesce(c.duration_invoices, 1)
ORDER BY c.id, g.id
""")
