"""Reads what is due, and what could not be done."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.due import Due, Task
from billing_gql.billing_runs.tables import BillingFailure
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.payments.tables import Payment, Refund
from billing_gql.store.columns import among
from billing_gql.store.database import run_sql
from billing_gql.subscriptions.tables import Subscription

# Conditions on `it`, an invoice. The usage of a period that a draft bills is late as soon as the
# draft is made.
OUTDATED = """
  it.status = 'DRAFT' AND (
    it.subscription_id IS NOT NULL AND EXISTS (
      SELECT 1 FROM late_usage AS u
      WHERE u.organization_id = it.organization_id AND u.customer_id = it.customer_id
        AND u.generation > it.usage_generation)
    OR it.terms_generation < (
      SELECT c.terms_generation FROM customers AS c WHERE c.id = it.customer_id)
    OR it.default_taxes < (
      SELECT count(*) FROM tax_rates AS t
      WHERE t.organization_id = it.organization_id AND t.is_default))
"""

# On `it`, a subscription. A draft that is open takes what comes late when it is refreshed.
LATE_AFTER_THE_END = """
  it.ended_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM late_usage AS u
    WHERE u.organization_id = it.organization_id AND u.customer_id = it.customer_id
      AND u.generation > it.settled_generation)
  AND NOT EXISTS (
    SELECT 1 FROM invoices AS d WHERE d.subscription_id = it.id AND d.status = 'DRAFT')
"""

# What is to be collected, and what is under way: through ix_invoices_collect, ix_payments_check
# and ix_refunds_check.
PAYMENTS = """
  (SELECT i.collect_at, CAST(:collect AS int), i.id, f.subject_id IS NOT NULL
   FROM invoices AS i LEFT JOIN billing_failures AS f ON f.subject_id = i.id
   WHERE i.organization_id = :organization AND i.collect_at <= :now
     AND (f.retry_at IS NULL OR f.retry_at <= :now)
   ORDER BY i.collect_at LIMIT :most)
  UNION ALL
  (SELECT p.next_check_at, CAST(:settle AS int), p.id, f.subject_id IS NOT NULL
   FROM payments AS p LEFT JOIN billing_failures AS f ON f.subject_id = p.id
   WHERE p.organization_id = :organization AND p.next_check_at <= :now
     AND (f.retry_at IS NULL OR f.retry_at <= :now)
   ORDER BY p.next_check_at LIMIT :most)
  UNION ALL
  (SELECT r.next_check_at, CAST(:refund AS int), r.id, f.subject_id IS NOT NULL
   FROM refunds AS r LEFT JOIN billing_failures AS f ON f.subject_id = r.id
   WHERE r.organization_id = :organization AND r.next_check_at <= :now
     AND (f.retry_at IS NULL OR f.retry_at <= :now)
   ORDER BY r.next_check_at LIMIT :most)
  UNION ALL
