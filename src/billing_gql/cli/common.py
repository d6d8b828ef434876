"""What commands share: the settings' database, prepared, and how they talk to people."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from sqlmodel import select

from billing_gql.kernel.problems import NotFound
from billing_gql.logs import configure_logs
from billing_gql.observe.tracing import configure_tracing
from billing_gql.organizations.tables import Organization
from billing_gql.payments.providers import Providers, make_providers, make_stripe
from billing_gql.settings import Settings
from billing_gql.store.database import Database, DatabaseError
from billing_gql.store.migrate import is_current, migrate

T = TypeVar("T")

console = Console(stderr=True)
"""For people; stdout is for what programs read."""


def settle() -> None:
    """Tells the garbage collector that what there is stays: the code that was imported, the schema.

    Looking through it would hold up every request for 75 milliseconds each time, and the end of
    the process for 300. What comes later is looked at every 10,000 objects instead of every 700,
    which took 4 % of the processor's time.
    """
    gc.freeze()
    gc.set_threshold(10_000)


def say(message: str) -> None:
    """A line for people, as it is: what stands in brackets is no markup."""
    console.print(escape(message), highlight=False, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """Ends the command with exit status 1."""
    console.print(f"[red]billing-gql:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)


def progress_bar() -> Progress:
    """A bar on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def read_settings() -> Settings:
    """The settings, with logging and tracing set up; raises ValidationError."""
    settings = Settings()
    configure_logs(settings.log_format, settings.log_level)
    configure_tracing()
    return settings


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The server that the settings name, or the bundled one for as long as this is used."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    # Imported here: without the bundled server, its requirements are none of the command's.
    from billing_gql.store.embedded import default_data_dir, running_server

    with running_server(settings.data_dir or default_data_dir()) as url:
        yield url


def new_database(settings: Settings, url: str) -> Database:
    """A pool as the settings want it."""
    return Database(url, pool_size=settings.pool_size, statement_seconds=settings.statement_seconds)


@asynccontextmanager
async def open_database(settings: Settings, url: str) -> AsyncIterator[Database]:
    """The database, closed at the end."""
    database = new_database(settings, url)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """Who takes payments, as the settings say; closed at the end."""
    stripe = make_stripe(settings)
    try:
        yield make_providers(stripe)
    finally:
        if stripe is not None:
            await stripe.close()


async def prepare(database: Database, *, may_migrate: bool, remedy: str) -> None:
    """Raises DatabaseError unless the server answers and has, or is brought to, this schema."""
    await database.check_server()
    if may_migrate:
        await migrate(database)
    elif not await is_current(database):
        raise DatabaseError(f"The database does not have this version's schema. Run: {remedy}")


def run_command(
    work: Callable[[Settings, Database], Awaitable[T]], *, may_migrate: bool = False
) -> T:
    """Runs a command's work on an open, prepared database; the bundled one is migrated."""
    settings = read_settings()
    allowed = may_migrate or settings.database_url is None

    async def run(url: str) -> T:
        async with open_database(settings, url) as database:
            await prepare(database, may_migrate=allowed, remedy="billing-gql migrate")
            return await work(settings, database)

    with database_url(settings) as url:
        return asyncio.run(run(url))


async def existing_organization(database: Database, organization_id: str) -> Organization:
    """The organization of an id that somebody typed; raises NotFound."""
    async with database.snapshot() as session:
        wanted = select(Organization).where(Organization.id == organization_id)
        organization = (await session.exec(wanted)).first()
    if organization is None:
        raise NotFound.of("organization", organization_id)
    return organization
