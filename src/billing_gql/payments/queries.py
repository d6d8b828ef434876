"""Reads payments."""

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.actor import Actor
from billing_gql.payments.tables import Payment


async def payments_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Payment]:
    """Those of the ids that are payments here."""
    mine = Payment.organization_id == actor.organization_id
    return (await session.exec(select(Payment).where(mine, col(Payment.id).in_(ids)))).all()


async def payments_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[Payment]:
    """The invoices' payments, oldest first, failed attempts too."""
    return (
        await session.exec(
            select(Payment)
            .where(
                Payment.organization_id == actor.organization_id,
                col(Payment.invoice_id).in_(invoice_ids),
            )
            .order_by(col(Payment.id))
        )
    ).all()
