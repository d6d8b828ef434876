"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# The number that a SUM feature reads from an event; null where there is none. It accepts what
# `usage.meters.metered_number` accepts, so that what ingest let in always counts.
METERED_NUMBER = r"""
CREATE FUNCTION metered_number(properties jsonb, path text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN found ~ '^-?[0-9]{1,18}(\.[0-9]{1,12})?$' THEN found::numeric END
  FROM (SELECT properties #>> string_to_array(path, '.') AS found) AS at_path
$$
"""

# What a finalized invoice says never changes: later facts (payments, credit notes, voiding,
# metadata) have columns of their own. Finalizing requires that the lines add up.
FREEZE_INVOICE = """
CREATE FUNCTION freeze_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  lines record;
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status <> 'DRAFT' THEN
      RAISE EXCEPTION 'invoice % is %, not a draft: it cannot be deleted', OLD.id, OLD.status;
    END IF;
    RETURN OLD;
  END IF;
  IF OLD.status = 'DRAFT' THEN
    IF NEW.status = 'VOIDED' THEN
      RAISE EXCEPTION 'invoice % is a draft: it cannot be voided', OLD.id;
    END IF;
    IF NEW.status = 'FINALIZED' THEN
      SELECT coalesce(sum(amount), 0) AS amount, coalesce(sum(discount_amount), 0) AS discount,
             coalesce(sum(tax_amount), 0) AS tax
        INTO lines FROM line_items WHERE invoice_id = NEW.id;
      IF (lines.amount, lines.discount, lines.tax)
         IS DISTINCT FROM (NEW.subtotal, NEW.total_discount, NEW.total_tax) THEN
        RAISE EXCEPTION 'the lines of invoice % do not add up to it', NEW.id;
      END IF;
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.status = 'VOIDED' OR NEW.status = 'DRAFT' OR
     (OLD.id, OLD.organization_id, OLD.number, OLD.invoice_type, OLD.billing_reason,
      OLD.customer_id, OLD.subscription_id, OLD.currency, OLD.timezone, OLD.subtotal,
      OLD.total_discount, OLD.total_tax, OLD.total_prepaid_credits_applied, OLD.total,
      OLD.customer_balance_applied, OLD.issue_date, OLD.due_date, OLD.overdue_at,
      OLD.period_start, OLD.period_end, OLD.billing_period, OLD.memo,
      OLD.seller, OLD.buyer, OLD.finalized_at, OLD.created_at)
     IS DISTINCT FROM
     (NEW.id, NEW.organization_id, NEW.number, NEW.invoice_type, NEW.billing_reason,
      NEW.customer_id, NEW.subscription_id, NEW.currency, NEW.timezone, NEW.subtotal,
      NEW.total_discount, NEW.total_tax, NEW.total_prepaid_credits_applied, NEW.total,
      NEW.customer_balance_applied, NEW.issue_date, NEW.due_date, NEW.overdue_at,
      NEW.period_start, NEW.period_end, NEW.billing_period, NEW.memo,
      NEW.seller, NEW.buyer, NEW.finalized_at, NEW.created_at) THEN
    RAISE EXCEPTION 'invoice % is %: what it says cannot change', OLD.id, OLD.status;
  END IF;
  RETURN NEW;
END
$$
"""

FREEZE_LINE_ITEM = """
CREATE FUNCTION freeze_line_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  frozen record;
BEGIN
  -- Both, where a line moves from one invoice to another. None is found while the invoice itself
  -- is being deleted, which its own trigger has allowed.
  SELECT id, status INTO frozen FROM invoices
    WHERE id IN (OLD.invoice_id, NEW.invoice_id) AND status <> 'DRAFT' LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'invoice % is %: its lines cannot change', frozen.id, frozen.status;
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$
"""

FREEZE_EVENT = """
CREATE FUNCTION freeze_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'usage events are never changed or deleted';
END
$$
"""

TRIGGERS = (
    "CREATE TRIGGER freeze_invoice BEFORE UPDATE OR DELETE ON invoices"
    " FOR EACH ROW EXECUTE FUNCTION freeze_invoice()",
    "CREATE TRIGGER freeze_line_item BEFORE INSERT OR UPDATE OR DELETE ON line_items"
    " FOR EACH ROW EXECUTE FUNCTION freeze_line_item()",
    "CREATE TRIGGER freeze_usage_event BEFORE UPDATE OR DELETE ON usage_events"
    " FOR EACH ROW EXECUTE FUNCTION freeze_usage_event()",
)


