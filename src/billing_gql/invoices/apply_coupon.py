"""Applies a coupon to a customer's coming invoices, to a draft, or to a line of a draft."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import find_coupon
from billing_gql.catalog.tables import Coupon
from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer
from billing_gql.invoices.add_up import add_up, open_grants
from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.applied import CouponGrant
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus
from billing_gql.invoices.store import lines_of, lock_invoice, require, state_problem
from billing_gql.invoices.tables import Invoice, LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import (
    AlreadyExists,
    CurrencyMismatch,
    InvalidInput,
    NotFound,
    TooManyItems,
)

MAX_GRANTS = 50
"""Of one customer's coming invoices, of one draft and of one line."""


async def apply_coupon(
    session: AsyncSession,
    actor: Actor,
    *,
    coupon_id: str,
    customer_id: str | None = None,
    invoice_id: str | None = None,
    line_item_id: str | None = None,
) -> CouponGrant:
    """Gives the coupon to exactly one of the three.

    A draft is summed up again at once; a customer's open drafts by the next billing run. One that
    is used up may be given again. Raises
    NotFound, InvalidInput, InvoiceStateProblem, CurrencyMismatch, AlreadyExists or TooManyItems.
    """
    if sum(one is not None for one in (customer_id, invoice_id, line_item_id)) != 1:
        raise InvalidInput(
            "Give exactly one of customerId, invoiceId and lineItemId.", ("customerId",)
        )
    if customer_id is not None:
        customer = await lock_customer(session, actor, customer_id, "customerId")
        coupon = await _coupon(session, actor, coupon_id, customer)
        customer.terms_generation += 1
        return await _grant(session, actor, coupon, customer, None, None)
    if line_item_id is not None:
        mine = (LineItem.organization_id == actor.organization_id, LineItem.id == line_item_id)
        invoice_id = (await session.exec(select(LineItem.invoice_id).where(*mine))).first()
        if invoice_id is None:
            raise NotFound.of("line item", line_item_id, "lineItemId")
    at = "invoiceId" if line_item_id is None else "lineItemId"
    customer, invoice = await lock_invoice(session, actor, invoice_id or "", at)
    require(invoice, InvoiceAction.UPDATE, actor.now, at)
    if invoice.status is not InvoiceStatus.DRAFT:
        raise state_problem(invoice, "Only a draft takes a coupon", actor.now, at)
    rows = await lines_of(session, invoice)
    if line_item_id is not None and all(row.id != line_item_id for row in rows):
        raise NotFound.of("line item", line_item_id, "lineItemId")  # deleted meanwhile
    coupon = await _coupon(session, actor, coupon_id, customer)
    grant = await _grant(session, actor, coupon, customer, invoice, line_item_id)
    await add_up(session, actor, customer, invoice, rows)
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.UPDATED)
    return grant


async def _coupon(
    session: AsyncSession, actor: Actor, coupon_id: str, customer: Customer
) -> Coupon:
    coupon = await find_coupon(session, actor, coupon_id)
    if coupon is None:
        raise NotFound.of("coupon", coupon_id, "couponId")
    if coupon.currency is not None and coupon.currency != customer.currency:
        raise CurrencyMismatch(
            f"The coupon is in {coupon.currency}, the customer in {customer.currency}.",
            ("couponId",),
        )
    return coupon


async def grant_coupon(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice, coupon_id: str
) -> None:
    """Gives a coupon to a new draft, whose sums the caller then makes. Raises as `apply_coupon`."""
    coupon = await _coupon(session, actor, coupon_id, customer)
    await _grant(session, actor, coupon, customer, invoice, None)


async def _grant(
    session: AsyncSession,
    actor: Actor,
    coupon: Coupon,
    customer: Customer,
    invoice: Invoice | None,
    line_item_id: str | None,
) -> CouponGrant:
    invoice_id = None if invoice is None else invoice.id
    there = [
        grant
        for grant in await open_grants(session, actor, customer, invoice_id)
        if (grant.invoice_id, grant.line_item_id) == (invoice_id, line_item_id)
    ]
    if any(grant.coupon_id == coupon.id for grant in there):
        raise AlreadyExists(f"The coupon {coupon.code!r} is applied there already.", ("couponId",))
    if len(there) >= MAX_GRANTS:
        raise TooManyItems(f"At most {MAX_GRANTS} coupons are applied there.", ("couponId",))
    grant = CouponGrant(
        organization_id=actor.organization_id,
        coupon_id=coupon.id,
        customer_id=customer.id,
        invoice_id=invoice_id,
        line_item_id=line_item_id,
        created_at=actor.now,
    )
    session.add(grant)
    await session.flush()
    return grant
