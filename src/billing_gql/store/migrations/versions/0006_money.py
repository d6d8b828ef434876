"""Coupons, tax rates, and the ledger of balances and wallets."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

FREEZE_ENTRY = """
CREATE FUNCTION freeze_ledger_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ledger entries are never changed or deleted';
END
$$
"""

# Looked at when the transaction commits: by then all entries of a movement are there.
BALANCE_MOVEMENT = """
CREATE FUNCTION balance_movement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  total numeric;
  before numeric;
BEGIN
  SELECT sum(amount) INTO total FROM ledger_entries WHERE movement_id = NEW.movement_id;
  IF total <> 0 THEN
    RAISE EXCEPTION 'the entries of movement % sum to %, not to zero', NEW.movement_id, total;
  END IF;
  SELECT ending_balance INTO before FROM ledger_entries
    WHERE account_id = NEW.account_id AND sequence = NEW.sequence - 1;
  IF NEW.starting_balance <> coalesce(before, 0) OR (NEW.sequence > 1 AND before IS NULL) THEN
    RAISE EXCEPTION 'entry % does not start where the one before it ends', NEW.id;
  END IF;
  IF NOT EXISTS (
    SELECT 1 FROM ledger_accounts WHERE id = NEW.account_id AND entry_count >= NEW.sequence
  ) THEN
    RAISE EXCEPTION 'account % is not where its last entry ends', NEW.account_id;
  END IF;
  RETURN NULL;
END
$$
"""

# An account moves by entries alone; also looked at when the transaction commits.
BALANCE_ACCOUNT = """
CREATE FUNCTION balance_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM ledger_accounts AS a
    LEFT JOIN ledger_entries AS e ON e.account_id = a.id AND e.sequence = a.entry_count
    WHERE a.id = NEW.id AND a.balance = coalesce(e.ending_balance, 0)
      AND (a.entry_count = 0) = (e.id IS NULL)
  ) THEN
    RAISE EXCEPTION 'account % is not where its last entry ends', NEW.id;
  END IF;
  RETURN NULL;
