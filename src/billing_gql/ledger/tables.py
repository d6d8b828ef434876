"""Tables of the ledger: accounts, the movements between them, and wallets."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from billing_gql.kernel.ids import Kind, new_id
from billing_gql.ledger.postings import AccountKind
from billing_gql.ledger.scopes import WalletScope
from billing_gql.store.columns import Exact, Id, Instant, Row, choice


class Wallet(Row, table=True):
    """Prepaid credit of a customer, in the customer's currency."""

    __tablename__ = "wallets"
    __table_args__ = (
        Index("ix_wallets_customer", "customer_id", "priority", "id"),
        # The billing run looks for what expires.
        Index(
            "ix_wallets_expiry",
            "organization_id",
            "expires_at",
            postgresql_where=text("expires_at IS NOT NULL AND NOT expired"),
        ),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.WALLET), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    name: str
    currency: str
    priority: int
    """Lower is drawn first; equal ones by creation."""
    scope: WalletScope = Field(sa_type=choice(WalletScope))
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    expired: bool = False
    """What was left at `expires_at` has been taken off."""
    created_at: datetime = Field(sa_type=Instant)


class Account(Row, table=True):
    """An account of a customer; `balance` is where the last of its `entry_count` entries ends."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        CheckConstraint("(kind = 'WALLET') = (wallet_id IS NOT NULL)", name="ck_accounts_wallet"),
        # A wallet never holds less than nothing.
        CheckConstraint("kind <> 'WALLET' OR balance >= 0", name="ck_accounts_balance"),
        Index("uq_accounts_wallet", "wallet_id", unique=True),
        Index(
            "uq_accounts_customer",
            "customer_id",
            "kind",
            unique=True,
            postgresql_where=text("wallet_id IS NULL"),
        ),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.ACCOUNT), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    kind: AccountKind = Field(sa_type=choice(AccountKind))
    wallet_id: str | None = Field(default=None, foreign_key="wallets.id", sa_type=Id)
    currency: str
    balance: Decimal = Field(sa_type=Exact)
    entry_count: int = 0


class Entry(Row, table=True):
    """A change of an account, one of those of a movement, which sum to zero. Never changed."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("starting_balance + amount = ending_balance", name="ck_entries_balance"),
        CheckConstraint("amount <> 0", name="ck_entries_amount"),
        Index("uq_entries_sequence", "account_id", "sequence", unique=True),
        Index("ix_entries_balance", "customer_id", "kind", "sequence"),
        Index(
            "ix_entries_wallet",
            "wallet_id",
            "sequence",
            postgresql_where=text("wallet_id IS NOT NULL"),
        ),
        Index("ix_entries_movement", "movement_id"),
        Index("ix_entries_invoice", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
        # An invoice gives the credit that it is for once.
        Index(
            "uq_entries_bought",
            "invoice_id",
            unique=True,
            postgresql_where=text(
                "invoice_id IS NOT NULL AND (kind = 'WALLET' AND reason = 'TOP_UP'"
                " OR kind = 'BALANCE' AND reason = 'EXPIRED_WALLET')"
            ),
        ),
    )

    id: str = Field(primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    movement_id: str = Field(sa_type=Id)
    account_id: str = Field(foreign_key="ledger_accounts.id", sa_type=Id)
    sequence: int
    """From 1, without gaps, in its account; each entry starts where the one before it ends."""
    kind: AccountKind = Field(sa_type=choice(AccountKind))
    wallet_id: str | None = Field(default=None, foreign_key="wallets.id", sa_type=Id)
    reason: str
    """Of BalanceTransactionReason or WalletTransactionType."""
    currency: str
    amount: Decimal = Field(sa_type=Exact)
    starting_balance: Decimal = Field(sa_type=Exact)
    ending_balance: Decimal = Field(sa_type=Exact)
    invoice_id: str | None = Field(default=None, sa_type=Id)
    """The invoice that it is for. By name: invoices are a slice above."""
    description: str | None = None
    created_at: datetime = Field(sa_type=Instant)
