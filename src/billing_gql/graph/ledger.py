"""Wallets, balances and their movements in the schema."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

import msgspec
import strawberry

from billing_gql.graph.connections import Connection, page_request, write_cursor
from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.inputs import given
from billing_gql.graph.invoices import Invoice, invoice_of
from billing_gql.graph.mutate import Info
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.kernel.money import zero
from billing_gql.ledger import tables
from billing_gql.ledger.postings import BalanceTransactionReason, WalletTransactionType
from billing_gql.ledger.scopes import WalletScope

for _kind, _description in (
    (
        BalanceTransactionReason,
        "Why a customer's balance moved. EXPIRED_WALLET is what was paid for prepaid credit whose"
        " wallet had expired.",
    ),
    (WalletTransactionType, "Why a wallet moved."),
    (
        WalletScope,
        "What a wallet pays: USAGE the discounted usage lines, ALL anything with its tax.",
    ),
):
    strawberry.enum(_kind, description=_description)


@entity(description="A change of a customer's balance. It never changes.")
class BalanceTransaction(Node):
    """Mirrors an entry of `ledger.tables.Entry` of a BALANCE account."""

    reason: BalanceTransactionReason
    currency: CurrencyCode
    amount: Decimal = strawberry.field(description="Signed change of the balance.")
    starting_balance: Decimal
    ending_balance: Decimal
    description: str | None
    created_at: datetime
    invoice_id: strawberry.Private[str | None]
    sequence: strawberry.Private[int]

    @strawberry.field(description="The invoice that it is for; null for others.")
    async def invoice(self, info: Info) -> Invoice | None:
        return await invoice_of(info, self.invoice_id)

    @classmethod
    def of(cls, row: tables.Entry) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            reason=BalanceTransactionReason(row.reason),
            currency=CurrencyCode(row.currency),
            amount=row.amount,
            starting_balance=row.starting_balance,
            ending_balance=row.ending_balance,
            description=row.description,
            created_at=row.created_at,
            invoice_id=row.invoice_id,
            sequence=row.sequence,
        )


@strawberry.type
class BalanceTransactionConnection(Connection[BalanceTransaction]):
    """A page of changes of a balance."""


@entity(description="A change of what is in a wallet. It never changes.")
class WalletTransaction(Node):
    """Mirrors an entry of `ledger.tables.Entry` of a WALLET account."""

    type: WalletTransactionType
    currency: CurrencyCode
    amount: Decimal = strawberry.field(description="Signed change of what is in the wallet.")
    ending_balance: Decimal
    created_at: datetime
    invoice_id: strawberry.Private[str | None]
    sequence: strawberry.Private[int]

    @strawberry.field(
        description="The invoice that drew or returned it, or was paid for it; null for others."
    )
    async def invoice(self, info: Info) -> Invoice | None:
        return await invoice_of(info, self.invoice_id)

    @classmethod
    def of(cls, row: tables.Entry) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            type=WalletTransactionType(row.reason),
            currency=CurrencyCode(row.currency),
            amount=row.amount,
            ending_balance=row.ending_balance,
            created_at=row.created_at,
            invoice_id=row.invoice_id,
            sequence=row.sequence,
        )


@strawberry.type
class WalletTransactionConnection(Connection[WalletTransaction]):
    """A page of changes of a wallet."""


BALANCE, WALLET = "balanceTransactions", "wallet transactions"
POSITION = tuple[Annotated[int, msgspec.Meta(ge=0, lt=2**31)]]
"""What a cursor holds: the place in the account, of PostgreSQL's integers."""


@entity(description="Prepaid credit of a customer.")
class Wallet(Node):
    """Mirrors `ledger.tables.Wallet`."""

    name: str
    currency: CurrencyCode
    priority: int = strawberry.field(description="Lower is drawn first; equal ones by creation.")
    scope: WalletScope
    expires_at: datetime | None = strawberry.field(
        description="From then on it pays nothing, and what is left is taken off; null for never."
    )
    customer_id: strawberry.Private[str]

    @strawberry.field(description="Whose it is.")
    async def customer(self, info: Info) -> Customer:
        return kept(await customer_of(info, self.customer_id))

    @strawberry.field(description="What is in it; never below zero.")
    async def balance(self, info: Info) -> Decimal:
        balance = await info.context.loaders.money.wallet_balance.load(self.id)
        return zero(self.currency) if balance is None else balance

    @strawberry.field(description="Newest first.")
    async def transactions(
        self, info: Info, first: int | None = 25, after: str | None = strawberry.UNSET
    ) -> WalletTransactionConnection:
        loaders = info.context.loaders.money
        request = page_request(POSITION, WALLET, first=first, after=given(after))
        page = await loaders.wallet_page.load((request, self.id))

        async def count() -> int:
            return await loaders.wallet_count.load(self.id) or 0

        return WalletTransactionConnection.of(
            page.map(WalletTransaction.of),
            lambda node: write_cursor(WALLET, (node.sequence,)),
            count,
        )

    @classmethod
    def of(cls, row: tables.Wallet) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            currency=CurrencyCode(row.currency),
            priority=row.priority,
            scope=row.scope,
            expires_at=row.expires_at,
            customer_id=row.customer_id,
        )


async def wallet_of(info: Info, wallet_id: str | None) -> Wallet | None:
    """The wallet through its loader; None for no id."""
    row = await info.context.loaders.money.wallets.load(wallet_id) if wallet_id else None
    return None if row is None else Wallet.of(row)


async def balance_transaction_of(info: Info, entry_id: str | None) -> BalanceTransaction | None:
    """The change of a balance through its loader; None for no id."""
    row = await info.context.loaders.money.entries.load(entry_id) if entry_id else None
    return None if row is None else BalanceTransaction.of(row)


async def wallet_transaction_of(info: Info, entry_id: str | None) -> WalletTransaction | None:
    """The change of a wallet through its loader; None for no id."""
    row = await info.context.loaders.money.entries.load(entry_id) if entry_id else None
    return None if row is None else WalletTransaction.of(row)


async def balance_transactions_of_customer(
    info: Info, customer_id: str, first: int | None, after: str | None
) -> BalanceTransactionConnection:
    """A page of what moved a customer's balance, batched with other customers' same pages."""
    loaders = info.context.loaders.money
    request = page_request(POSITION, BALANCE, first=first, after=after)
    page = await loaders.balance_page.load((request, customer_id))

    async def count() -> int:
        return await loaders.balance_count.load(customer_id) or 0

    return BalanceTransactionConnection.of(
        page.map(BalanceTransaction.of),
        lambda node: write_cursor(BALANCE, (node.sequence,)),
        count,
    )
