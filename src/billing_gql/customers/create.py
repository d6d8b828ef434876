"""Makes a customer."""

import re

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Address, Customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AlreadyExists, InvalidInput
from billing_gql.organizations.queries import organization_of
from billing_gql.store.series import next_number


async def create_customer(
    session: AsyncSession,
    actor: Actor,
    *,
    external_id: str,
    name: str,
    email: str | None = None,
    currency: str | None = None,
    timezone: str | None = None,
    address: Address | None = None,
    tax_identifier: str | None = None,
    net_payment_term_days: int | None = None,
    metadata: object = None,
) -> Customer:
    """A new customer; currency and zone default to the organization's. The currency stays."""
    organization = await organization_of(session, actor)
    customer = Customer(
        organization_id=actor.organization_id,
        sequence=0,
        external_id=checks.text(external_id, "externalId"),
        name=checks.text(name, "name"),
        email=email_of(email),
        currency=checks.currency(
            organization.default_currency if currency is None else currency, "currency"
        ),
        timezone=checks.timezone(
            organization.timezone if timezone is None else timezone, "timezone"
        ),
        address=address_of(address),
        tax_identifier=checks.optional_text(tax_identifier, "taxIdentifier"),
        net_payment_term_days=terms_of(net_payment_term_days),
        metadata_={} if metadata is None else checks.metadata(metadata, "metadata"),
        created_at=actor.now,
        updated_at=actor.now,
    )
    # Two of the same external id at once: the second waits here for the first, then finds it.
    customer.sequence = await next_number(session, actor.organization_id, "customers")
    taken = select(Customer.id).where(
        Customer.organization_id == actor.organization_id, Customer.external_id == external_id
    )
    if (await session.exec(taken)).first() is not None:
        raise AlreadyExists(f"A customer {external_id!r} exists already.", ("externalId",))
    session.add(customer)
    await session.flush()
    return customer


def email_of(value: str | None) -> str | None:
    """An address with one @ and no blanks: whether it takes mail, only mail can tell."""
    if value is not None and (
        len(value) > 254 or not re.fullmatch(r"[^@\s\x00]+@[^@\s\x00]+", value)
    ):
        raise InvalidInput(f"{value[:60]!r} is not an e-mail address.", ("email",))
    return value


def terms_of(value: int | None) -> int | None:
    """Days to pay; None takes the organization's."""
    return None if value is None else checks.whole_days(value, "netPaymentTermDays", most=365)


def address_of(address: Address | None) -> Address | None:
    """An address whose lines are short and whose country is a code of two letters."""
    if address is None:
        return None
    for name in ("line1", "line2", "city", "region"):
        checks.optional_text(getattr(address, name), "address", name)
    checks.optional_text(address.postal_code, "address", "postalCode", most=32)
    if address.country is not None and not re.fullmatch(r"[A-Z]{2}", address.country):
        raise InvalidInput(
            "Must be an ISO 3166-1 code of two capital letters, like 'US'.", ("address", "country")
        )
    return address
