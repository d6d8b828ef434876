"""Tells the outbox what became of a wallet."""

from decimal import Decimal
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import zero
from billing_gql.ledger.postings import WalletTransactionType
from billing_gql.ledger.tables import Entry, Wallet
from billing_gql.store.outbox import emit
from billing_gql.store.subjects import Subject


class WalletEvent(StrEnum):
    """What becomes of a wallet."""

    CREATED = "wallet.created"
    TOPPED_UP = "wallet.topped_up"
    DRAWN = "wallet.drawn"
    RETURNED = "wallet.returned"
    EXPIRED = "wallet.expired"


MOVED = {
    WalletTransactionType.TOP_UP: WalletEvent.TOPPED_UP,
    WalletTransactionType.DRAW: WalletEvent.DRAWN,
    WalletTransactionType.RETURN: WalletEvent.RETURNED,
    WalletTransactionType.EXPIRY: WalletEvent.EXPIRED,
}
"""The event of each movement of a wallet."""


async def announce_movement(session: AsyncSession, actor: Actor, entry: Entry) -> None:
    """The event of a movement; one of a balance has none."""
    if entry.wallet_id is not None:
        await _announce(
            session,
            actor,
            entry.wallet_id,
            MOVED[WalletTransactionType(entry.reason)],
            entry.customer_id,
            entry.currency,
            amount=entry.amount,
            balance=entry.ending_balance,
            invoice_id=entry.invoice_id,
        )


async def announce_wallet(
    session: AsyncSession, actor: Actor, wallet: Wallet, what: WalletEvent
) -> None:
    """The event of a wallet that is empty: made, or expired with nothing in it."""
    nothing = zero(wallet.currency)
    await _announce(
        session,
        actor,
        wallet.id,
        what,
        wallet.customer_id,
        wallet.currency,
        amount=nothing,
        balance=nothing,
    )


async def _announce(
    session: AsyncSession,
    actor: Actor,
    wallet_id: str,
    what: WalletEvent,
    customer_id: str,
    currency: str,
    *,
    amount: Decimal,
    balance: Decimal,
    invoice_id: str | None = None,
) -> None:
    await emit(
        session,
        actor,
        Subject.WALLET,
        wallet_id,
        what.value,
        {
            "customerId": customer_id,
            "currency": currency,
            "amount": f"{amount:f}",
            "balance": f"{balance:f}",
        },
        invoice_id=invoice_id,
    )
