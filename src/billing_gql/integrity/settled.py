"""What settles invoices, payments and credit notes, against what they say of it."""

from billing_gql.integrity.check import stated

# A voided invoice was never paid: what an attempt brought in later is on the customer's balance.
payments = stated("""
WITH paid AS (
  SELECT invoice_id, sum(amount) AS amount FROM payments
  WHERE organization_id = :organization AND state IN ('SUCCEEDED', 'REFUNDED')
  GROUP BY invoice_id
), beyond AS (
  SELECT invoice_id, sum(amount) AS amount FROM ledger_entries
  WHERE organization_id = :organization AND kind = 'BALANCE' AND reason = 'OVERPAYMENT'
  GROUP BY invoice_id
)
SELECT v.code, i.id AS subject_id,
       format('It says %s, and its payments make %s.', v.found, v.wanted) AS message
FROM invoices AS i
LEFT JOIN paid ON paid.invoice_id = i.id
LEFT JOIN beyond ON beyond.invoice_id = i.id
CROSS JOIN LATERAL (VALUES
  ('INVOICE_PAID', i.amount_paid,
   CASE WHEN i.status = 'VOIDED' THEN 0 ELSE coalesce(paid.amount, 0) END),
  ('OVERPAYMENT', coalesce(beyond.amount, 0),
   CASE WHEN i.status = 'VOIDED' THEN coalesce(paid.amount, 0)
        ELSE greatest(i.amount_paid - i.amount_due, 0) END)
) AS v (code, found, wanted)
WHERE i.organization_id = :organization AND v.found <> v.wanted
ORDER BY i.id, v.code
""")

credited = stated("""
WITH given AS (
  SELECT invoice_id, sum(subtotal) AS subtotal,
         coalesce(sum(total) FILTER (WHERE settlement = 'OFFSET'), 0) AS offset_total,
         coalesce(sum(total) FILTER (WHERE settlement = 'REFUND'), 0) AS refunded,
         coalesce(sum(total) FILTER (WHERE settlement = 'BALANCE'), 0) AS to_balance
  FROM credit_notes WHERE organization_id = :organization GROUP BY invoice_id
), moved AS (
  SELECT invoice_id, sum(amount) AS amount FROM ledger_entries
  WHERE organization_id = :organization AND kind = 'BALANCE' AND reason = 'CREDIT_NOTE'
  GROUP BY invoice_id
)
SELECT v.code, i.id AS subject_id,
       format('It says %s, and its credit notes make %s.', v.found, v.wanted) AS message
FROM invoices AS i
LEFT JOIN given ON given.invoice_id = i.id
LEFT JOIN moved ON moved.invoice_id = i.id
CROSS JOIN LATERAL (VALUES
  ('INVOICE_CREDITED', i.credited, coalesce(given.subtotal, 0)),
  ('INVOICE_OFFSET', i.total_credited, coalesce(given.offset_total, 0)),
  ('INVOICE_REFUNDED', i.refunded, coalesce(given.refunded, 0)),
  ('CREDITED_TO_BALANCE', coalesce(moved.amount, 0), coalesce(given.to_balance, 0))
) AS v (code, found, wanted)
WHERE i.organization_id = :organization AND v.found <> v.wanted
ORDER BY i.id, v.code
""")

notes = stated("""
SELECT 'CREDIT_NOTE' AS code, n.id AS subject_id,
       format('The note says %s and tax of %s; its lines make %s and %s.', n.subtotal, n.total_tax,
              coalesce(l.amount, 0), coalesce(l.tax, 0)) AS message
FROM credit_notes AS n
LEFT JOIN (
  SELECT credit_note_id, sum(amount) AS amount, sum(tax_amount) AS tax
  FROM credit_note_line_items WHERE organization_id = :organization GROUP BY credit_note_id
) AS l ON l.credit_note_id = n.id
WHERE n.organization_id = :organization
  AND (n.subtotal, n.total_tax) IS DISTINCT FROM (coalesce(l.amount, 0), coalesce(l.tax, 0))
ORDER BY n.id
""")

refunds_of_notes = stated("""
SELECT 'CREDIT_NOTE_REFUNDS' AS code, n.id AS subject_id,
       format('Its refunds sum to %s, where %s was to be paid out.', coalesce(r.amount, 0),
              v.wanted) AS message
FROM credit_notes AS n
LEFT JOIN (
  SELECT credit_note_id, sum(amount) AS amount
  FROM refunds WHERE organization_id = :organization GROUP BY credit_note_id
) AS r ON r.credit_note_id = n.id
CROSS JOIN LATERAL (VALUES (CASE n.settlement WHEN 'REFUND' THEN n.total ELSE 0 END)) AS v (wanted)
WHERE n.organization_id = :organization AND coalesce(r.amount, 0) <> v.wanted
ORDER BY n.id
""")

refunds_of_payments = stated("""
SELECT v.code, p.id AS subject_id,
       format('It is %s with %s; its refunds come to %s, of which %s went back.', p.state, p.amount,
              r.named, r.gone) AS message
FROM payments AS p
LEFT JOIN (
  SELECT payment_id, sum(amount) AS amount, sum(amount) FILTER (WHERE state = 'SUCCEEDED') AS gone
  FROM refunds WHERE organization_id = :organization AND payment_id IS NOT NULL GROUP BY payment_id
) AS s ON s.payment_id = p.id
CROSS JOIN LATERAL (SELECT coalesce(s.amount, 0) AS named, coalesce(s.gone, 0) AS gone) AS r
CROSS JOIN LATERAL (VALUES
  ('PAYMENT_REFUNDS', r.named > p.amount),
  ('PAYMENT_REFUNDED', (p.state = 'REFUNDED') <> (r.gone >= p.amount))
) AS v (code, wrong)
WHERE p.organization_id = :organization AND v.wrong
ORDER BY p.id, v.code
""")

numbers = stated("""
SELECT 'CREDIT_NOTE_GAP' AS code, CAST(:organization AS text) AS subject_id,
       format('%s numbers are taken, up to %s, where %s were given.', n.numbers, n.highest,
              coalesce(s.last_number, 0)) AS message
FROM (
  SELECT count(*) AS numbers, coalesce(max(substring(number FROM '-CN-([0-9]+)$')::int), 0)
           AS highest
  FROM credit_notes WHERE organization_id = :organization
) AS n
LEFT JOIN number_series AS s
  ON s.organization_id = :organization AND s.series = 'credit notes'
WHERE (n.numbers, n.highest) IS DISTINCT FROM
      (coalesce(s.last_number, 0)::bigint, coalesce(s.last_number, 0))
""")
