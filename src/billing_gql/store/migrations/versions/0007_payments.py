"""Payments, and the payment methods of customers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# A success never turns back, except that it may be given back; an end stays an end, except that a
# failure may turn out to have been a success.
FREEZE_PAYMENT = """
CREATE FUNCTION freeze_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'payments are never deleted';
  END IF;
  IF (OLD.id, OLD.organization_id, OLD.customer_id, OLD.invoice_id, OLD.provider, OLD.currency,
      OLD.amount, OLD.attempt, OLD.token, OLD.created_at)
     IS DISTINCT FROM
     (NEW.id, NEW.organization_id, NEW.customer_id, NEW.invoice_id, NEW.provider, NEW.currency,
      NEW.amount, NEW.attempt, NEW.token, NEW.created_at) THEN
    RAISE EXCEPTION 'what payment % is for cannot change', OLD.id;
  END IF;
  IF OLD.state <> NEW.state AND NOT (
    OLD.state = 'PROCESSING' AND NEW.state IN ('SUCCEEDED', 'FAILED')
    OR OLD.state = 'FAILED' AND NEW.state = 'SUCCEEDED'
    OR OLD.state = 'SUCCEEDED' AND NEW.state = 'REFUNDED'
  ) THEN
    RAISE EXCEPTION 'payment % is %: it cannot become %', OLD.id, OLD.state, NEW.state;
  END IF;
  RETURN NEW;
END
$$
"""

# Looked at when the transaction commits: by then the invoice has counted the payment. What comes
# for a voided invoice is on the customer's balance alone.
COUNT_PAYMENT = """
CREATE FUNCTION count_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  counted record;
  paid record;
BEGIN
  SELECT status, amount_paid INTO counted FROM invoices WHERE id = NEW.invoice_id;
  SELECT coalesce(sum(amount) FILTER (WHERE state = 'SUCCEEDED'), 0) AS least,
         coalesce(sum(amount) FILTER (WHERE state IN ('SUCCEEDED', 'REFUNDED')), 0) AS most
    INTO paid FROM payments WHERE invoice_id = NEW.invoice_id;
  IF counted.status <> 'VOIDED'
     AND counted.amount_paid NOT BETWEEN paid.least AND paid.most THEN
    RAISE EXCEPTION 'invoice % has % paid, its payments sum to %',
      NEW.invoice_id, counted.amount_paid, paid.least;
  END IF;
  RETURN NULL;
END
$$
"""

TRIGGERS = (
    "CREATE TRIGGER freeze_payment BEFORE UPDATE OR DELETE ON payments"
    " FOR EACH ROW EXECUTE FUNCTION freeze_payment()",
    "CREATE CONSTRAINT TRIGGER count_payment AFTER INSERT OR UPDATE ON payments"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_payment()",
)


def upgrade() -> None:
    _add_columns()
    _create_payments()
    for statement in (FREEZE_PAYMENT, COUNT_PAYMENT, *TRIGGERS):
        op.execute(sa.text(statement.replace(":", "\\:")))


def _add_columns() -> None:
    op.add_column("customers", sa.Column("payment_provider", sa.String(32)))
    op.add_column("customers", sa.Column("payment_token", sa.String()))
    op.create_check_constraint(
        "ck_customers_payment_method",
        "customers",
        "(payment_provider IS NULL) = (payment_token IS NULL) AND payment_provider <> 'MANUAL'",
    )
    op.add_column("invoices", sa.Column("last_attempt", sa.String(32)))
    op.add_column(
        "invoices",
        sa.Column("has_payment_method", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("invoices", "has_payment_method", server_default=None)
    op.add_column("invoices", sa.Column("collect_at", INSTANT))
    op.create_index(
        "ix_invoices_collect",
        "invoices",
        ["organization_id", "collect_at"],
        postgresql_where=sa.text("collect_at IS NOT NULL"),
    )


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("attempt", sa.Integer()),
        sa.Column("token", sa.String()),
        sa.Column("reference", sa.String()),
        sa.Column("provider_reference", sa.String()),
        sa.Column("failure_reason", sa.String()),
        sa.Column("received_at", INSTANT),
        sa.Column("next_check_at", INSTANT),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_payments_amount"),
        sa.CheckConstraint(
            "(state = 'PROCESSING') = (next_check_at IS NOT NULL)"
            " AND (state IN ('SUCCEEDED', 'REFUNDED')) = (received_at IS NOT NULL)"
            " AND (state = 'FAILED') = (failure_reason IS NOT NULL)",
            name="ck_payments_state",
        ),
        sa.CheckConstraint(
            "(provider = 'MANUAL') = (attempt IS NULL) AND (provider = 'MANUAL') = (token IS NULL)"
            " AND (provider <> 'MANUAL' OR state IN ('SUCCEEDED', 'REFUNDED'))",
            name="ck_payments_provider",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_payments_invoice", "payments", ["invoice_id", "id"])
    op.create_index(
        "uq_payments_processing",
        "payments",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("state = 'PROCESSING'"),
    )
    op.create_index("uq_payments_attempt", "payments", ["invoice_id", "attempt"], unique=True)
    op.create_index(
        "uq_payments_provider_reference",
        "payments",
        ["provider", "provider_reference"],
        unique=True,
    )
    op.create_index(
        "ix_payments_check",
        "payments",
        ["organization_id", "next_check_at"],
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
