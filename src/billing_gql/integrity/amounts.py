"""Invoices against their lines, discounts and taxes. Each reads every line of the organization."""

from billing_gql.integrity.check import CURRENCIES, stated

SHARED_INVOICES = 20_000
"""The taxes of the newest ones are split again: about 2 seconds, the dearest of these checks."""

# An invoice says the sums of its lines, and total and due follow from what it says.
sums = stated("""
WITH line AS (
  SELECT invoice_id, sum(amount) AS amount, sum(discount_amount) AS discount, sum(tax_amount) AS tax
  FROM line_items WHERE organization_id = :organization GROUP BY invoice_id
)
SELECT v.code, i.id AS subject_id,
       format('The invoice says %s %s, and it should be %s.', v.name, v.says, v.sum) AS message
FROM invoices AS i
LEFT JOIN line ON line.invoice_id = i.id
CROSS JOIN LATERAL (VALUES
  ('INVOICE_SUBTOTAL', 'subtotal', i.subtotal, coalesce(line.amount, 0)),
  ('INVOICE_DISCOUNT', 'totalDiscount', i.total_discount, coalesce(line.discount, 0)),
  ('INVOICE_TAX', 'totalTax', i.total_tax, coalesce(line.tax, 0)),
  ('INVOICE_TOTAL', 'total', i.total,
   greatest(i.subtotal - i.total_discount + i.total_tax - i.total_prepaid_credits_applied, 0)),
  ('INVOICE_DUE', 'amountDue', i.amount_due,
   greatest(i.total - i.customer_balance_applied - i.total_credited, 0))
) AS v (code, name, says, sum)
WHERE i.organization_id = :organization AND v.says <> v.sum
ORDER BY i.id, v.code
""")

# Exactly the currency's decimals, no more and no fewer: "5.00", not "5" nor "5.000".
decimals = stated(f"""
SELECT 'AMOUNT_DECIMALS' AS code, a.id AS subject_id,
       format('%s is not an amount with the %s decimals of %s.', min(a.amount), c.decimals, c.code)
         AS message
FROM (
  SELECT i.id, i.currency, unnest(ARRAY[
           i.subtotal, i.total_discount, i.total_tax, i.total_prepaid_credits_applied, i.total,
           i.customer_balance_applied, i.total_credited, i.amount_paid]) AS amount
  FROM invoices AS i WHERE i.organization_id = :organization
  UNION ALL
  SELECT l.id, l.currency, unnest(ARRAY[l.amount, l.discount_amount, l.tax_amount])
  FROM line_items AS l WHERE l.organization_id = :organization
  UNION ALL
  SELECT t.invoice_id, t.currency, unnest(ARRAY[t.taxable_amount, t.amount])
  FROM invoice_taxes AS t WHERE t.organization_id = :organization
  UNION ALL
  SELECT a.invoice_id, a.currency, a.amount
  FROM coupon_applications AS a WHERE a.organization_id = :organization
  UNION ALL
  SELECT e.id, e.currency, unnest(ARRAY[e.amount, e.ending_balance])
  FROM ledger_entries AS e WHERE e.organization_id = :organization
) AS a
JOIN {CURRENCIES} ON c.code = a.currency
WHERE scale(a.amount) <> c.decimals
GROUP BY a.id, c.decimals, c.code ORDER BY a.id
""")

# Whatever stands on an invoice is in the invoice's currency, and that is the customer's.
currencies = stated("""
SELECT 'CURRENCY' AS code, a.id AS subject_id,
       format('It is in %s, and should be in %s.', a.currency, a.wanted) AS message
FROM (
  SELECT i.id, i.currency, c.currency AS wanted
  FROM invoices AS i JOIN customers AS c ON c.id = i.customer_id
  WHERE i.organization_id = :organization
  UNION ALL
  SELECT l.id, l.currency, i.currency
  FROM line_items AS l JOIN invoices AS i ON i.id = l.invoice_id
  WHERE l.organization_id = :organization
  UNION ALL
  SELECT e.id, e.currency, c.currency
  FROM ledger_entries AS e JOIN customers AS c ON c.id = e.customer_id
  WHERE e.organization_id = :organization
) AS a
WHERE a.currency <> a.wanted ORDER BY a.id
""")

# What coupons took is what the invoice is lowered by; a line's own coupons are on that line.
discounts = stated("""
WITH applied AS (
  SELECT invoice_id, sum(amount) AS amount
  FROM coupon_applications WHERE organization_id = :organization GROUP BY invoice_id
), on_line AS (
  SELECT line_item_id, sum(amount) AS amount
  FROM coupon_applications
  WHERE organization_id = :organization AND line_item_id IS NOT NULL GROUP BY line_item_id
)
SELECT code, subject_id, message FROM (
  SELECT 'COUPONS' AS code, i.id AS subject_id,
         format('Coupons take %s off, and the invoice says %s.', coalesce(a.amount, 0),
                i.total_discount) AS message
  FROM invoices AS i LEFT JOIN applied AS a ON a.invoice_id = i.id
  WHERE i.organization_id = :organization AND i.total_discount <> coalesce(a.amount, 0)
  UNION ALL
  SELECT 'LINE_COUPONS', l.id,
         format('The line''s coupons take %s off, and the line says %s.', a.amount,
                l.discount_amount)
  FROM on_line AS a JOIN line_items AS l ON l.id = a.line_item_id
  WHERE l.discount_amount < a.amount
) AS found ORDER BY subject_id
""")