def _create_store() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("mutation", sa.String(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "key"),
    )
    op.create_index(
        op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("beat_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("worker"),
    )


def _create_organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mode", sa.String(32), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("default_currency", sa.String(), nullable=False),
        sa.Column("invoice_prefix", sa.String(), nullable=False),
        sa.Column("invoice_numbering", sa.String(32), nullable=False),
        sa.Column("net_payment_term_days", sa.Integer(), nullable=False),
        sa.Column("grace_period_days", sa.Integer(), nullable=False),
        sa.Column("test_clock", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index(
        op.f("ix_api_keys_organization_id"), "api_keys", ["organization_id"], unique=False
    )
    op.create_table(
        "customers",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("address", postgresql.JSONB(), nullable=True),
        sa.Column("tax_identifier", sa.String(), nullable=True),
        sa.Column("net_payment_term_days", sa.Integer(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("usage_generation", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "external_id"),
        sa.UniqueConstraint("organization_id", "sequence"),
    )
    op.create_index("ix_customers_created_at", "customers", ["organization_id", "created_at", "id"])


def _create_catalog() -> None:
    op.create_table(
        "features",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("aggregation", sa.String(32), nullable=False),
        sa.Column("value_property", sa.String(), nullable=True),
        sa.Column("dimensions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "key"),
    )
    op.create_table(
        "plans",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("billing_period", sa.String(32), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "key"),
    )
    op.create_table(
        "prices",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("plan_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("feature_id", ID, nullable=True),
        sa.Column("cadence", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("model", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["features.id"],
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["plans.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_prices_plan_id"), "prices", ["plan_id"], unique=False)


def _create_usage() -> None:
    op.create_table(
        "usage_events",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("transaction_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID, nullable=True),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("timestamp", INSTANT, nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("properties", postgresql.JSONB(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "transaction_id"),
    )
    op.create_index(
        "ix_usage_events_name", "usage_events", ["organization_id", "event_name"], unique=False
    )
    op.create_index(
        "ix_usage_events_reading",
        "usage_events",
        ["organization_id", "customer_id", "event_name", "timestamp"],
        unique=False,
    )
    op.create_table(
        "usage_rollups",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("feature_id", ID, nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("group_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subscription_id", ID, nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("dimensions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "customer_id", "feature_id", "hour", "generation", "group_hash"
        ),
    )


def _create_subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("plan_id", ID, nullable=False),
        sa.Column("billing_anchor", sa.String(32), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("period_start", INSTANT, nullable=False),
        sa.Column("next_bill_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["plans.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "external_id"),
    )
    op.create_index(
        "ix_subscriptions_customer", "subscriptions", ["customer_id", "started_at", "id"]
    )
    op.create_index(
        "ix_subscriptions_due", "subscriptions", ["organization_id", "next_bill_at"], unique=False
    )
    op.create_table(
        "billing_failures",
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        sa.Column("retry_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.PrimaryKeyConstraint("subject_id"),
    )
    op.create_index(
        op.f("ix_billing_failures_organization_id"),
        "billing_failures",
        ["organization_id"],
        unique=False,
    )


def _create_invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("number", sa.String(), nullable=True),
        sa.Column("invoice_type", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("billing_reason", sa.String(32), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID, nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("subtotal", sa.Numeric(), nullable=False),
        sa.Column("total_discount", sa.Numeric(), nullable=False),
        sa.Column("total_tax", sa.Numeric(), nullable=False),
        sa.Column("total_prepaid_credits_applied", sa.Numeric(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("customer_balance_applied", sa.Numeric(), nullable=False),
        sa.Column("total_credited", sa.Numeric(), nullable=False),
        sa.Column(
            "amount_due",
            sa.Numeric(),
            sa.Computed("total - customer_balance_applied - total_credited", persisted=True),
            nullable=False,
        ),
        sa.Column("amount_paid", sa.Numeric(), nullable=False),
        sa.Column("issue_date", sa.Date(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("overdue_at", INSTANT, nullable=True),
        sa.Column("period_start", INSTANT, nullable=True),
        sa.Column("period_end", INSTANT, nullable=True),
        sa.Column("billing_period", sa.String(32), nullable=True),
        sa.Column("finalize_at", INSTANT, nullable=True),
        sa.Column("memo", sa.String(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("seller", postgresql.JSONB(), nullable=True),
        sa.Column("buyer", postgresql.JSONB(), nullable=True),
        sa.Column("void_reason", sa.String(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("finalized_at", INSTANT, nullable=True),
        sa.Column("paid_at", INSTANT, nullable=True),
        sa.Column("voided_at", INSTANT, nullable=True),
        sa.CheckConstraint("(status = 'DRAFT') = (number IS NULL)", name="ck_invoices_number"),
        sa.CheckConstraint(
            "(status = 'VOIDED') = (voided_at IS NOT NULL)", name="ck_invoices_voided"
        ),
        sa.CheckConstraint(
            "status = 'DRAFT' OR (issue_date IS NOT NULL AND due_date IS NOT NULL "
            "AND finalized_at IS NOT NULL AND seller IS NOT NULL AND buyer IS NOT NULL)",
            name="ck_invoices_finalized",
        ),
        sa.CheckConstraint("period_start < period_end", name="ck_invoices_period"),
        sa.CheckConstraint(
            "subtotal >= 0 AND total_discount BETWEEN 0 AND subtotal AND total_tax >= 0 "
            "AND total_prepaid_credits_applied >= 0 AND total >= 0 "
            "AND total_credited >= 0 AND amount_paid >= 0 "
            "AND total - customer_balance_applied - total_credited >= 0",
            name="ck_invoices_signs",
        ),
        sa.CheckConstraint(
            "total = subtotal - total_discount + total_tax - total_prepaid_credits_applied",
            name="ck_invoices_total",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_invoices_created_at", "invoices", ["organization_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_invoices_customer",
        "invoices",
        ["customer_id", sa.literal_column("coalesce(issue_date, 'infinity'::date)"), "id"],
        unique=False,
    )
    op.create_index(
        "ix_invoices_due_date",
        "invoices",
        ["organization_id", sa.literal_column("coalesce(due_date, 'infinity'::date)"), "id"],
        unique=False,
    )
    op.create_index(
        "ix_invoices_finalize",
        "invoices",
        ["organization_id", "finalize_at"],
        unique=False,
        postgresql_where=sa.text("status = 'DRAFT'"),
    )
    op.create_index(
        "ix_invoices_issue_date",
        "invoices",
        ["organization_id", sa.literal_column("coalesce(issue_date, 'infinity'::date)"), "id"],
        unique=False,
    )
    op.create_index(
        "ix_invoices_total", "invoices", ["organization_id", "total", "id"], unique=False
    )
    op.create_index("uq_invoices_number", "invoices", ["organization_id", "number"], unique=True)
    op.create_index(
        "uq_invoices_subscription_period",
        "invoices",
        ["subscription_id", "period_start"],
        unique=True,
        postgresql_where=sa.text("status <> 'VOIDED' AND invoice_type = 'SUBSCRIPTION'"),
    )


def _create_line_items() -> None:
    op.create_table(
        "line_items",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("unit_amount", sa.Numeric(), nullable=True),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("discount_amount", sa.Numeric(), nullable=False),
        sa.Column("tax_amount", sa.Numeric(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=True),
        sa.Column("period_start", INSTANT, nullable=True),
        sa.Column("period_end", INSTANT, nullable=True),
        sa.Column("price_id", ID, nullable=True),
        sa.Column("feature_id", ID, nullable=True),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID, nullable=True),
        sa.Column("usage_windows", postgresql.TSTZMULTIRANGE(), nullable=True),
        sa.Column("usage_generation", sa.Integer(), nullable=True),
        sa.Column("usage_taken_at", INSTANT, nullable=True),
        sa.Column("pricing_steps", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "(type = 'USAGE') = (feature_id IS NOT NULL)", name="ck_line_items_usage"
        ),
        sa.CheckConstraint(
            "amount >= 0 AND quantity >= 0 AND discount_amount BETWEEN 0 AND amount "
            "AND tax_amount >= 0",
            name="ck_line_items_signs",
        ),
        sa.ForeignKeyConstraint(
            ["feature_id"],
            ["features.id"],
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["price_id"],
            ["prices.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_line_items_invoice", "line_items", ["invoice_id", "position"], unique=False)
    op.create_table(
        "number_series",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("series", ID, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
        ),
        sa.PrimaryKeyConstraint("organization_id", "series"),
    )


def upgrade() -> None:
    _create_organizations()
    _create_store()
    _create_catalog()
    _create_usage()
    _create_subscriptions()
    _create_invoices()
    _create_line_items()
    for statement in (METERED_NUMBER, FREEZE_INVOICE, FREEZE_LINE_ITEM, FREEZE_EVENT, *TRIGGERS):
        op.execute(sa.text(statement.replace(":", "\\:")))
