"""Refunds: what a REFUND credit note gives back, through providers and by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# Until now a REFUND was recorded as paid out, whatever had paid the invoice.
PAID_OUT_BEFORE = """
INSERT INTO refunds (id, organization_id, customer_id, invoice_id, credit_note_id, provider, state,
  currency, amount, refunded_at, checks, started_at, created_at, updated_at)
SELECT 'rfd_' || substr(n.id, 5), n.organization_id, i.customer_id, n.invoice_id, n.id, 'MANUAL',
  'SUCCEEDED', n.currency, n.total, n.created_at, 0, n.created_at, n.created_at, n.created_at
FROM credit_notes AS n JOIN invoices AS i ON i.id = n.invoice_id
WHERE n.settlement = 'REFUND'
"""

# As payments, but that a failure may be tried again, or paid out by hand.
FREEZE_REFUND = """
CREATE FUNCTION freeze_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'refunds are never deleted';
  END IF;
  IF (OLD.id, OLD.organization_id, OLD.customer_id, OLD.invoice_id, OLD.credit_note_id,
      OLD.payment_id, OLD.currency, OLD.amount, OLD.created_at)
     IS DISTINCT FROM
     (NEW.id, NEW.organization_id, NEW.customer_id, NEW.invoice_id, NEW.credit_note_id,
      NEW.payment_id, NEW.currency, NEW.amount, NEW.created_at) THEN
    RAISE EXCEPTION 'what refund % gives back cannot change', OLD.id;
  END IF;
  IF OLD.provider <> NEW.provider
     AND (OLD.state, NEW.state, NEW.provider) <> ('FAILED', 'SUCCEEDED', 'MANUAL') THEN
    RAISE EXCEPTION 'refund % is made by %', OLD.id, OLD.provider;
  END IF;
  IF NEW.attempt IS DISTINCT FROM
     (CASE WHEN (OLD.state, NEW.state) = ('FAILED', 'PROCESSING') THEN OLD.attempt + 1
           ELSE OLD.attempt END) THEN
    RAISE EXCEPTION 'refund % is tried again once it has failed, and counts that', OLD.id;
  END IF;
  IF OLD.state <> NEW.state AND OLD.state = 'SUCCEEDED' THEN
    RAISE EXCEPTION 'refund % is SUCCEEDED: it cannot become %', OLD.id, NEW.state;
  END IF;
  RETURN NEW;
END
$$
"""

# Locks the payment, so that two at once see each other's refunds. What failed is owed still, and
# may be tried again, so it counts too.
REFUND_PAYMENT = """
CREATE FUNCTION refund_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  paid record;
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM credit_notes AS n JOIN invoices AS i ON i.id = n.invoice_id
    WHERE n.id = NEW.credit_note_id AND n.settlement = 'REFUND'
      AND (n.organization_id, i.id, i.customer_id, n.currency)
        = (NEW.organization_id, NEW.invoice_id, NEW.customer_id, NEW.currency)
  ) THEN
    RAISE EXCEPTION 'refund % is not of its credit note', NEW.id;
  END IF;
  IF NEW.payment_id IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT * INTO paid FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  IF (paid.organization_id, paid.invoice_id, paid.provider, paid.currency)
     <> (NEW.organization_id, NEW.invoice_id, NEW.provider, NEW.currency)
     OR paid.state NOT IN ('SUCCEEDED', 'REFUNDED') THEN
    RAISE EXCEPTION 'refund % is not of what payment % brought in', NEW.id, NEW.payment_id;
  END IF;
  IF (SELECT sum(amount) FROM refunds WHERE payment_id = NEW.payment_id) > paid.amount THEN
    RAISE EXCEPTION 'the refunds of payment % are more than it', NEW.payment_id;
  END IF;
  RETURN NULL;
END
$$
"""

# Looked at when the transaction commits, of a note and of each of its refunds: by then all are
# written.
REFUNDS_ADD_UP = """
CREATE FUNCTION refunds_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  note_id text;
BEGIN
  IF TG_TABLE_NAME = 'refunds' THEN
    note_id := NEW.credit_note_id;
  ELSE
    note_id := NEW.id;
  END IF;
  IF EXISTS (
    SELECT 1 FROM credit_notes AS n
    WHERE n.id = note_id
      AND CASE n.settlement WHEN 'REFUND' THEN n.total ELSE 0 END
        <> (SELECT coalesce(sum(amount), 0) FROM refunds WHERE credit_note_id = n.id)
  ) THEN
    RAISE EXCEPTION 'the refunds of credit note % do not add up to it', note_id;
  END IF;
  RETURN NULL;
