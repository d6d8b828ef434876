"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)


def _create_store() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("mutation", sa.String(), nullable=False),
        sa.Column("input_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "key"),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])
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
        sa.Column("test_clock", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index(op.f("ix_api_keys_organization_id"), "api_keys", ["organization_id"])
    op.create_table(
        "customers",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String()),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("address", postgresql.JSONB()),
        sa.Column("tax_identifier", sa.String()),
        sa.Column("net_payment_term_days", sa.Integer()),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("usage_generation", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
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
        sa.Column("value_property", sa.String()),
        sa.Column("dimensions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
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
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
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
        sa.Column("feature_id", ID),
        sa.Column("cadence", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("model", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["feature_id"], ["features.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_prices_plan_id"), "prices", ["plan_id"])


def _create_usage() -> None:
    op.create_table(
        "usage_events",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("transaction_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("timestamp", INSTANT, nullable=False),
        sa.Column("source", sa.String()),
        sa.Column("properties", postgresql.JSONB(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "transaction_id"),
    )
    op.create_index("ix_usage_events_name", "usage_events", ["organization_id", "event_name"])
    op.create_index(
        "ix_usage_events_reading",
        "usage_events",
        ["organization_id", "customer_id", "event_name", "timestamp"],
    )
    op.create_table(
        "usage_rollups",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("feature_id", ID, nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("group_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subscription_id", ID),
        sa.Column("source", sa.String()),
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
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "external_id"),
    )
    op.create_index(
        "ix_subscriptions_customer", "subscriptions", ["customer_id", "started_at", "id"]
    )
    op.create_index("ix_subscriptions_due", "subscriptions", ["organization_id", "next_bill_at"])
    op.create_table(
        "billing_failures",
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        sa.Column("retry_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("subject_id"),
    )
    op.create_index(
        op.f("ix_billing_failures_organization_id"),
        "billing_failures",
        ["organization_id"],
    )


def _create_invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("number", sa.String()),
        sa.Column("invoice_type", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("billing_reason", sa.String(32), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID),
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
        sa.Column("issue_date", sa.Date()),
        sa.Column("due_date", sa.Date()),
        sa.Column("overdue_at", INSTANT),
        sa.Column("period_start", INSTANT),
        sa.Column("period_end", INSTANT),
        sa.Column("billing_period", sa.String(32)),
        sa.Column("finalize_at", INSTANT),
        sa.Column("memo", sa.String()),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("seller", postgresql.JSONB()),
        sa.Column("buyer", postgresql.JSONB()),
        sa.Column("void_reason", sa.String()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("finalized_at", INSTANT),
        sa.Column("paid_at", INSTANT),
        sa.Column("voided_at", INSTANT),
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
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"]),
        sa.PrimaryKeyConstraint("id"),
    )


def _index_invoices() -> None:
    op.create_index("ix_invoices_created_at", "invoices", ["organization_id", "created_at", "id"])
    op.create_index(
        "ix_invoices_customer",
        "invoices",
        ["customer_id", sa.literal_column("coalesce(issue_date, 'infinity'::date)"), "id"],
    )
    op.create_index(
        "ix_invoices_due_date",
        "invoices",
        ["organization_id", sa.literal_column("coalesce(due_date, 'infinity'::date)"), "id"],
    )
    op.create_index(
        "ix_invoices_finalize",
        "invoices",
        ["organization_id", "finalize_at"],
        postgresql_where=sa.text("status = 'DRAFT'"),
    )
    op.create_index(
        "ix_invoices_issue_date",
        "invoices",
        ["organization_id", sa.literal_column("coalesce(issue_date, 'infinity'::date)"), "id"],
    )
    op.create_index("ix_invoices_total", "invoices", ["organization_id", "total", "id"])
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
        sa.Column("description", sa.String()),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("unit_amount", sa.Numeric()),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("discount_amount", sa.Numeric(), nullable=False),
        sa.Column("tax_amount", sa.Numeric(), nullable=False),
        sa.Column("event_count", sa.BigInteger()),
        sa.Column("period_start", INSTANT),
        sa.Column("period_end", INSTANT),
        sa.Column("price_id", ID),
        sa.Column("feature_id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID),
        sa.Column("usage_windows", postgresql.TSTZMULTIRANGE()),
        sa.Column("usage_generation", sa.Integer()),
        sa.Column("usage_taken_at", INSTANT),
        sa.Column("pricing_steps", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "(type = 'USAGE') = (feature_id IS NOT NULL)", name="ck_line_items_usage"
        ),
        sa.CheckConstraint(
            "amount >= 0 AND quantity >= 0 AND discount_amount BETWEEN 0 AND amount "
            "AND tax_amount >= 0",
            name="ck_line_items_signs",
        ),
        sa.ForeignKeyConstraint(["feature_id"], ["features.id"]),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_line_items_invoice", "line_items", ["invoice_id", "position"])
    op.create_table(
        "number_series",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("series", ID, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("organization_id", "series"),
    )


def upgrade() -> None:
    _create_organizations()
    _create_store()
    _create_catalog()
    _create_usage()
    _create_subscriptions()
    _create_invoices()
    _index_invoices()
    _create_line_items()
