"""Tops a wallet up: at once, or once the invoice for it is paid."""

from decimal import Decimal
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AmountOutOfRange, InvalidState
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import BalanceTransactionReason, WalletTransactionType
from billing_gql.ledger.queries import lock_wallet, wallet_balances, wallets_by_ids
from billing_gql.ledger.tables import Entry, Wallet


class WalletTopUpPayment(StrEnum):
    """What is asked for prepaid credit: nothing here, or an invoice's payment."""

    GRANTED = "GRANTED"
    INVOICED = "INVOICED"


async def top_up_wallet(
    session: AsyncSession, actor: Actor, wallet_id: str, amount: Decimal
) -> Entry:
    """Adds an amount above 0. Raises NotFound, AmountOutOfRange, or InvalidState once expired."""
    customer, wallet = await lock_wallet(session, actor, wallet_id, "walletId")
    amount = await checked_top_up(session, actor, wallet, amount)
    return await post(
        session, actor, customer, WalletTransactionType.TOP_UP, amount, wallet_id=wallet.id
    )


async def checked_top_up(
    session: AsyncSession, actor: Actor, wallet: Wallet, amount: Decimal
) -> Decimal:
    """The amount in the wallet's currency, if the locked wallet may be topped up with it.

    Raises AmountOutOfRange, or InvalidState once the wallet has expired.
    """
    amount = checks.amount(amount, wallet.currency, "amount")
    if wallet.expires_at is not None and wallet.expires_at <= actor.now:
        raise InvalidState(f"The wallet expired at {wallet.expires_at.isoformat()}.", ("walletId",))
    before = (await wallet_balances(session, actor, [wallet.id])).get(wallet.id, Decimal(0))
    if before + amount >= checks.MAX_BALANCE:
        raise AmountOutOfRange(
            f"A wallet must stay below {checks.MAX_BALANCE:f} {wallet.currency}.", ("amount",)
        )
    return amount


async def top_up_as_paid(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    *,
    wallet_id: str,
    invoice_id: str,
    amount: Decimal,
) -> Entry:
    """Puts what an invoice was paid for into its wallet; into the balance if that has expired.

    Nothing is refused: the money is there. The customer must be locked. A unique index refuses
    the same invoice a second time.
    """
    (wallet,) = await wallets_by_ids(session, actor, [wallet_id])
    if wallet.expires_at is not None and wallet.expires_at <= actor.now:
        return await post(
            session,
            actor,
            customer,
            BalanceTransactionReason.EXPIRED_WALLET,
            amount,
            invoice_id=invoice_id,
        )
    return await post(
        session,
        actor,
        customer,
        WalletTransactionType.TOP_UP,
        amount,
        wallet_id=wallet.id,
        invoice_id=invoice_id,
    )
