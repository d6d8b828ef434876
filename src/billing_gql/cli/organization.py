"""`organization create` and `key create`: JSON on stdout, and nothing else there."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from billing_gql.cli.common import existing_organization, run_command
from billing_gql.kernel.problems import InvalidInput
from billing_gql.organizations.create import create_key, create_organization
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.settings import Settings
from billing_gql.store.database import Database


class Mode(StrEnum):
    """An organization's mode, as one types it."""

    TEST = "test"
    LIVE = "live"


def organization_create(
    name: Annotated[str, typer.Option(help="Shown on invoices.")],
    timezone: Annotated[str, typer.Option(help="IANA zone, like America/New_York.")],
    currency: Annotated[str, typer.Option(help="ISO 4217, like USD.")],
    mode: Annotated[Mode, typer.Option(help="live bills for real.")] = Mode.TEST,
    clock: Annotated[
        str | None, typer.Option(help="A TEST organization's present, like 2026-01-01T00:00:00Z.")
    ] = None,
) -> None:
    """Make an organization with a key; prints JSON with organizationId and apiKey."""
    present = None if clock is None else _instant(clock)

    async def work(_: Settings, database: Database) -> dict[str, str]:
        async with database.transaction() as session:
            organization = await create_organization(
                session,
                name=name,
                mode=OrganizationMode(mode.value.upper()),
                timezone=timezone,
                currency=currency,
                clock=present,
            )
            return {
                "organizationId": organization.id,
                "apiKey": await create_key(session, organization),
            }

    typer.echo(msgspec.json.encode(run_command(work)).decode())


def key_create(organization: Annotated[str, typer.Option(help="The organization's id.")]) -> None:
    """Make another key; prints JSON with organizationId and apiKey."""

    async def work(_: Settings, database: Database) -> dict[str, str]:
        found = await existing_organization(database, organization)
        async with database.transaction() as session:
            return {"organizationId": found.id, "apiKey": await create_key(session, found)}

    typer.echo(msgspec.json.encode(run_command(work)).decode())


def _instant(clock: str) -> datetime:
    try:
        return datetime.fromisoformat(clock)
    except ValueError:
        raise InvalidInput(
            f"{clock!r} is no instant, like 2026-01-01T00:00:00Z.", ("clock",)
        ) from None
