"""The books of an organization, checked against themselves by SQL of their own."""

from sqlalchemy import text

from tests.support import Api

CHECKS = {
    "a movement does not sum to zero": """
        SELECT movement_id FROM ledger_entries WHERE organization_id = :id
        GROUP BY movement_id HAVING sum(amount) <> 0 OR count(*) <> 2""",
    "an entry does not start where the one before it ends": """
        SELECT id FROM (
          SELECT id, starting_balance, sequence,
            lag(ending_balance, 1, 0) OVER chain AS before, row_number() OVER chain AS place
          FROM ledger_entries WHERE organization_id = :id
          WINDOW chain AS (PARTITION BY account_id ORDER BY sequence)) AS e
        WHERE starting_balance <> before OR sequence <> place""",
    "an account is not what its entries add up to": """
        SELECT a.id FROM ledger_accounts AS a LEFT JOIN ledger_entries AS e ON e.account_id = a.id
        WHERE a.organization_id = :id
        GROUP BY a.id
        HAVING a.balance <> coalesce(sum(e.amount), 0) OR a.entry_count <> count(e.id)""",
    "an entry is not of its account": """
        SELECT e.id FROM ledger_entries AS e JOIN ledger_accounts AS a ON a.id = e.account_id
        WHERE e.organization_id = :id AND (e.kind, e.currency, e.customer_id, e.organization_id)
          <> (a.kind, a.currency, a.customer_id, a.organization_id)""",
    "a wallet is below zero": """
        SELECT id FROM ledger_entries
        WHERE organization_id = :id AND kind = 'WALLET' AND ending_balance < 0""",
    "an invoice did not take what it says": """
        SELECT i.id FROM invoices AS i LEFT JOIN ledger_entries AS e ON e.invoice_id = i.id
        WHERE i.organization_id = :id GROUP BY i.id
        HAVING coalesce(sum(-e.amount) FILTER (WHERE e.kind = 'WALLET'
              AND e.reason <> 'TOP_UP'), 0)
            <> CASE WHEN i.status IN ('FINALIZED', 'UNCOLLECTIBLE')
                 THEN i.total_prepaid_credits_applied ELSE 0 END
          OR coalesce(sum(-e.amount) FILTER (WHERE e.kind = 'BALANCE'
              AND e.reason IN ('APPLIED_TO_INVOICE', 'RETURNED_BY_VOID')), 0)
            <> CASE WHEN i.status IN ('FINALIZED', 'UNCOLLECTIBLE')
                 THEN i.customer_balance_applied ELSE 0 END""",
    "an invoice did not give the credit that was bought, or another gave some": """
        SELECT i.id FROM invoices AS i LEFT JOIN ledger_entries AS e ON e.invoice_id = i.id
          AND (e.kind, e.reason) IN (('WALLET', 'TOP_UP'), ('BALANCE', 'EXPIRED_WALLET'))
        WHERE i.organization_id = :id GROUP BY i.id
        HAVING coalesce(sum(e.amount), 0) <> CASE WHEN i.invoice_type = 'CREDIT'
            AND i.status IN ('FINALIZED', 'UNCOLLECTIBLE') AND i.amount_paid >= i.amount_due
          THEN i.subtotal - i.credited ELSE 0 END OR count(e.id) > 1""",
}
"""What must find nothing."""


async def assert_books_balance(api: Api) -> None:
    """Every check finds nothing."""
    async with api.database.engine.connect() as connection:
        for wrong, statement in CHECKS.items():
            found = await connection.execute(text(statement), {"id": api.organization_id})
            assert found.all() == [], wrong
