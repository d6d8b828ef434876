"""Reads balances, wallets and their movements."""

from collections.abc import Sequence
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import zero
from billing_gql.kernel.problems import NotFound
from billing_gql.ledger.postings import AccountKind, WalletTransactionType
from billing_gql.ledger.tables import Account, Entry, Wallet
from billing_gql.store.columns import among
from billing_gql.store.pages import Order, Page, PageRequest, read_counts, read_pages


async def balance_of(session: AsyncSession, customer: Customer) -> Decimal:
    """The customer's balance: credit above 0, debt below."""
    balance = (
        await session.exec(
            select(col(Account.balance)).where(
                Account.organization_id == customer.organization_id,
                Account.customer_id == customer.id,
                Account.kind == AccountKind.BALANCE,
            )
        )
    ).first()
    return zero(customer.currency) if balance is None else balance


async def balances_of_customers(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str]
) -> dict[str, Decimal]:
    """The balances that ever moved, by customer."""
    rows = await session.exec(
        select(col(Account.customer_id), col(Account.balance)).where(
            Account.organization_id == actor.organization_id,
            among(col(Account.customer_id), customer_ids),
            Account.kind == AccountKind.BALANCE,
        )
    )
    return dict(rows.all())


async def wallets_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Wallet]:
    """Those of the ids that are wallets here."""
    mine = Wallet.organization_id == actor.organization_id
    return (await session.exec(select(Wallet).where(mine, among(col(Wallet.id), ids)))).all()


async def wallets_of_customers(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str]
) -> Sequence[Wallet]:
    """The customers' wallets in the order in which they are drawn, expired ones too."""
    return (
        await session.exec(
            select(Wallet)
            .where(
                Wallet.organization_id == actor.organization_id,
                among(col(Wallet.customer_id), customer_ids),
            )
            .order_by(col(Wallet.customer_id), col(Wallet.priority), col(Wallet.id))
        )
    ).all()


async def wallet_balances(
    session: AsyncSession, actor: Actor, wallet_ids: Sequence[str]
) -> dict[str, Decimal]:
    """The balances of wallets that ever moved, by wallet."""
    rows = await session.exec(
        select(col(Account.wallet_id), col(Account.balance)).where(
            Account.organization_id == actor.organization_id,
            among(col(Account.wallet_id), wallet_ids),
        )
    )
    return {wallet_id: balance for wallet_id, balance in rows if wallet_id is not None}


async def lock_wallet(
    session: AsyncSession, actor: Actor, wallet_id: str, *field: str
) -> tuple[Customer, Wallet]:
    """The customer and then the wallet, locked. Raises NotFound."""
    mine = (Wallet.organization_id == actor.organization_id, Wallet.id == wallet_id)
    customer_id = (await session.exec(select(Wallet.customer_id).where(*mine))).first()
    if customer_id is None:
        raise NotFound.of("wallet", wallet_id, *field)
    customer = await lock_customer(session, actor, customer_id, *field)
    wallet = (
        await session.exec(
            select(Wallet)
            .where(*mine)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).one()
    return customer, wallet


async def entries_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Entry]:
    """Those of the ids that are movements of balances or wallets here."""
    mine = Entry.organization_id == actor.organization_id
    return (await session.exec(select(Entry).where(mine, among(col(Entry.id), ids)))).all()


async def balance_entries_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[Entry]:
    """What invoices moved of balances, newest first."""
    return (
        await session.exec(
            select(Entry)
            .where(
                Entry.organization_id == actor.organization_id,
                among(col(Entry.invoice_id), invoice_ids),
                Entry.kind == AccountKind.BALANCE,
            )
            .order_by(col(Entry.sequence).desc())
        )
    ).all()


async def top_up_of_invoice(session: AsyncSession, actor: Actor, invoice_id: str) -> Entry | None:
    """What an invoice for prepaid credit has put into its wallet."""
    return (
        await session.exec(
            select(Entry).where(
                Entry.organization_id == actor.organization_id,
                Entry.invoice_id == invoice_id,
                Entry.kind == AccountKind.WALLET,
                Entry.reason == WalletTransactionType.TOP_UP,
            )
        )
    ).first()


# Of one account. By time would be wrong: of two at once the later may have waited for the other.
NEWEST = Order((col(Entry.sequence),), descending=True)


async def pages_of_balances(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str], request: PageRequest
) -> dict[str, Page[Entry]]:
    """The same page of the movements of each customer's balance, newest first."""
    where = [
        col(Entry.organization_id) == actor.organization_id,
        col(Entry.kind) == AccountKind.BALANCE,
    ]
    return await read_pages(
        session, Entry, col(Entry.customer_id), customer_ids, where, NEWEST, request
    )


async def pages_of_wallets(
    session: AsyncSession, actor: Actor, wallet_ids: Sequence[str], request: PageRequest
) -> dict[str, Page[Entry]]:
    """The same page of each wallet's movements, newest first, through ix_entries_wallet."""
    where = [col(Entry.organization_id) == actor.organization_id]
    return await read_pages(
        session, Entry, col(Entry.wallet_id), wallet_ids, where, NEWEST, request
    )


async def counts_of_balances(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str]
) -> dict[str, int]:
    """How many movements each customer's balance had."""
    where = [
        col(Entry.organization_id) == actor.organization_id,
        col(Entry.kind) == AccountKind.BALANCE,
    ]
    return await read_counts(session, col(Entry.customer_id), customer_ids, where)


async def counts_of_wallets(
    session: AsyncSession, actor: Actor, wallet_ids: Sequence[str]
) -> dict[str, int]:
    """How many movements each wallet had."""
    where = [col(Entry.organization_id) == actor.organization_id]
    return await read_counts(session, col(Entry.wallet_id), wallet_ids, where)