END
$$
"""

TRIGGERS = (
    "CREATE TRIGGER freeze_ledger_entry BEFORE UPDATE OR DELETE ON ledger_entries"
    " FOR EACH ROW EXECUTE FUNCTION freeze_ledger_entry()",
    "CREATE CONSTRAINT TRIGGER balance_movement AFTER INSERT ON ledger_entries"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balance_movement()",
    "CREATE CONSTRAINT TRIGGER balance_account AFTER INSERT OR UPDATE ON ledger_accounts"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balance_account()",
    "CREATE TRIGGER freeze_coupon_application BEFORE INSERT OR UPDATE OR DELETE"
    " ON coupon_applications FOR EACH ROW EXECUTE FUNCTION freeze_line_item()",
    "CREATE TRIGGER freeze_invoice_tax BEFORE INSERT OR UPDATE OR DELETE ON invoice_taxes"
    " FOR EACH ROW EXECUTE FUNCTION freeze_line_item()",
)


def _create_catalog() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("percent_off", sa.Numeric()),
        sa.Column("amount_off", sa.Numeric()),
        sa.Column("currency", sa.String()),
        sa.Column("duration", sa.String(32), nullable=False),
        sa.Column("duration_invoices", sa.Integer()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "(percent_off IS NULL) <> (amount_off IS NULL)"
            " AND (amount_off IS NULL) = (currency IS NULL)"
            " AND (duration = 'REPEATING') = (duration_invoices IS NOT NULL)",
            name="ck_coupons_kind",
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "code"),
    )
    op.create_table(
        "tax_rates",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("percentage", sa.Numeric(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "code"),
    )


def _create_ledger() -> None:
    op.create_table(
        "wallets",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(32), nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("expired", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_wallets_customer", "wallets", ["customer_id", "priority", "id"])
    op.create_index(
        "ix_wallets_expiry",
        "wallets",
        ["organization_id", "expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL AND NOT expired"),
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("wallet_id", ID),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("balance", sa.Numeric(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'WALLET') = (wallet_id IS NOT NULL)", name="ck_accounts_wallet"
        ),
        sa.CheckConstraint("kind <> 'WALLET' OR balance >= 0", name="ck_accounts_balance"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_accounts_customer",
        "ledger_accounts",
        ["customer_id", "kind"],
        unique=True,
        postgresql_where=sa.text("wallet_id IS NULL"),
    )
    op.create_index("uq_accounts_wallet", "ledger_accounts", ["wallet_id"], unique=True)


def _create_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("movement_id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("wallet_id", ID),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("starting_balance", sa.Numeric(), nullable=False),
        sa.Column("ending_balance", sa.Numeric(), nullable=False),
        sa.Column("invoice_id", ID),
        sa.Column("description", sa.String()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("amount <> 0", name="ck_entries_amount"),
        sa.CheckConstraint("starting_balance + amount = ending_balance", name="ck_entries_balance"),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"]),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_entries_balance", "ledger_entries", ["customer_id", "kind", "sequence"])
    op.create_index(
        "ix_entries_invoice",
        "ledger_entries",
        ["invoice_id"],
        postgresql_where=sa.text("invoice_id IS NOT NULL"),
    )
    op.create_index("ix_entries_movement", "ledger_entries", ["movement_id"])
    op.create_index(
        "ix_entries_wallet",
        "ledger_entries",
        ["wallet_id", "sequence"],
        postgresql_where=sa.text("wallet_id IS NOT NULL"),
    )
    op.create_index(
        "uq_entries_sequence", "ledger_entries", ["account_id", "sequence"], unique=True
    )


def _create_applied() -> None:
    op.create_table(
        "invoice_taxes",
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("tax_rate_id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("percentage", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("taxable_amount", sa.Numeric(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["tax_rate_id"], ["tax_rates.id"]),
        sa.PrimaryKeyConstraint("invoice_id", "tax_rate_id"),
    )
    op.create_table(
        "coupon_grants",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("coupon_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("invoice_id", ID),
        sa.Column("line_item_id", ID),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"]),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_coupon_grants_customer", "coupon_grants", ["customer_id", "id"])
    op.create_index(op.f("ix_coupon_grants_invoice_id"), "coupon_grants", ["invoice_id"])
    op.create_index(op.f("ix_coupon_grants_line_item_id"), "coupon_grants", ["line_item_id"])
    op.create_table(
        "coupon_applications",
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("grant_id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("coupon_id", ID, nullable=False),
        sa.Column("line_item_id", ID),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"]),
        sa.ForeignKeyConstraint(["grant_id"], ["coupon_grants.id"]),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("invoice_id", "grant_id"),
    )
    op.create_index(op.f("ix_coupon_applications_grant_id"), "coupon_applications", ["grant_id"])
    op.create_index(
        op.f("ix_coupon_applications_line_item_id"), "coupon_applications", ["line_item_id"]
    )


def _add_columns() -> None:
    op.add_column(
        "invoices", sa.Column("default_taxes", sa.Integer(), nullable=False, server_default="0")
    )
    op.alter_column("invoices", "default_taxes", server_default=None)
    op.add_column("line_items", sa.Column("tax_rate_ids", sa.ARRAY(ID)))
    op.add_column(
        "line_items", sa.Column("taxed_by", sa.ARRAY(ID), nullable=False, server_default="{}")
    )
    op.alter_column("line_items", "taxed_by", server_default=None)


def upgrade() -> None:
    _create_catalog()
    _create_ledger()
    _create_entries()
    _create_applied()
    _add_columns()
    for statement in (FREEZE_ENTRY, BALANCE_MOVEMENT, BALANCE_ACCOUNT, *TRIGGERS):
        op.execute(sa.text(statement.replace(":", "\\:")))
