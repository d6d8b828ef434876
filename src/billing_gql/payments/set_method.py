"""Sets or removes the payment method of a customer."""

import re

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer, PaymentProvider
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput
from billing_gql.payments.providers.sandbox import TOKENS

CARD_NUMBER = re.compile(r"[\d\s-]{12,}")


async def set_payment_method(
    session: AsyncSession,
    actor: Actor,
    customer_id: str,
    provider: PaymentProvider,
    token: str | None,
) -> Customer:
    """Stores the provider's own reference of a method; no token removes the one that is set.

    Invoices that are finalized from now on are collected with it; those that are open already wait
    for a retry. An attempt that is under way goes on with the method that it was started with.
    Raises NotFound or InvalidInput.
    """
    if token is not None:
        _check(actor, provider, token)
    customer = await lock_customer(session, actor, customer_id, "customerId")
    customer.payment_provider = None if token is None else provider
    customer.payment_token = token
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


def _check(actor: Actor, provider: PaymentProvider, token: str) -> None:
    """Raises InvalidInput. A token that looks like a card's number is not repeated."""
    if provider is PaymentProvider.MANUAL:
        raise InvalidInput(
            "MANUAL payments are recorded with paymentRecord: no method takes them.", ("provider",)
        )
    if not actor.is_test:
        raise InvalidInput(
            "SANDBOX moves no money: it is for TEST organizations only.", ("provider",)
        )
    checks.text(token, "token")
    if CARD_NUMBER.fullmatch(token):
        raise InvalidInput(
            "This looks like a card's number. Send the provider's token.", ("token",)
        )
    if token not in TOKENS:
        raise InvalidInput(f"The SANDBOX knows {', '.join(TOKENS)}, not {token!r}.", ("token",))
