"""Makes an organization, and keys to it."""

import hashlib
import re
import secrets
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel import checks
from billing_gql.kernel.clock import WallClock
from billing_gql.kernel.problems import InvalidState
from billing_gql.organizations.tables import ApiKey, Organization, OrganizationMode


async def create_organization(
    session: AsyncSession,
    *,
    name: str,
    mode: OrganizationMode,
    timezone: str,
    currency: str,
    clock: datetime | None = None,
) -> Organization:
    """A new organization; `clock` sets the test clock of a TEST one."""
    if clock is not None and mode is not OrganizationMode.TEST:
        raise InvalidState("Only a TEST organization has a clock of its own.", ("clock",))
    organization = Organization(
        name=checks.text(name, "name"),
        mode=mode,
        timezone=checks.timezone(timezone, "timezone"),
        default_currency=checks.currency(currency, "currency"),
        invoice_prefix=prefix_of(name),
        test_clock=None if clock is None else checks.instant(clock, "clock"),
        created_at=WallClock().now(),
    )
    session.add(organization)
    await session.flush()
    return organization


def prefix_of(name: str) -> str:
    """The first three letters or digits of a name, for invoice numbers: "Acme Ltd" is ACM."""
    letters = re.sub(r"[^A-Z0-9]", "", name.upper())[:3]
    return letters if len(letters) == 3 else "INV"


async def create_key(session: AsyncSession, organization: Organization) -> str:
    """A new API key, to be shown once: only its hash is stored."""
    key = f"sk_{organization.mode.value.lower()}_{secrets.token_urlsafe(32)}"
    session.add(
        ApiKey(
            organization_id=organization.id, key_hash=hash_key(key), created_at=WallClock().now()
        )
    )
    await session.flush()
    return key


def hash_key(key: str) -> bytes:
    """SHA-256: a key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).digest()
