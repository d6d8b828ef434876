"""Credit notes, and invoices that are given up."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# As before, with the moves between statuses and what credit notes leave behind.
FREEZE_INVOICE = """
CREATE OR REPLACE FUNCTION freeze_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  lines record;
  remains numeric;
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
    IF NEW.status = 'UNCOLLECTIBLE' THEN
      RAISE EXCEPTION 'invoice % is a draft: it cannot be given up', OLD.id;
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
  IF NEW.total_credited < OLD.total_credited OR NEW.credited < OLD.credited
     OR NEW.refunded < OLD.refunded THEN
    RAISE EXCEPTION 'invoice %: what was credited stays credited', OLD.id;
  END IF;
  IF NEW.status = OLD.status THEN
    RETURN NEW;
  END IF;
  -- amount_due is not yet computed here.
  remains := NEW.total - NEW.customer_balance_applied - NEW.total_credited - NEW.amount_paid;
  IF NEW.status = 'VOIDED' AND (NEW.amount_paid, NEW.total_credited, NEW.credited) <> (0, 0, 0) THEN
    RAISE EXCEPTION 'invoice % is paid or credited: it cannot be voided', OLD.id;
  END IF;
  IF NEW.status = 'UNCOLLECTIBLE' AND remains <= 0 THEN
    RAISE EXCEPTION 'nothing remains of invoice %: it cannot be given up', OLD.id;
  END IF;
  IF NEW.status = 'FINALIZED' AND remains > 0 THEN
    RAISE EXCEPTION 'invoice % is given up until it is settled', OLD.id;
  END IF;
  RETURN NEW;
END
$$
"""

FREEZE_CREDIT_NOTE = """
CREATE FUNCTION freeze_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'credit notes are never changed or deleted';
END
$$
"""

# Locks the invoice, as the verb has done already, so that two at once see each other's lines.
CREDIT_LINE_ITEM = """
CREATE FUNCTION credit_line_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  line record;
  given record;
BEGIN
  SELECT i.status, l.amount - l.discount_amount AS amount, l.tax_amount, n.subtotal, n.total_tax
    INTO line
    FROM credit_notes AS n
    JOIN invoices AS i ON i.id = n.invoice_id
    JOIN line_items AS l ON l.invoice_id = i.id
    WHERE n.id = NEW.credit_note_id AND l.id = NEW.line_item_id
      AND (i.organization_id, i.organization_id, i.currency, i.currency)
        = (n.organization_id, NEW.organization_id, n.currency, NEW.currency)
    FOR NO KEY UPDATE OF i;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'line % is not of the invoice of note %', NEW.line_item_id, NEW.credit_note_id;
  END IF;
  IF line.status NOT IN ('FINALIZED', 'UNCOLLECTIBLE') THEN
    RAISE EXCEPTION 'the invoice of line % is %: it cannot be credited',
      NEW.line_item_id, line.status;
  END IF;
  SELECT sum(amount) AS amount, sum(tax_amount) AS tax INTO given
    FROM credit_note_line_items WHERE line_item_id = NEW.line_item_id;
  IF given.amount > line.amount OR given.tax > line.tax_amount THEN
    RAISE EXCEPTION 'line % is credited beyond what is left of it', NEW.line_item_id;
  END IF;
  SELECT sum(amount) AS amount, sum(tax_amount) AS tax INTO given
    FROM credit_note_line_items WHERE credit_note_id = NEW.credit_note_id;
  IF given.amount > line.subtotal OR given.tax > line.total_tax THEN
    RAISE EXCEPTION 'the lines of credit note % are more than it', NEW.credit_note_id;
  END IF;
  RETURN NULL;
END
$$
"""

# Looked at when the transaction commits: by then the lines and the invoice are written.
CREDIT_NOTE_ADDS_UP = """
CREATE FUNCTION credit_note_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  lines record;
  notes record;
