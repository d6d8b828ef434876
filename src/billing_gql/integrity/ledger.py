"""The ledger against itself and against invoices. Each reads every entry of the organization."""

from billing_gql.integrity.check import stated

# The entries of a movement sum to zero, so the whole ledger does.
movements = stated("""
SELECT 'MOVEMENT' AS code, movement_id AS subject_id,
       format('The entries of the movement sum to %s, not to zero.', sum(amount)) AS message
FROM ledger_entries WHERE organization_id = :organization
GROUP BY movement_id HAVING sum(amount) <> 0 ORDER BY movement_id
""")

# Each entry starts where the one before it ends, the first at nothing, and none is missing.
chains = stated("""
SELECT 'ENTRY_CHAIN' AS code, id AS subject_id,
       format('Entry %s of the account starts at %s and ends at %s with %s; the one before, %s,'
              ' ends at %s.', sequence, starting_balance, ending_balance, amount, before, ended)
         AS message
FROM (
  SELECT *, coalesce(lag(sequence) OVER account, 0) AS before,
         coalesce(lag(ending_balance) OVER account, 0) AS ended
  FROM ledger_entries WHERE organization_id = :organization
  WINDOW account AS (PARTITION BY account_id ORDER BY sequence)
) AS e
WHERE sequence <> before + 1 OR starting_balance <> ended
   OR starting_balance + amount <> ending_balance
ORDER BY id
""")

# An account, whether of a balance or of a wallet, is where the last of its entries ends.
accounts = stated("""
SELECT 'ACCOUNT_BALANCE' AS code, coalesce(a.wallet_id, a.id) AS subject_id,
       format('The %s account says %s after %s entries; they end at %s after %s.', a.kind,
              a.balance, a.entry_count, coalesce(e.ending_balance, 0), coalesce(e.sequence, 0))
         AS message
FROM ledger_accounts AS a
LEFT JOIN (
  SELECT DISTINCT ON (account_id) account_id, sequence, ending_balance
  FROM ledger_entries WHERE organization_id = :organization
  ORDER BY account_id, sequence DESC
) AS e ON e.account_id = a.id
WHERE a.organization_id = :organization
  AND (a.balance <> coalesce(e.ending_balance, 0) OR a.entry_count <> coalesce(e.sequence, 0))
ORDER BY a.id
""")

wallets = stated("""
SELECT 'WALLET_NEGATIVE' AS code, wallet_id AS subject_id,
       format('The wallet went down to %s.', min(ending_balance)) AS message
FROM ledger_entries
WHERE organization_id = :organization AND wallet_id IS NOT NULL AND ending_balance < 0
GROUP BY wallet_id ORDER BY wallet_id
""")

# What finalizing posts, and what voiding gives back; a draft has posted nothing.
invoices = stated("""
WITH moved AS (
  SELECT invoice_id,
         -coalesce(sum(amount) FILTER (WHERE reason = 'DRAW'), 0) AS drawn,
         -coalesce(sum(amount) FILTER (WHERE reason = 'APPLIED_TO_INVOICE'), 0) AS applied,
         coalesce(sum(amount) FILTER (WHERE reason = 'RETURN'), 0) AS drawn_back,
         coalesce(sum(amount) FILTER (WHERE reason = 'RETURNED_BY_VOID'), 0) AS applied_back
  FROM ledger_entries
  WHERE organization_id = :organization AND invoice_id IS NOT NULL
    AND kind IN ('WALLET', 'BALANCE')
  GROUP BY invoice_id
)
SELECT v.code, v.invoice_id AS subject_id,
       format('The ledger has %s for it, and it should be %s.', v.found, v.wanted) AS message
FROM (
  SELECT coalesce(i.id, m.invoice_id) AS invoice_id, coalesce(m.drawn, 0) AS drawn,
         coalesce(m.applied, 0) AS applied, coalesce(m.drawn_back, 0) AS drawn_back,
         coalesce(m.applied_back, 0) AS applied_back,
         CASE WHEN i.status <> 'DRAFT' THEN i.total_prepaid_credits_applied ELSE 0 END AS prepaid,
         CASE WHEN i.status <> 'DRAFT' THEN i.customer_balance_applied ELSE 0 END AS balance,
         coalesce(i.status = 'VOIDED', false)::int AS voided
  FROM (SELECT * FROM invoices WHERE organization_id = :organization) AS i
  FULL JOIN moved AS m ON m.invoice_id = i.id
) AS i
CROSS JOIN LATERAL (VALUES
  ('INVOICE_PREPAID', i.invoice_id, i.drawn, i.prepaid),
  ('INVOICE_BALANCE', i.invoice_id, i.applied, i.balance),
  ('PREPAID_RETURNED', i.invoice_id, i.drawn_back, i.prepaid * i.voided),
  ('BALANCE_RETURNED', i.invoice_id, i.applied_back, i.balance * i.voided)
) AS v (code, invoice_id, found, wanted)
WHERE v.found <> v.wanted ORDER BY v.invoice_id, v.code
""")
