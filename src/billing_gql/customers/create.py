"""Makes a customer."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.address import Address
from billing_gql.kernel.problems import AlreadyExists
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
    language: str | None = None,
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
        email=checks.email(email, "email"),
        currency=checks.currency(
            organization.default_currency if currency is None else currency, "currency"
        ),
        timezone=checks.timezone(
            organization.timezone if timezone is None else timezone, "timezone"
        ),
        address=checks.address(address, "address"),
        tax_identifier=checks.optional_text(tax_identifier, "taxIdentifier"),
        language=None if language is None else checks.language(language, "language"),
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


def terms_of(value: int | None) -> int | None:
    """Days to pay; None takes the organization's."""
    return None if value is None else checks.whole_days(value, "netPaymentTermDays", most=365)