"""


async def due_by(
    session: AsyncSession, organization_id: str, now: datetime, *, most: int
) -> list[Due]:
    """The first `most` that are due, in order; what failed waits for its next try.

    Reads ix_subscriptions_due, ix_invoices_finalize and the like from their start, and what of
    late usage is left in `late_usage`.
    """
    rows = await run_sql(
        session,
        text(
            """
            (SELECT s.next_bill_at, CAST(:draft AS int), s.id, f.subject_id IS NOT NULL
             FROM subscriptions AS s LEFT JOIN billing_failures AS f ON f.subject_id = s.id
             WHERE s.organization_id = :organization AND s.next_bill_at <= :now
               AND (f.retry_at IS NULL OR f.retry_at <= :now)
             ORDER BY s.next_bill_at LIMIT :most)
            UNION ALL
            (SELECT i.finalize_at, CAST(:finalize AS int), i.id, f.subject_id IS NOT NULL
             FROM invoices AS i LEFT JOIN billing_failures AS f ON f.subject_id = i.id
             WHERE i.organization_id = :organization AND i.status = 'DRAFT'
               AND i.finalize_at <= :now AND (f.retry_at IS NULL OR f.retry_at <= :now)
             ORDER BY i.finalize_at LIMIT :most)
            UNION ALL
            (SELECT w.expires_at, CAST(:expire AS int), w.id, f.subject_id IS NOT NULL
             FROM wallets AS w LEFT JOIN billing_failures AS f ON f.subject_id = w.id
             WHERE w.organization_id = :organization AND NOT w.expired AND w.expires_at <= :now
               AND (f.retry_at IS NULL OR f.retry_at <= :now)
             ORDER BY w.expires_at LIMIT :most)
            UNION ALL
            """
            + PAYMENTS
            + """
            (SELECT CAST(:now AS timestamptz), CAST(:refresh AS int), it.id,
                    f.subject_id IS NOT NULL
             FROM invoices AS it LEFT JOIN billing_failures AS f ON f.subject_id = it.id
             WHERE it.organization_id = :organization AND (f.retry_at IS NULL OR f.retry_at <= :now)
               AND """
            + OUTDATED
            + """
             LIMIT :most)
            UNION ALL
            (SELECT CAST(:now AS timestamptz), CAST(:late AS int), it.id, f.subject_id IS NOT NULL
             FROM subscriptions AS it LEFT JOIN billing_failures AS f ON f.subject_id = it.id
             WHERE it.organization_id = :organization AND (f.retry_at IS NULL OR f.retry_at <= :now)
               AND """
            + LATE_AFTER_THE_END
            + """
             LIMIT :most)
            """
        ),
        {
            "organization": organization_id,
            "now": now,
            "most": most,
            "draft": int(Task.DRAFT),
            "finalize": int(Task.FINALIZE),
            "refresh": int(Task.REFRESH),
            "expire": int(Task.EXPIRE),
            "late": int(Task.LATE),
            "collect": int(Task.COLLECT),
            "settle": int(Task.SETTLE),
            "refund": int(Task.REFUND),
        },
    )
    return sorted(Due(at, Task(task), subject, failed) for at, task, subject, failed in rows)[:most]


async def next_due(session: AsyncSession, organization_id: str, after: datetime) -> datetime | None:
    """The next instant after `after` at which something falls due; None if nothing ever does.

    What has failed is not waited for: it is tried again wherever the clock stops next.
    """
    row = await run_sql(
        session,
        text(
            """
            SELECT least(
              (SELECT min(next_bill_at) FROM subscriptions
               WHERE organization_id = :organization AND next_bill_at > :after),
              (SELECT min(finalize_at) FROM invoices
               WHERE organization_id = :organization AND status = 'DRAFT' AND finalize_at > :after),
              (SELECT min(expires_at) FROM wallets
               WHERE organization_id = :organization AND NOT expired AND expires_at > :after),
              (SELECT min(next_check_at) FROM payments
               WHERE organization_id = :organization AND next_check_at > :after),
              (SELECT min(next_check_at) FROM refunds
               WHERE organization_id = :organization AND next_check_at > :after))
            """
        ),
        {"organization": organization_id, "after": after},
    )
    found: datetime | None = row.scalar_one()
    return found


async def organizations_with_work(session: AsyncSession, now: datetime) -> list[str]:
    """Organizations in which, by their own clock, something is due."""
    rows = await run_sql(
        session,
        text(
            """
            SELECT id FROM organizations AS o WHERE EXISTS (
              SELECT 1 FROM subscriptions WHERE organization_id = o.id
                AND next_bill_at <= coalesce(o.test_clock, :now)
            ) OR EXISTS (
              SELECT 1 FROM invoices WHERE organization_id = o.id AND status = 'DRAFT'
                AND finalize_at <= coalesce(o.test_clock, :now)
            ) OR EXISTS (
              SELECT 1 FROM wallets WHERE organization_id = o.id AND NOT expired
                AND expires_at <= coalesce(o.test_clock, :now)
            ) OR EXISTS (
              SELECT 1 FROM invoices WHERE organization_id = o.id
                AND collect_at <= coalesce(o.test_clock, :now)
            ) OR EXISTS (
              SELECT 1 FROM payments WHERE organization_id = o.id
                AND next_check_at <= coalesce(o.test_clock, :now)
            ) OR EXISTS (
              SELECT 1 FROM refunds WHERE organization_id = o.id
                AND next_check_at <= coalesce(o.test_clock, :now)
            ) OR EXISTS (
              SELECT 1 FROM invoices AS it WHERE it.organization_id = o.id AND """
            + OUTDATED
            + """
            ) OR EXISTS (
              SELECT 1 FROM subscriptions AS it WHERE it.organization_id = o.id AND """
            + LATE_AFTER_THE_END
            + """
            )
            ORDER BY id
            """
        ),
        {"now": now},
    )
    return list(rows.scalars())


def _unmended() -> ColumnElement[bool]:
    """The failure's subject is still undone: a draft may have been finalized by hand since."""
    subject = col(BillingFailure.subject_id)
    return or_(
        exists().where(
            col(Subscription.id) == subject,
            or_(
                col(Subscription.next_bill_at) <= col(BillingFailure.failed_at),
                col(Subscription.next_bill_at).is_(None),
            ),
        ),
        exists().where(
            col(Invoice.id) == subject,
            or_(col(Invoice.status) == InvoiceStatus.DRAFT, col(Invoice.collect_at).is_not(None)),
        ),
        exists().where(col(Payment.id) == subject, col(Payment.next_check_at).is_not(None)),
        exists().where(col(Refund.id) == subject, col(Refund.next_check_at).is_not(None)),
    )


async def failures(
    session: AsyncSession, organization_id: str | None = None
) -> Sequence[BillingFailure]:
    """What could not be billed, of one organization or of all, oldest first."""
    statement = (
        select(BillingFailure)
        .where(_unmended())
        .order_by(col(BillingFailure.failed_at))
        .limit(1000)
    )
    if organization_id is not None:
        statement = statement.where(BillingFailure.organization_id == organization_id)
    return (await session.exec(statement)).all()


async def failures_by_subjects(
    session: AsyncSession, actor: Actor, subject_ids: Sequence[str]
) -> dict[str, str]:
    """Why each of the subscriptions or drafts could not be billed; those without are left out."""
    rows = await session.exec(
        select(BillingFailure).where(
            BillingFailure.organization_id == actor.organization_id,
            among(col(BillingFailure.subject_id), subject_ids),
            _unmended(),
        )
    )
    return {row.subject_id: row.message for row in rows}
