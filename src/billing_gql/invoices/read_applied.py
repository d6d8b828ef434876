"""Reads what was taken off and put on invoices."""

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.applied import CouponApplication, InvoiceTax
from billing_gql.invoices.tables import LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.store.columns import among


async def coupons_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[CouponApplication]:
    """What coupons take off the invoices, in the order in which they do: those of lines first."""
    return (
        await session.exec(
            select(CouponApplication)
            .outerjoin(LineItem, col(LineItem.id) == col(CouponApplication.line_item_id))
            .where(
                CouponApplication.organization_id == actor.organization_id,
                among(col(CouponApplication.invoice_id), invoice_ids),
            )
            .order_by(
                col(CouponApplication.invoice_id),
                col(LineItem.position).asc().nulls_last(),
                col(CouponApplication.grant_id),
            )
        )
    ).all()


async def taxes_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[InvoiceTax]:
    """The taxes on the invoices, each invoice's in their order."""
    return (
        await session.exec(
            select(InvoiceTax)
            .where(
                InvoiceTax.organization_id == actor.organization_id,
                among(col(InvoiceTax.invoice_id), invoice_ids),
            )
            .order_by(col(InvoiceTax.invoice_id), col(InvoiceTax.position))
        )
    ).all()
