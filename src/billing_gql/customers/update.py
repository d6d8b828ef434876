"""Changes a customer."""

from typing import TypedDict

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.create import terms_of
from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.address import Address


class CustomerChanges(TypedDict, total=False):
    """What may be changed; what is absent stays."""

    name: str
    email: str | None
    timezone: str
    address: Address | None
    tax_identifier: str | None
    language: str | None
    net_payment_term_days: int | None
    metadata: object


async def update_customer(
    session: AsyncSession, actor: Actor, customer_id: str, changes: CustomerChanges
) -> Customer:
    """Stores the changes.

    A new zone holds for the invoices and subscriptions made from now on: the periods of a running
    subscription stay as they are cut.
    """
    customer = await lock_customer(session, actor, customer_id, "customerId")
    if "name" in changes:
        customer.name = checks.text(changes["name"], "name")
    if "email" in changes:
        customer.email = checks.email(changes["email"], "email")
    if "timezone" in changes:
        customer.timezone = checks.timezone(changes["timezone"], "timezone")
    if "address" in changes:
        customer.address = checks.address(changes["address"], "address")
    if "tax_identifier" in changes:
        customer.tax_identifier = checks.optional_text(changes["tax_identifier"], "taxIdentifier")
    if "language" in changes:
        language = changes["language"]
        customer.language = None if language is None else checks.language(language, "language")
    if "net_payment_term_days" in changes:
        customer.net_payment_term_days = terms_of(changes["net_payment_term_days"])
    if "metadata" in changes:
        metadata = changes["metadata"]
        customer.metadata_ = {} if metadata is None else checks.metadata(metadata, "metadata")
    customer.updated_at = actor.now
    await session.flush()
    return customer
