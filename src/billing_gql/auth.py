"""From an Authorization header to the Actor that every verb takes."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.observe.scope import note_organization
from billing_gql.organizations.create import hash_key
from billing_gql.organizations.queries import organization_by_key
from billing_gql.organizations.tables import Organization


class Unauthenticated(Exception):
    """No key, or one that opens nothing; the message says what is expected."""


def bearer_key(header: str | None) -> str:
    """The key in `Authorization: Bearer …`; raises Unauthenticated."""
    scheme, _, key = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthenticated("Send your API key: `Authorization: Bearer sk_…`.")
    return key.strip()


async def authenticate(session: AsyncSession, header: str | None) -> Organization:
    """The organization of the request's key; raises Unauthenticated."""
    organization = await organization_by_key(session, hash_key(bearer_key(header)))
    if organization is None:
        raise Unauthenticated("This API key is not known here.")
    note_organization(organization.id)
    return organization
