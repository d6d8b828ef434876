"""Sets or removes the payment method of a customer."""

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer, PaymentProvider
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor


async def set_payment_method(
    session: AsyncSession,
    actor: Actor,
    customer_id: str,
    provider: PaymentProvider,
    token: str | None,
    payment_customer: str | None = None,
) -> Customer:
    """Stores the provider's own reference of a method; no token removes the one that is set.

    Invoices that are finalized from now on are collected with it; those that are open already wait
    for a retry. An attempt that is under way goes on with the method that it was started with.
    `check_method` must have answered for the token, with `payment_customer`. Raises NotFound.
    """
    customer = await lock_customer(session, actor, customer_id, "customerId")
    customer.payment_provider = None if token is None else provider
    customer.payment_token = token
    customer.payment_customer = None if token is None else payment_customer
    customer.updated_at = actor.now
    await session.flush()
    # Every verb that changes an invoice locks its customer first, so none of these is held.
    await session.exec(
        update(Invoice)
        .where(
            col(Invoice.organization_id) == actor.organization_id,
            col(Invoice.customer_id) == customer.id,
            col(Invoice.status).not_in([InvoiceStatus.DRAFT, InvoiceStatus.VOIDED]),
            col(Invoice.has_payment_method) != (token is not None),
        )
        .values(has_payment_method=token is not None)
    )
    return customer
