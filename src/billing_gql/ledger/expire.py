"""Takes off what is left in a wallet when it expires."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.announce import WalletEvent, announce_wallet
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import WalletTransactionType
from billing_gql.ledger.queries import wallet_balances
from billing_gql.ledger.tables import Wallet


async def expire_wallet(
    session: AsyncSession, actor: Actor, customer: Customer, wallet: Wallet
) -> None:
    """Empties the wallet for good. Customer and wallet must be locked."""
    left = (await wallet_balances(session, actor, [wallet.id])).get(wallet.id)
    if left:
        await post(
            session, actor, customer, WalletTransactionType.EXPIRY, -left, wallet_id=wallet.id
        )
    wallet.expired = True
    await session.flush()
    if not left:
        await announce_wallet(session, actor, wallet, WalletEvent.EXPIRED)
