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

# Once nothing remains of an invoice for prepaid credit, and never before, its wallet has what it
# bought: what credit notes have not given back. Where the wallet had expired, the balance has it.
bought = stated("""
WITH given AS (
  SELECT e.invoice_id, sum(e.amount) AS amount,
         bool_and(e.wallet_id IS NULL OR e.wallet_id = i.wallet_id) AS in_place
  FROM ledger_entries AS e LEFT JOIN invoices AS i ON i.id = e.invoice_id
  WHERE e.organization_id = :organization AND e.invoice_id IS NOT NULL
    AND (e.kind = 'WALLET' AND e.reason = 'TOP_UP'
         OR e.kind = 'BALANCE' AND e.reason = 'EXPIRED_WALLET')
  GROUP BY e.invoice_id
)
SELECT 'BOUGHT_CREDIT' AS code, id AS subject_id,
       format('%s of prepaid credit was given for it, and %s should be in its wallet.', given,
              wanted) AS message
FROM (
  SELECT coalesce(i.id, g.invoice_id) AS id, coalesce(g.amount, 0) AS given, g.in_place,
         CASE WHEN i.status IN ('FINALIZED', 'UNCOLLECTIBLE') AND i.amount_paid >= i.amount_due
           THEN i.subtotal - i.credited ELSE 0 END AS wanted
  FROM (SELECT * FROM invoices
        WHERE organization_id = :organization AND wallet_id IS NOT NULL) AS i
  FULL JOIN given AS g ON g.invoice_id = i.id
) AS bought
WHERE given <> wanted OR NOT in_place ORDER BY id
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
