"""Subscriptions through their whole life: trials, plans in turn, ends, credits and late usage."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# As before, and the periods that the invoice bills.
FREEZE_INVOICE = """
CREATE OR REPLACE FUNCTION freeze_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
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
      OLD.period_start, OLD.period_end, OLD.billing_period, OLD.memo, OLD.plan_id,
      OLD.opens_plan_id, OLD.opens_at, OLD.opens_until,
      OLD.seller, OLD.buyer, OLD.finalized_at, OLD.created_at)
     IS DISTINCT FROM
     (NEW.id, NEW.organization_id, NEW.number, NEW.invoice_type, NEW.billing_reason,
      NEW.customer_id, NEW.subscription_id, NEW.currency, NEW.timezone, NEW.subtotal,
      NEW.total_discount, NEW.total_tax, NEW.total_prepaid_credits_applied, NEW.total,
      NEW.customer_balance_applied, NEW.issue_date, NEW.due_date, NEW.overdue_at,
      NEW.period_start, NEW.period_end, NEW.billing_period, NEW.memo, NEW.plan_id,
      NEW.opens_plan_id, NEW.opens_at, NEW.opens_until,
      NEW.seller, NEW.buyer, NEW.finalized_at, NEW.created_at) THEN
    RAISE EXCEPTION 'invoice % is %: what it says cannot change', OLD.id, OLD.status;
  END IF;
  RETURN NEW;
END
$$
"""


def _change_catalog() -> None:
    op.add_column(
        "plans", sa.Column("trial_days", sa.Integer(), nullable=False, server_default="0")
    )
    op.alter_column("plans", "trial_days", server_default=None)
    op.add_column("plans", sa.Column("minimum_commitment", sa.Numeric()))


def _change_subscriptions() -> None:
    op.add_column("subscriptions", sa.Column("plan_since", INSTANT))
    op.add_column("subscriptions", sa.Column("pending_plan_id", ID))
    op.create_foreign_key(None, "subscriptions", "plans", ["pending_plan_id"], ["id"])
    op.add_column("subscriptions", sa.Column("anchor_date", sa.Date()))
    op.add_column("subscriptions", sa.Column("trial_ends_at", INSTANT))
    op.add_column("subscriptions", sa.Column("cancels_at", INSTANT))
    op.add_column("subscriptions", sa.Column("ended_at", INSTANT))
    op.add_column("subscriptions", sa.Column("settled_generation", sa.Integer()))
    op.alter_column("subscriptions", "next_bill_at", nullable=True)
    op.create_table(
        "subscription_plans",
        sa.Column("subscription_id", ID, nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("plan_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"]),
        sa.PrimaryKeyConstraint("subscription_id", "starts_at"),
    )
    # Until now every subscription was monthly, without a trial, and on one plan from its first day.
    op.execute(
        "UPDATE subscriptions SET settled_generation = -1,"
        " anchor_date = (started_at AT TIME ZONE timezone)::date,"
        " plan_since = (started_at AT TIME ZONE timezone)::date::timestamp AT TIME ZONE timezone"
    )
    op.execute(
        "INSERT INTO subscription_plans (subscription_id, starts_at, organization_id, plan_id)"
        " SELECT id, plan_since, organization_id, plan_id FROM subscriptions"
    )
    for column in ("plan_since", "anchor_date", "settled_generation"):
        op.alter_column("subscriptions", column, nullable=False)


def _change_invoices() -> None:
    for name, kind in (
        ("plan_id", ID),
        ("opens_plan_id", ID),
        ("opens_at", INSTANT),
        ("opens_until", INSTANT),
        ("usage_generation", sa.Integer()),
    ):
        op.add_column("invoices", sa.Column(name, kind))
    for table in ("customers", "invoices"):
        op.add_column(
            table, sa.Column("terms_generation", sa.Integer(), nullable=False, server_default="0")
        )
        op.alter_column(table, "terms_generation", server_default=None)
    op.create_foreign_key(None, "invoices", "plans", ["plan_id"], ["id"])
    op.create_foreign_key(None, "invoices", "plans", ["opens_plan_id"], ["id"])
    op.execute("ALTER TABLE invoices DISABLE TRIGGER freeze_invoice")
    op.execute(
        "UPDATE invoices AS i SET plan_id = s.plan_id, usage_generation = -1"
        " FROM subscriptions AS s WHERE s.id = i.subscription_id"
    )
    op.execute("ALTER TABLE invoices ENABLE TRIGGER freeze_invoice")
    op.execute(FREEZE_INVOICE.replace(":", "\\:"))
    op.drop_index("uq_invoices_subscription_period", "invoices")
    for name, column, billed in (
        ("uq_invoices_subscription_period", "period_start", "plan_id"),
        ("uq_invoices_subscription_opening", "opens_at", "opens_plan_id"),
    ):
        op.create_index(
            name,
            "invoices",
            ["subscription_id", column],
            unique=True,
            postgresql_where=sa.text(
                f"status <> 'VOIDED' AND invoice_type = 'SUBSCRIPTION' AND {billed} IS NOT NULL"
            ),
        )
    op.create_table(
        "credits",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("subscription_id", ID, nullable=False),
        sa.Column("source_line_item_id", ID, nullable=False),
        sa.Column("price_id", ID),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("period_start", INSTANT, nullable=False),
        sa.Column("period_end", INSTANT, nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_credits_amount"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"]),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_credits_customer", "credits", ["customer_id"])
    op.create_index(op.f("ix_credits_subscription_id"), "credits", ["subscription_id"])
    op.create_index("uq_credits_source", "credits", ["source_line_item_id"], unique=True)


def _change_line_items() -> None:
    op.add_column("line_items", sa.Column("usage_after", sa.Integer()))
    for name in ("billed_before", "carried"):
        op.add_column(
            "line_items", sa.Column(name, sa.Numeric(), nullable=False, server_default="0")
        )
        op.alter_column("line_items", name, server_default=None)
    op.add_column("line_items", sa.Column("credit_id", ID))
    op.create_foreign_key(None, "line_items", "credits", ["credit_id"], ["id"])
    op.execute("ALTER TABLE line_items DISABLE TRIGGER freeze_line_item")
    op.execute(
        "UPDATE line_items AS l SET subscription_id = i.subscription_id FROM invoices AS i"
        " WHERE i.id = l.invoice_id AND l.subscription_id IS NULL AND l.type <> 'MANUAL'"
    )
    op.execute("ALTER TABLE line_items ENABLE TRIGGER freeze_line_item")
    op.drop_constraint("ck_line_items_signs", "line_items")
    op.create_check_constraint(
        "ck_line_items_signs",
        "line_items",
        "(amount >= 0 OR type IN ('USAGE', 'MINIMUM_COMMITMENT', 'PRORATION'))"
        " AND (quantity >= 0 OR type = 'USAGE') AND tax_amount >= 0 AND carried >= 0"
        " AND discount_amount BETWEEN 0 AND greatest(amount, 0)",
    )
    op.create_check_constraint(
        "ck_line_items_negative",
        "line_items",
        "amount >= 0 OR credit_id IS NOT NULL OR billed_before <> 0",
    )
    op.create_index("ix_line_items_subscription", "line_items", ["subscription_id", "period_start"])
    op.create_index(
        "ix_line_items_credit",
        "line_items",
        ["credit_id"],
        postgresql_where=sa.text("credit_id IS NOT NULL"),
    )


def upgrade() -> None:
    _change_catalog()
    _change_subscriptions()
    _change_invoices()
    _change_line_items()
