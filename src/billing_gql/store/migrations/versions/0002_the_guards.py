"""The guards: what the database refuses, and the number that it meters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

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


def upgrade() -> None:
    for statement in (METERED_NUMBER, FREEZE_INVOICE, FREEZE_LINE_ITEM, FREEZE_EVENT, *TRIGGERS):
        op.execute(sa.text(statement.replace(":", "\\:")))
