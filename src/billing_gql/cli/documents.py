"""`documents register`, `list` and `remove`: what front ends may run by its id."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from billing_gql.cli.common import run_command, say
from billing_gql.cli.read_documents import Given, read_documents
from billing_gql.kernel.clock import WallClock
from billing_gql.kernel.problems import InvalidInput
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.trusted_documents import (
    NewDocument,
    Registered,
    register,
    registered,
    remove,
)

if TYPE_CHECKING:
    from billing_gql.graph.read_document import Documents

SHOWN = 20
"""Faults that are told one by one."""


def documents_register(
    files: Annotated[
        list[Path],
        typer.Argument(help="Documents, .graphql; or manifests of Relay, Apollo, Codegen, .json."),
    ],
) -> None:
    """Register documents, all of the files or none; prints a line of JSON for each, with its id."""
    given = [one for file in files for one in read_documents(file)]

    async def work(settings: Settings, database: Database) -> frozenset[str]:
        # Slow, and for this command alone.
        from billing_gql.graph.limits import Limits
        from billing_gql.graph.read_document import Documents
        from billing_gql.graph.schema import make_schema

        schema = make_schema()._schema
        documents = Documents(schema, Limits.of(settings), introspection=settings.introspection)
        checked = check(documents, given)
        return await database.work(lambda session: register(session, checked, WallClock().now()))

    fresh = run_command(work)
    for one in given:
        _print({"id": one.id, "from": one.place, "isNew": one.id in fresh})
    there = len({one.id for one in given}) - len(fresh)
    say(f"{len(fresh)} registered, {there} there already.")


def documents_list() -> None:
    """Print every registered document as a line of JSON, by id."""

    async def work(_: Settings, database: Database) -> list[Registered]:
        async with database.snapshot() as session:
            return await registered(session)

    for one in run_command(work):
        _print(
            {
                "id": one.id,
                "operations": one.operations,
                "characters": one.characters,
                "registeredAt": one.at,
            }
        )


def documents_remove(
    ids: Annotated[list[str], typer.Argument(help="As `list` prints them.")],
) -> None:
    """Remove documents, all of them or none. Services that run forget them within 60 seconds."""

    async def work(_: Settings, database: Database) -> None:
        await database.work(lambda session: remove(session, ids))

    run_command(work)
    say(f"{len(set(ids))} removed. A service that has used one lately runs it for 60 seconds more.")


def check(documents: "Documents", given: Sequence[Given]) -> list[NewDocument]:
    """The documents, held against the schema and the limits; raises InvalidInput."""
    from billing_gql.graph.check_documents import faults_of

    checked = []
    faults = []
    for one in given:
        names, wrong = faults_of(documents, one.text, one.operation)
        faults += [f"{one.place}: {fault}" for fault in wrong]
        checked.append(NewDocument(one.id, one.text, names))
    if faults:
        more = [f"… and {len(faults) - SHOWN} more."] if len(faults) > SHOWN else []
        raise InvalidInput("\n".join(["Nothing was registered.", *faults[:SHOWN], *more]))
    return checked


def _print(value: dict[str, object]) -> None:
    typer.echo(msgspec.json.encode(value).decode())
