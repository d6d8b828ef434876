"""Tops a wallet up."""

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AmountOutOfRange, InvalidState
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import WalletTransactionType
from billing_gql.ledger.queries import lock_wallet, wallet_balances
from billing_gql.ledger.tables import Entry


async def top_up_wallet(
    session: AsyncSession, actor: Actor, wallet_id: str, amount: Decimal
) -> Entry:
    """Adds an amount above 0. Raises NotFound, AmountOutOfRange, or InvalidState once expired."""
    customer, wallet = await lock_wallet(session, actor, wallet_id, "walletId")
    amount = checks.amount(amount, wallet.currency, "amount")
    if wallet.expires_at is not None and wallet.expires_at <= actor.now:
        raise InvalidState(f"The wallet expired at {wallet.expires_at.isoformat()}.", ("walletId",))
    before = (await wallet_balances(session, actor, [wallet.id])).get(wallet.id, Decimal(0))
    if before + amount >= checks.MAX_BALANCE:
        raise AmountOutOfRange(
            f"A wallet must stay below {checks.MAX_BALANCE:f} {wallet.currency}.", ("amount",)
        )
    return await post(
        session, actor, customer, WalletTransactionType.TOP_UP, amount, wallet_id=wallet.id
    )