# EN 16931: each rate once, on the sum of the discounted lines that carry it, rounded once. What a
# rate gives back beyond what is billed under it is not taxed.
taxes = stated(f"""
WITH base AS (
  SELECT l.invoice_id, rate.id AS tax_rate_id,
         greatest(sum(l.amount - l.discount_amount), 0) AS amount
  FROM line_items AS l CROSS JOIN LATERAL unnest(l.taxed_by) AS rate (id)
  WHERE l.organization_id = :organization GROUP BY 1, 2
), tax AS (
  SELECT t.*, round(t.taxable_amount * t.percentage / 100, c.decimals) AS wanted
  FROM invoice_taxes AS t JOIN {CURRENCIES} ON c.code = t.currency
  WHERE t.organization_id = :organization
), total AS (
  SELECT invoice_id, sum(amount) AS amount FROM tax GROUP BY 1
)
SELECT code, subject_id, message FROM (
  SELECT 'TAX_BASE' AS code, coalesce(t.invoice_id, b.invoice_id) AS subject_id,
         format('The lines under the rate %s sum to %s, and the invoice taxes %s.',
                coalesce(t.tax_rate_id, b.tax_rate_id), b.amount, t.taxable_amount) AS message
  FROM tax AS t FULL JOIN base AS b
    ON b.invoice_id = t.invoice_id AND b.tax_rate_id = t.tax_rate_id
  WHERE t.taxable_amount IS DISTINCT FROM b.amount
  UNION ALL
  SELECT 'TAX_AMOUNT', invoice_id,
         format('%s %% of %s is %s, and the invoice says %s.', percentage, taxable_amount, wanted,
                amount)
  FROM tax WHERE amount <> wanted
  UNION ALL
  SELECT 'TAXES', i.id,
         format('Its taxes sum to %s, and the invoice says %s.', coalesce(t.amount, 0), i.total_tax)
  FROM invoices AS i LEFT JOIN total AS t ON t.invoice_id = i.id
  WHERE i.organization_id = :organization AND i.total_tax <> coalesce(t.amount, 0)
) AS found ORDER BY subject_id
""")

# Each rate's amount is split over its lines by largest remainder, equal ones to the earlier line:
# the same as `kernel.money.split` on whole minor units.
tax_shares = stated(f"""
WITH newest AS (
  SELECT id FROM invoices WHERE organization_id = :organization
  ORDER BY created_at DESC, id DESC LIMIT {SHARED_INVOICES}
), share AS (
  SELECT l.id, l.position, l.invoice_id, t.tax_rate_id, c.decimals,
         trunc(t.amount * power(10::numeric, c.decimals)) AS units,
         greatest(l.amount - l.discount_amount, 0) AS weight,
         sum(greatest(l.amount - l.discount_amount, 0)) OVER rate AS weights
  FROM newest
  JOIN line_items AS l ON l.invoice_id = newest.id
  JOIN invoice_taxes AS t ON t.invoice_id = l.invoice_id AND t.tax_rate_id = ANY (l.taxed_by)
  JOIN {CURRENCIES} ON c.code = t.currency
  WHERE t.amount <> 0
  WINDOW rate AS (PARTITION BY t.invoice_id, t.tax_rate_id)
), part AS (
  SELECT *, div(units * weight, weights) AS whole, mod(units * weight, weights) AS rest
  FROM share WHERE weights > 0
), given AS (
  SELECT *, units - sum(whole) OVER rate AS left_over,
         row_number() OVER (PARTITION BY invoice_id, tax_rate_id
                            ORDER BY rest DESC, position, id) AS place
  FROM part WINDOW rate AS (PARTITION BY invoice_id, tax_rate_id)
), line AS (
  SELECT id, sum((whole + (place <= left_over)::int) * power(10::numeric, -decimals)) AS tax
  FROM given GROUP BY id
)
SELECT 'LINE_TAX' AS code, l.id AS subject_id,
       format('The line''s part of the taxes is %s, and it says %s.', coalesce(line.tax, 0),
              l.tax_amount) AS message
FROM newest
JOIN line_items AS l ON l.invoice_id = newest.id
LEFT JOIN line ON line.id = l.id
WHERE l.tax_amount <> coalesce(line.tax, 0)
ORDER BY l.id
""")
