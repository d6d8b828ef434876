"""The command line: `billing-gql …`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from sqlmodel import select

from billing_gql.app import make_app
from billing_gql.billing_runs.queries import failures, organizations_with_work
from billing_gql.billing_runs.run import run_due
from billing_gql.billing_runs.worker import work_for_ever
from billing_gql.demo.run import prepare_demo
from billing_gql.doctor import examine
from billing_gql.graph.graphiql import GraphiqlPage
from billing_gql.graph.schema import make_schema
from billing_gql.kernel.clock import WallClock
from billing_gql.kernel.problems import Problem
from billing_gql.logs import configure_logs
from billing_gql.organizations.create import create_key, create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization, OrganizationMode
from billing_gql.settings import Settings
from billing_gql.store.database import Database, DatabaseError
from billing_gql.store.migrate import is_current, migrate
from billing_gql.usage.ingest import IngestReport, NewEvent, ingest
from billing_gql.usage.read_events import CsvMapping, read_file

T = TypeVar("T")

app = typer.Typer(
    help="Usage billing with a GraphQL API. Without BILLING_GQL_DATABASE_URL every command starts,"
    " or joins, the bundled PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
organizations = typer.Typer(help="Organizations.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(organizations, name="organization")
app.add_typer(keys, name="key")

console = Console(stderr=True)
"""For people; stdout is for what programs read."""
BATCH = 2_000


class Mode(StrEnum):
    """An organization's mode, as one types it."""

    TEST = "test"
    LIVE = "live"


Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]


def main() -> None:
    """Runs a command; what goes wrong is told in a sentence, with exit status 1."""
    from billing_gql.store.embedded import EmbeddedServerError

    try:
        app()
    except (DatabaseError, EmbeddedServerError, OSError) as error:
        _fail(str(error))
    except Problem as problem:
        at = f" ({'.'.join(problem.field)})" if problem.field else ""
        _fail(problem.message + at)
    except ValidationError as error:
        _fail(
            "\n".join(
                f"BILLING_GQL_{one['loc'][0]}: {one['msg']}".upper() for one in error.errors()
            )
        )


def _fail(message: str) -> None:
    console.print(f"[red]billing-gql:[/] {message}", highlight=False, soft_wrap=True)
    sys.exit(1)


@contextmanager
def _database_url(settings: Settings) -> Iterator[str]:
    """The server that the settings name, or the bundled one for as long as this is used."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    # Imported here: without the bundled server, its requirements are none of the command's.
    from billing_gql.store.embedded import default_data_dir, running_server

    with running_server(settings.data_dir or default_data_dir()) as url:
        yield url


@asynccontextmanager
async def _open(settings: Settings, url: str) -> AsyncIterator[Database]:
    database = Database(
        url, pool_size=settings.pool_size, statement_seconds=settings.statement_seconds
    )
    try:
        yield database
    finally:
        await database.close()


async def _prepared(settings: Settings, database: Database, *, may_migrate: bool) -> None:
    """The server answers and has this version's schema; the bundled one is brought to it."""
    await database.check_server()
    if may_migrate or settings.database_url is None:
        await migrate(database)
    elif not await is_current(database):
        raise DatabaseError("The database has another version's schema. Run: billing-gql migrate")


def _run(work: Callable[[Settings, Database], Awaitable[T]], *, may_migrate: bool = False) -> T:
    """Runs a command's work on an open, prepared database."""
    settings = Settings()
    configure_logs(settings.log_format)

    async def run(url: str) -> T:
        async with _open(settings, url) as database:
            await _prepared(settings, database, may_migrate=may_migrate)
            return await work(settings, database)

    with _database_url(settings) as url:
        return asyncio.run(run(url))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _serve(settings: Settings, url: str, host: str, port: int, page: GraphiqlPage) -> None:
    database = Database(
        url, pool_size=settings.pool_size, statement_seconds=settings.statement_seconds
    )
    application = make_app(settings, database, with_worker=settings.database_url is None, page=page)
    uvicorn.run(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    may_migrate: Annotated[
        bool | None,
        typer.Option(
            "--migrate/--no-migrate",
            help="Bring the schema to this version first; by default only with the bundled server.",
        ),
    ] = None,
) -> None:
    """Serve the API; with the bundled server the worker runs in this process too."""
    settings = Settings()
    configure_logs(settings.log_format)

    async def prepare(url: str) -> None:
        async with _open(settings, url) as database:
            await database.check_server()
            if may_migrate or (may_migrate is None and settings.database_url is None):
                await migrate(database)
            elif not await is_current(database):
                raise DatabaseError(
                    "The database has another version's schema."
                    " Run: billing-gql migrate, or serve --migrate"
                )

    with _database_url(settings) as url:
        asyncio.run(prepare(url))
        console.print(f"Serving on http://{host}:{port}/graphql (Ctrl-C stops)", highlight=False)
        _serve(settings, url, host, port, GraphiqlPage())


