"""Invoices for prepaid credit, which their wallets get once they are paid."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.Text(collation="C")

# Beside `freeze_invoice`: what an invoice was bought for, and what it has given, stays.
KEEP_BOUGHT_CREDIT = """
CREATE FUNCTION keep_bought_credit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.wallet_id IS DISTINCT FROM OLD.wallet_id THEN
    RAISE EXCEPTION 'the wallet of invoice % cannot change', OLD.id;
  END IF;
  IF OLD.wallet_id IS NOT NULL AND OLD.paid_at IS NOT NULL
     AND (NEW.status = 'VOIDED' OR NEW.credited <> OLD.credited) THEN
    RAISE EXCEPTION 'invoice % has given the credit that it is for', OLD.id;
  END IF;
  RETURN NEW;
END
$$
"""

TRIGGER = (
    "CREATE TRIGGER keep_bought_credit BEFORE UPDATE ON invoices"
    " FOR EACH ROW EXECUTE FUNCTION keep_bought_credit()"
)


def upgrade() -> None:
    op.add_column("invoices", sa.Column("wallet_id", ID))
    op.create_foreign_key(None, "invoices", "wallets", ["wallet_id"], ["id"])
    op.create_check_constraint(
        "ck_invoices_wallet", "invoices", "(invoice_type = 'CREDIT') = (wallet_id IS NOT NULL)"
    )
    op.create_index(
        "ix_invoices_wallet",
        "invoices",
        ["wallet_id"],
        postgresql_where=sa.text("wallet_id IS NOT NULL"),
    )
    op.create_index(
        "uq_entries_bought",
        "ledger_entries",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text(
            "invoice_id IS NOT NULL AND (kind = 'WALLET' AND reason = 'TOP_UP'"
            " OR kind = 'BALANCE' AND reason = 'EXPIRED_WALLET')"
        ),
    )
    for statement in (KEEP_BOUGHT_CREDIT, TRIGGER):
        op.execute(sa.text(statement.replace(":", "\\:")))