BEGIN
  SELECT coalesce(sum(amount), 0) AS amount, coalesce(sum(tax_amount), 0) AS tax INTO lines
    FROM credit_note_line_items WHERE credit_note_id = NEW.id;
  IF (lines.amount, lines.tax) <> (NEW.subtotal, NEW.total_tax) THEN
    RAISE EXCEPTION 'the lines of credit note % do not add up to it', NEW.id;
  END IF;
  SELECT sum(subtotal) AS credited,
         coalesce(sum(total) FILTER (WHERE settlement = 'OFFSET'), 0) AS offset_by,
         coalesce(sum(total) FILTER (WHERE settlement = 'REFUND'), 0) AS refunded
    INTO notes FROM credit_notes WHERE invoice_id = NEW.invoice_id;
  IF NOT EXISTS (
    SELECT 1 FROM invoices WHERE id = NEW.invoice_id
      AND (credited, total_credited, refunded)
        = (notes.credited, notes.offset_by, notes.refunded)
  ) THEN
    RAISE EXCEPTION 'invoice % does not say what its credit notes give back', NEW.invoice_id;
  END IF;
  RETURN NULL;
END
$$
"""

TRIGGERS = (
    "CREATE TRIGGER freeze_credit_note BEFORE UPDATE OR DELETE ON credit_notes"
    " FOR EACH ROW EXECUTE FUNCTION freeze_credit_note()",
    "CREATE TRIGGER freeze_credit_note BEFORE UPDATE OR DELETE ON credit_note_line_items"
    " FOR EACH ROW EXECUTE FUNCTION freeze_credit_note()",
    "CREATE TRIGGER credit_line_item AFTER INSERT ON credit_note_line_items"
    " FOR EACH ROW EXECUTE FUNCTION credit_line_item()",
    "CREATE CONSTRAINT TRIGGER credit_note_adds_up AFTER INSERT ON credit_notes"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION credit_note_adds_up()",
)


def _change_invoices() -> None:
    for name in ("credited", "refunded"):
        op.add_column("invoices", sa.Column(name, sa.Numeric(), nullable=False, server_default="0"))
        op.alter_column("invoices", name, server_default=None)
    op.create_check_constraint(
        "ck_invoices_credited",
        "invoices",
        "credited BETWEEN 0 AND greatest(subtotal - total_discount, 0)"
        " AND refunded BETWEEN 0 AND greatest(amount_paid, 0)",
    )


def _create_credit_notes() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("settlement", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("subtotal", sa.Numeric(), nullable=False),
        sa.Column("total_tax", sa.Numeric(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "total = subtotal + total_tax AND subtotal > 0 AND total_tax >= 0",
            name="ck_credit_notes_total",
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_credit_notes_invoice_id"), "credit_notes", ["invoice_id"])
    op.create_index(
        "uq_credit_notes_number", "credit_notes", ["organization_id", "number"], unique=True
    )
    op.create_table(
        "credit_note_line_items",
        sa.Column("credit_note_id", ID, nullable=False),
        sa.Column("line_item_id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("tax_amount", sa.Numeric(), nullable=False),
        sa.CheckConstraint(
            "amount > 0 AND tax_amount >= 0", name="ck_credit_note_line_items_signs"
        ),
        sa.ForeignKeyConstraint(["credit_note_id"], ["credit_notes.id"]),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("credit_note_id", "line_item_id"),
    )
    op.create_index(
        op.f("ix_credit_note_line_items_line_item_id"), "credit_note_line_items", ["line_item_id"]
    )


def upgrade() -> None:
    _change_invoices()
    _create_credit_notes()
    for statement in (
        FREEZE_INVOICE,
        FREEZE_CREDIT_NOTE,
        CREDIT_LINE_ITEM,
        CREDIT_NOTE_ADDS_UP,
        *TRIGGERS,
    ):
        op.execute(sa.text(statement.replace(":", "\\:")))