END
$$
"""

# Looked at when the transaction commits: by then the payment's state is written. That it is not
# REFUNDED too early is for `count_payment`.
PAYMENT_IS_REFUNDED = """
CREATE FUNCTION payment_is_refunded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM payments AS p
    WHERE p.id = NEW.payment_id AND p.state = 'SUCCEEDED'
      AND p.amount
        = (SELECT sum(amount) FROM refunds WHERE payment_id = p.id AND state = 'SUCCEEDED')
  ) THEN
    RAISE EXCEPTION 'all of payment % has gone back: it is REFUNDED', NEW.payment_id;
  END IF;
  RETURN NULL;
END
$$
"""

# As before, but what was given back has still been paid, and is all that the payment brought.
COUNT_PAYMENT = """
CREATE OR REPLACE FUNCTION count_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  counted record;
  paid numeric;
BEGIN
  SELECT status, amount_paid INTO counted FROM invoices WHERE id = NEW.invoice_id;
  SELECT coalesce(sum(amount), 0) INTO paid
    FROM payments WHERE invoice_id = NEW.invoice_id AND state IN ('SUCCEEDED', 'REFUNDED');
  IF counted.status <> 'VOIDED' AND counted.amount_paid <> paid THEN
    RAISE EXCEPTION 'invoice % has % paid, its payments sum to %',
      NEW.invoice_id, counted.amount_paid, paid;
  END IF;
  IF NEW.state = 'REFUNDED' AND NEW.amount IS DISTINCT FROM
     (SELECT sum(amount) FROM refunds WHERE payment_id = NEW.id AND state = 'SUCCEEDED') THEN
    RAISE EXCEPTION 'payment % is REFUNDED before all of it has gone back', NEW.id;
  END IF;
  RETURN NULL;
END
$$
"""

TRIGGERS = (
    "CREATE TRIGGER freeze_refund BEFORE UPDATE OR DELETE ON refunds"
    " FOR EACH ROW EXECUTE FUNCTION freeze_refund()",
    "CREATE TRIGGER refund_payment AFTER INSERT ON refunds"
    " FOR EACH ROW EXECUTE FUNCTION refund_payment()",
    "CREATE CONSTRAINT TRIGGER refunds_add_up AFTER INSERT ON credit_notes"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refunds_add_up()",
    "CREATE CONSTRAINT TRIGGER refunds_add_up AFTER INSERT ON refunds"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refunds_add_up()",
    "CREATE CONSTRAINT TRIGGER payment_is_refunded AFTER INSERT OR UPDATE ON refunds"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payment_is_refunded()",
)


def upgrade() -> None:
    _create_refunds()
    for statement in (
        PAID_OUT_BEFORE,
        FREEZE_REFUND,
        REFUND_PAYMENT,
        REFUNDS_ADD_UP,
        PAYMENT_IS_REFUNDED,
        COUNT_PAYMENT,
        *TRIGGERS,
    ):
        op.execute(sa.text(statement.replace(":", "\\:")))


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("credit_note_id", ID, nullable=False),
        sa.Column("payment_id", ID),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("attempt", sa.Integer()),
        sa.Column("reference", sa.String()),
        sa.Column("provider_reference", sa.String()),
        sa.Column("failure_reason", sa.String()),
        sa.Column("refunded_at", INSTANT),
        sa.Column("next_check_at", INSTANT),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_refunds_amount"),
        sa.CheckConstraint(
            "state IN ('PROCESSING', 'SUCCEEDED', 'FAILED')"
            " AND (state = 'PROCESSING') = (next_check_at IS NOT NULL)"
            " AND (state = 'SUCCEEDED') = (refunded_at IS NOT NULL)"
            " AND (state = 'FAILED') = (failure_reason IS NOT NULL)",
            name="ck_refunds_state",
        ),
        sa.CheckConstraint(
            "(payment_id IS NULL) = (attempt IS NULL)"
            " AND (payment_id IS NOT NULL OR provider = 'MANUAL')"
            " AND (provider <> 'MANUAL' OR state = 'SUCCEEDED')",
            name="ck_refunds_provider",
        ),
        *(
            sa.ForeignKeyConstraint([column], [target])
            for column, target in (
                ("organization_id", "organizations.id"),
                ("customer_id", "customers.id"),
                ("invoice_id", "invoices.id"),
                ("credit_note_id", "credit_notes.id"),
                ("payment_id", "payments.id"),
            )
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_refunds_credit_note", "refunds", ["credit_note_id", "id"])
    op.create_index("ix_refunds_payment", "refunds", ["payment_id"])
    op.create_index(
        "uq_refunds_provider_reference",
        "refunds",
        ["provider", "provider_reference"],
        unique=True,
    )
    op.create_index(
        "ix_refunds_check",
        "refunds",
        ["organization_id", "next_check_at"],
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
