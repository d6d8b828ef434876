"""Reads organizations."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.actor import Actor
from billing_gql.kernel.clock import clock_of
from billing_gql.organizations.tables import ApiKey, Organization, OrganizationMode


async def organization_of(session: AsyncSession, actor: Actor) -> Organization:
    """The actor's organization."""
    return (
        await session.exec(select(Organization).where(Organization.id == actor.organization_id))
    ).one()


async def lock_organization(session: AsyncSession, actor: Actor) -> Organization:
    """The same, locked for a change of its settings: readers of foreign keys pass."""
    return (
        await session.exec(
            select(Organization)
            .where(Organization.id == actor.organization_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).one()


async def organization_by_key(session: AsyncSession, key_hash: bytes) -> Organization | None:
    """The organization that an API key opens."""
    return (
        await session.exec(
            select(Organization)
            .join(ApiKey, ApiKey.organization_id == Organization.id)  # type: ignore[arg-type] # SQLModel types a comparison as bool
            .where(ApiKey.key_hash == key_hash)
        )
    ).first()


def actor_of(organization: Organization) -> Actor:
    """The organization as the one who acts, at its present."""
    return Actor(
        organization_id=organization.id,
        is_test=organization.mode is OrganizationMode.TEST,
        now=clock_of(organization.test_clock).now(),
    )
