"""Reads payments and refunds."""

from collections.abc import Sequence
from decimal import Decimal

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.actor import Actor
from billing_gql.payments.tables import Payment, Refund
from billing_gql.store.columns import among


async def payments_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Payment]:
    """Those of the ids that are payments here."""
    mine = Payment.organization_id == actor.organization_id
    return (await session.exec(select(Payment).where(mine, among(col(Payment.id), ids)))).all()


async def payments_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[Payment]:
    """The invoices' payments, oldest first, failed attempts too."""
    return (
        await session.exec(
            select(Payment)
            .where(
                Payment.organization_id == actor.organization_id,
                among(col(Payment.invoice_id), invoice_ids),
            )
            .order_by(col(Payment.id))
        )
    ).all()


async def refunds_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Refund]:
    """Those of the ids that are refunds here."""
    mine = Refund.organization_id == actor.organization_id
    return (await session.exec(select(Refund).where(mine, among(col(Refund.id), ids)))).all()


async def refunds_of_credit_notes(
    session: AsyncSession, actor: Actor, credit_note_ids: Sequence[str]
) -> Sequence[Refund]:
    """The notes' refunds in the order in which they were made."""
    ids = among(col(Refund.credit_note_id), credit_note_ids)
    mine = Refund.organization_id == actor.organization_id
    return (await session.exec(select(Refund).where(mine, ids).order_by(col(Refund.id)))).all()


async def refunded_of_payments(
    session: AsyncSession, actor: Actor, payment_ids: Sequence[str]
) -> dict[str, Decimal]:
    """What has gone back of each payment; those of which nothing has are left out."""
    rows = await session.exec(
        select(col(Refund.payment_id), func.sum(Refund.amount))
        .where(
            Refund.organization_id == actor.organization_id,
            among(col(Refund.payment_id), payment_ids),
            Refund.state == PaymentState.SUCCEEDED,
        )
        .group_by(col(Refund.payment_id))
    )
    return {payment_id: Decimal(amount) for payment_id, amount in rows if payment_id}
