"""Credits against the lines that they are for, and against those that give them back."""

from billing_gql.integrity.check import stated

# The rest of a fee is no more than the fee after its discount, less what credit notes gave back of
# it. What an invoice could not hold of a negative line is a credit of exactly that, once it is
# frozen. A credit whose line went with its draft counts for nothing.
owed = stated("""
SELECT 'CREDIT_AMOUNT' AS code, l.id AS subject_id,
       format('It has a credit of %s, and %s is owed back for it.', coalesce(c.amount, 0), l.owed)
         AS message
FROM (
  SELECT l.id, l.amount,
         CASE WHEN l.amount > 0 THEN l.amount - l.discount_amount - coalesce((
           SELECT sum(n.amount) FROM credit_note_line_items AS n WHERE n.line_item_id = l.id), 0)
         WHEN l.credit_id IS NULL AND i.status <> 'DRAFT' THEN l.carried ELSE 0 END AS owed
  FROM line_items AS l JOIN invoices AS i ON i.id = l.invoice_id
  WHERE l.organization_id = :organization
    AND (l.carried > 0 OR EXISTS (
      SELECT 1 FROM credits AS c WHERE c.source_line_item_id = l.id))
) AS l
LEFT JOIN credits AS c ON c.source_line_item_id = l.id
WHERE l.amount > 0 AND c.amount > l.owed OR l.amount <= 0 AND coalesce(c.amount, 0) <> l.owed
ORDER BY l.id
""")

# No credit gives back more than it is. Nor is more taken back than was given, but where what gave
# it was voided afterwards: then the next invoice gives it again.
given_back = stated("""
SELECT 'CREDIT_GIVEN' AS code, g.line_id AS subject_id,
       format('The line and others give back %s of a credit of %s.', g.given, c.amount) AS message
FROM (
  SELECT l.credit_id, max(l.id) FILTER (WHERE i.status <> 'VOIDED') AS line_id,
         -coalesce(sum(l.amount) FILTER (WHERE i.status <> 'VOIDED'), 0) AS given,
         bool_or(i.status = 'VOIDED') AS voided
  FROM line_items AS l JOIN invoices AS i ON i.id = l.invoice_id
  WHERE l.organization_id = :organization AND l.credit_id IS NOT NULL GROUP BY l.credit_id
) AS g
JOIN credits AS c ON c.id = g.credit_id
WHERE g.given > c.amount OR g.given < 0 AND NOT g.voided
ORDER BY g.line_id
""")
