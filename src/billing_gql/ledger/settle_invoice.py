"""Draws wallets and the balance for an invoice, and gives back all that it took."""

from collections.abc import Iterable
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import (
    AccountKind,
    BalanceTransactionReason,
    WalletTransactionType,
)
from billing_gql.ledger.tables import Entry, Wallet


async def draw_for_invoice(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    invoice_id: str,
    *,
    draws: Iterable[tuple[str, Decimal]],
    balance_applied: Decimal,
) -> None:
    """Posts what an invoice takes when it is finalized; `draws` are (wallet id, amount).

    A balance below 0, a debt, is taken over by the invoice. The customer must be locked.
    """
    for wallet_id, amount in draws:
        await post(
            session,
            actor,
            customer,
            WalletTransactionType.DRAW,
            -amount,
            wallet_id=wallet_id,
            invoice_id=invoice_id,
        )
    if balance_applied:
        await post(
            session,
            actor,
            customer,
            BalanceTransactionReason.APPLIED_TO_INVOICE,
            -balance_applied,
            invoice_id=invoice_id,
        )


async def give_back(
    session: AsyncSession, actor: Actor, customer: Customer, invoice_id: str
) -> None:
    """Reverses what the invoice took. What goes into an expired wallet expires again.

    The customer must be locked.
    """
    rows = await session.exec(
        select(Entry)
        .where(
            Entry.organization_id == actor.organization_id,
            Entry.invoice_id == invoice_id,
            col(Entry.reason).in_(
                [WalletTransactionType.DRAW, BalanceTransactionReason.APPLIED_TO_INVOICE]
            ),
            col(Entry.kind).in_([AccountKind.WALLET, AccountKind.BALANCE]),
        )
        .order_by(col(Entry.id))
    )
    for entry in rows.all():
        wallet_id = entry.wallet_id
        reason = (
            BalanceTransactionReason.RETURNED_BY_VOID
            if wallet_id is None
            else WalletTransactionType.RETURN
        )
        await post(
            session,
            actor,
            customer,
            reason,
            -entry.amount,
            wallet_id=wallet_id,
            invoice_id=invoice_id,
        )
        if wallet_id is not None:
            wallet = (await session.exec(select(Wallet).where(Wallet.id == wallet_id))).one()
            wallet.expired = False  # the billing run takes it off again if its time is over
    await session.flush()