@app.command()
def demo(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Load the demo company, bill its January, and serve it with GraphiQL."""
    settings = Settings()
    configure_logs(settings.log_format)

    async def prepare(url: str) -> GraphiqlPage:
        async with _open(settings, url) as database:
            await database.check_server()
            await migrate(database)
            with _progress() as progress:
                return await prepare_demo(database, progress)

    console.print("[bold]billing-gql[/]: 16 airlines, January 2013, every departure from New York")
    with _database_url(settings) as url:
        page = asyncio.run(prepare(url))
        console.print(
            f"\nGraphiQL:  [link]http://{host}:{port}/graphql[/link]   (Ctrl-C stops)\n"
            f"API key:   {page.key}\n",
            highlight=False,
            soft_wrap=True,
        )
        _serve(settings, url, host, port, page)


@app.command()
def worker() -> None:
    """Bill what falls due, for ever."""

    async def work(settings: Settings, database: Database) -> None:
        console.print("Working (Ctrl-C stops)")
        await work_for_ever(database, settings.worker_seconds)

    _run(work)


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database's schema to this version."""

    async def work(_: Settings, __: Database) -> None:
        console.print("The schema is this version's.")

    _run(work, may_migrate=True)


@app.command()
def bill(
    organization: Annotated[str | None, typer.Option(help="Only this organization's id.")] = None,
) -> None:
    """Bill what is due now, and say what could not be."""

    async def work(_: Settings, database: Database) -> int:
        async with database.snapshot() as session:
            due = await organizations_with_work(session, WallClock().now())
        wanted = [one for one in due if organization in (None, one)]
        drafted = finalized = 0
        with _progress() as progress:
            task = progress.add_task("Billing", total=len(wanted) or None)
            for organization_id in wanted:
                report = await run_due(
                    database,
                    organization_id,
                    progress=lambda now: progress.update(
                        task,
                        description=f"Billing: {now.drafted} drafted, {now.finalized} finalized",
                    ),
                )
                drafted += report.drafted
                finalized += report.finalized
                progress.advance(task)
        console.print(f"{drafted} drafted, {finalized} finalized.")
        async with database.snapshot() as session:
            failed = await failures(session, organization)
        for one in failed:
            console.print(f"[red]{one.subject_id}[/]: {one.message}", highlight=False)
        return len(failed)

    if _run(work):
        sys.exit(1)


@app.command("ingest")
def ingest_command(
    file: Annotated[Path, typer.Argument(help="NDJSON, or CSV by its name; .gz too.")],
    organization: Annotated[str, typer.Option(help="The organization's id.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="CSV: COLUMN=MEMBER, like carrier=externalCustomerId."),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", help="CSV: MEMBER=VALUE for every row, like eventName=departure."),
    ] = None,
) -> None:
    """Store the events of a file. Columns that are no member of an event become properties."""
    mapping = CsvMapping(columns=_pairs(column), constants=_pairs(constant))

    async def work(_: Settings, database: Database) -> IngestReport:
        return await _ingest_file(database, organization, file, mapping)

    report = _run(work)
    console.print(
        f"{report.accepted} stored, {report.duplicates} duplicates, {len(report.refused)} refused"
        + (f", {report.unmatched} with a name that no feature meters" if report.unmatched else "")
        + "."
    )
    for line, problem in report.refused[:20]:
        at = f" ({'.'.join(problem.field)})" if problem.field else ""
        console.print(f"  line {line}: {problem.message}{at}", highlight=False)
    if len(report.refused) > 20:
        console.print(f"  … and {len(report.refused) - 20} more.")
    if report.refused:
        sys.exit(1)


def _pairs(values: list[str] | None) -> dict[str, str]:
    pairs = {}
    for value in values or ():
        name, equals, meaning = value.partition("=")
        if not equals:
            raise typer.BadParameter(f"{value!r} must be NAME=VALUE.")
        pairs[name] = meaning
    return pairs


async def _ingest_file(
    database: Database, organization_id: str, file: Path, mapping: CsvMapping
) -> IngestReport:
    async with database.snapshot() as session:
        organization = (
            await session.exec(select(Organization).where(Organization.id == organization_id))
        ).first()
    if organization is None:
        raise DatabaseError(f"There is no organization {organization_id!r}.")
    actor = actor_of(organization)
    total = IngestReport()

    async def store(batch: list[tuple[int, NewEvent]]) -> None:
        report = await database.work(lambda session: ingest(session, actor, batch))
        total.accepted += report.accepted
        total.duplicates += report.duplicates
        total.unmatched += report.unmatched
        total.refused += report.refused

    with _progress() as progress:
        task = progress.add_task("Reading", total=None)
        batch: list[tuple[int, NewEvent]] = []
        for line, read in read_file(file, mapping):
            if isinstance(read, Problem):
                total.refused.append((line, read))
                continue
            batch.append((line, read))
            if len(batch) == BATCH:
                await store(batch)
                batch = []
                progress.update(task, description=f"Stored {total.accepted:,}")
        if batch:
            await store(batch)
        progress.update(task, description=f"Stored {total.accepted:,}", total=1, completed=1)
    total.refused.sort(key=lambda refusal: refusal[0])
    return total


@app.command()
def schema(
    check: Annotated[bool, typer.Option(help="Fail if schema.graphql is not up to date.")] = False,
    write: Annotated[bool, typer.Option(help="Write schema.graphql.")] = False,
) -> None:
    """Print the schema, or hold schema.graphql in this folder against it."""
    printed = make_schema().as_str() + "\n"
    file = Path("schema.graphql")
    if write:
        file.write_text(printed)
    elif check:
        if not file.exists() or file.read_text() != printed:
            _fail("schema.graphql is not what the code says. Run: make schema")
    else:
        typer.echo(printed, nl=False)


@app.command()
def doctor() -> None:
    """Look at the database, migrations, settings and worker, and say what to do."""
    settings = Settings()
    configure_logs(settings.log_format)

    async def look(url: str) -> bool:
        async with _open(settings, url) as database:
            findings = await examine(settings, database)
        for one in findings:
            mark = "[green]ok[/]" if one.ok else "[red]not ok[/]"
            console.print(f"{mark}  {one.subject}: {one.message}", highlight=False, soft_wrap=True)
            if one.remedy:
                console.print(f"    {one.remedy}", highlight=False, soft_wrap=True)
        return all(one.ok for one in findings)

    with _database_url(settings) as url:
        if not asyncio.run(look(url)):
            sys.exit(1)


@organizations.command("create")
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
    if clock is not None:
        try:
            present = datetime.fromisoformat(clock)
        except ValueError:
            raise typer.BadParameter("--clock must be ISO 8601 with an offset.") from None
    else:
        present = None

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

    typer.echo(msgspec.json.encode(_run(work)).decode())


@keys.command("create")
def key_create(organization: Annotated[str, typer.Option(help="The organization's id.")]) -> None:
    """Make another key; prints JSON with organizationId and apiKey."""

    async def work(_: Settings, database: Database) -> dict[str, str]:
        async with database.transaction() as session:
            found = await session.get(Organization, organization)
            if found is None:
                raise DatabaseError(f"There is no organization {organization!r}.")
            return {"organizationId": found.id, "apiKey": await create_key(session, found)}

    typer.echo(msgspec.json.encode(_run(work)).decode())
