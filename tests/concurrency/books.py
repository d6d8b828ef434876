"""The books of an organization: its ledger, invoices, payments, credit notes, numbers, events."""

from sqlalchemy import text

from billing_gql.store.database import Database
from tests.ledger.books import CHECKS as LEDGER

INVOICES = {
    "an invoice is not what its sums say": """
        SELECT id FROM invoices WHERE organization_id = :id AND (
          total <> subtotal - total_discount + total_tax - total_prepaid_credits_applied
          OR amount_due <> total - customer_balance_applied - total_credited OR amount_due < 0)""",
    "an invoice is not the sum of its lines": """
        SELECT i.id FROM invoices AS i LEFT JOIN line_items AS l ON l.invoice_id = i.id
        WHERE i.organization_id = :id GROUP BY i.id
        HAVING (i.subtotal, i.total_discount, i.total_tax) <> (coalesce(sum(l.amount), 0),
          coalesce(sum(l.discount_amount), 0), coalesce(sum(l.tax_amount), 0))""",
    "an invoice is paid by other than its payments": """
        SELECT i.id FROM invoices AS i LEFT JOIN payments AS p ON p.invoice_id = i.id
          AND p.state IN ('SUCCEEDED', 'REFUNDED')
        WHERE i.organization_id = :id GROUP BY i.id
        HAVING i.amount_paid <> coalesce(sum(p.amount), 0)""",
    "an invoice is credited by other than its notes": """
        SELECT i.id FROM invoices AS i LEFT JOIN credit_notes AS n ON n.invoice_id = i.id
        WHERE i.organization_id = :id GROUP BY i.id
        HAVING (i.credited, i.total_credited) <> (coalesce(sum(n.subtotal), 0),
          coalesce(sum(n.total) FILTER (WHERE n.settlement = 'OFFSET'), 0))""",
    "a note is refunded by other than its total": """
        SELECT n.id FROM credit_notes AS n LEFT JOIN refunds AS r ON r.credit_note_id = n.id
        WHERE n.organization_id = :id GROUP BY n.id
        HAVING coalesce(sum(r.amount), 0) <> CASE n.settlement WHEN 'REFUND' THEN n.total ELSE 0
          END""",
    "a payment is refunded beyond what it brought, or not as it says": """
        SELECT p.id FROM payments AS p LEFT JOIN refunds AS r ON r.payment_id = p.id
        WHERE p.organization_id = :id GROUP BY p.id
        HAVING coalesce(sum(r.amount), 0) > p.amount OR (p.state = 'REFUNDED')
          <> (coalesce(sum(r.amount) FILTER (WHERE r.state = 'SUCCEEDED'), 0) = p.amount)""",
    "a line is credited beyond what it billed": """
        SELECT l.id FROM line_items AS l JOIN credit_note_line_items AS c ON c.line_item_id = l.id
        WHERE l.organization_id = :id GROUP BY l.id
        HAVING sum(c.amount) > l.amount - l.discount_amount OR sum(c.tax_amount) > l.tax_amount""",
    "a voided invoice is paid or credited": """
        SELECT id FROM invoices WHERE organization_id = :id AND status = 'VOIDED'
          AND (amount_paid, credited) <> (0, 0)""",
    "a balance did not get what was given to it": """
        SELECT i.id FROM invoices AS i
          CROSS JOIN LATERAL (
            SELECT coalesce(sum(e.amount) FILTER (WHERE e.reason = 'OVERPAYMENT'), 0) AS excess,
              coalesce(sum(e.amount) FILTER (WHERE e.reason = 'CREDIT_NOTE'), 0) AS given
            FROM ledger_entries AS e WHERE e.invoice_id = i.id AND e.kind = 'BALANCE') AS got
          CROSS JOIN LATERAL (
            SELECT coalesce(sum(n.total), 0) AS total FROM credit_notes AS n
            WHERE n.invoice_id = i.id AND n.settlement = 'BALANCE') AS notes
        WHERE i.organization_id = :id
          AND (got.given <> notes.total OR got.excess <> greatest(i.amount_paid - i.amount_due, 0))
        """,
    "a series of numbers has a gap": """
        SELECT series FROM (
          SELECT regexp_replace(number, '[0-9]+$', '') AS series,
            CAST(substring(number FROM '[0-9]+$') AS bigint) AS place
          FROM (SELECT number FROM invoices WHERE organization_id = :id AND number IS NOT NULL
            UNION ALL SELECT number FROM credit_notes WHERE organization_id = :id) AS numbered
        ) AS places GROUP BY series
        HAVING min(place) <> 1 OR max(place) <> count(*) OR count(*) <> count(DISTINCT place)""",
    "an invoice was not finalized in one event": """
        SELECT i.id FROM invoices AS i LEFT JOIN outbox_events AS o ON o.subject_id = i.id
          AND o.type = 'invoice.finalized'
        WHERE i.organization_id = :id GROUP BY i.id
        HAVING count(o.id) <> CASE WHEN i.status = 'DRAFT' THEN 0 ELSE 1 END""",
    "an invoice's or a wallet's events have a gap": """
        SELECT s.id FROM outbox_streams AS s LEFT JOIN outbox_events AS o ON o.stream_id = s.id
        WHERE s.organization_id = :id GROUP BY s.id
        HAVING count(o.id) <> s.last_sequence OR max(o.sequence) <> s.last_sequence""",
}
"""What must find nothing. Money that comes after a void goes to the balance: none is expected."""


async def assert_books_are_right(database: Database, organization_id: str) -> None:
    """Every check of the ledger and of the invoices finds nothing."""
    async with database.engine.connect() as connection:
        for wrong, statement in {**LEDGER, **INVOICES}.items():
            found = await connection.execute(text(statement), {"id": organization_id})
            assert found.all() == [], wrong


async def events(database: Database, organization_id: str, kind: str) -> int:
    """How many events of a type the organization's outbox has."""
    counting = text("SELECT count(*) FROM outbox_events WHERE organization_id = :id AND type = :t")
    async with database.engine.connect() as connection:
        found = await connection.scalar(counting, {"id": organization_id, "t": kind})
        return int(found or 0)
