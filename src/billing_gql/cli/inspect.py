"""`migrate`, `schema` and `doctor`: what the database and the schema should be, and are."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from billing_gql.cli.common import (
    console,
    database_url,
    fail,
    open_database,
    read_settings,
    run_command,
    say,
)
from billing_gql.doctor import examine
from billing_gql.settings import Settings
from billing_gql.store.database import Database


def migrate_command() -> None:
    """Bring the database's schema to this version."""

    async def work(_: Settings, __: Database) -> None:
        say("The schema is this version's.")

    run_command(work, may_migrate=True)


def schema(
    check: Annotated[bool, typer.Option(help="Fail if schema.graphql is not up to date.")] = False,
    write: Annotated[bool, typer.Option(help="Write schema.graphql.")] = False,
    subgraph: Annotated[bool, typer.Option(help="Print what gateways compose.")] = False,
) -> None:
    """Print the schema, or hold schema.graphql in this folder against it."""
    from billing_gql.graph.schema import make_schema  # slow: for this command alone

    made = make_schema()
    printed = made.sdl
    file = Path("schema.graphql")
    if write:
        file.write_text(printed)
    elif check:
        if not file.exists() or file.read_text() != printed:
            fail("schema.graphql is not what the code says. Run: make schema")
    else:
        typer.echo(made.subgraph_sdl if subgraph else printed, nl=False)


def doctor() -> None:
    """Look at the database, migrations, settings and worker, and say what to do."""
    settings = read_settings()

    async def look(url: str) -> bool:
        async with open_database(settings, url) as database:
            findings = await examine(settings, database)
        for one in findings:
            mark = "[green]ok[/]" if one.ok else "[red]not ok[/]"
            console.print(
                f"{mark}  {one.subject}: {escape(one.message)}", highlight=False, soft_wrap=True
            )
            if one.remedy:
                say(f"    {one.remedy}")
        return all(one.ok for one in findings)

    with database_url(settings) as url:
        if not asyncio.run(look(url)):
            sys.exit(1)
