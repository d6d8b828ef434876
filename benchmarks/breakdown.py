"""A month's usage by one property: from day roll-ups and from raw events, beside DuckDB.

DuckDB holds the same events in a table of its own, in this process, and answers from memory with
SUM and COUNT by the property, for the same customer and period. Answers are compared before any is
timed; then all take turns. DuckDB is none of the project's packages:

    .venv/bin/pip install duckdb
    .venv/bin/python benchmarks/breakdown.py [--zone UTC] [--events 400000] [--url postgresql://…]
"""

import argparse
import asyncio
import csv
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
from sqlalchemy import event, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select

from billing_gql.billing_runs.run import run_due
from billing_gql.catalog.create_feature import create_feature
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.customers.create import create_customer
from billing_gql.invoices.breakdown import Breakdown, break_down, line_slices
from billing_gql.invoices.tables import LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.rating.models import PerUnit
from billing_gql.store.database import Database
from billing_gql.store.embedded import running_server
from billing_gql.store.migrate import migrate
from billing_gql.subscriptions.create import create_subscription
from billing_gql.usage.aggregate import aggregate
from billing_gql.usage.ingest import NewEvent, ingest
from billing_gql.usage.meters import parse_group_keys

try:
    import duckdb
except ImportError:
    sys.exit("DuckDB is missing, the floor of this benchmark: .venv/bin/pip install duckdb")

BATCH = 2_000
CONNECTIONS = 2
SEED = 7
REGIONS = [f"region-{number:02}" for number in range(100)]
SOURCES = ("web", "batch", "partner")
STARTS, DAYS = datetime(2025, 12, 31, tzinfo=UTC), 33
"""A month of any zone, and a day or so around it."""
KEYS = parse_group_keys(["properties.region"])
QUESTION = """
SELECT region, sum(gb), count(*) FROM events
WHERE customer = ? AND happened >= ? AND happened < ? GROUP BY region"""

Sums = dict[str, tuple[Decimal, int]]


@dataclass(frozen=True)
class Billed:
    """The line that is broken down."""

    database: Database
    actor: Actor
    line: LineItem
    feature: Feature

    async def break_down(self, recalculate: bool = False) -> Breakdown:
        """As the API does it: in a snapshot of its own."""
        lines = [(self.line, self.feature)]
        async with self.database.snapshot() as session:
            (found,) = await break_down(session, self.actor, lines, KEYS, recalculate=recalculate)
        assert isinstance(found, Breakdown)
        return found

    async def from_events(self) -> Sums:
        """The groups from raw events, without rating."""
        slices = line_slices(0, self.line, self.feature)
        async with self.database.snapshot() as session:
            rows = await aggregate(
                session, self.actor.organization_id, slices, KEYS, from_events=True
            )
        return {str(row.group[0]): (row.quantity, row.event_count) for row in rows}


def make_events(count: int) -> list[NewEvent]:
    """Events in order of time: some regions much busier than others, every tenth of a neighbour."""
    random = Random(SEED)  # noqa: S311 # the same events each time
    weights = [1 / (place + 5) for place in range(len(REGIONS))]
    step = timedelta(days=DAYS) / count
    return [
        NewEvent(
            transaction_id=f"event-{number:07}",
            event_name="transfer",
            external_customer_id="acme" if number % 10 else "neighbour",
            timestamp=STARTS + step * number,
            source=random.choice(SOURCES),
            properties={"region": region, "gb": Decimal(random.randrange(1, 50_000)).scaleb(-3)},
        )
        for number, region in enumerate(random.choices(REGIONS, weights, k=count))
    ]


async def make_company(database: Database, zone: str) -> tuple[Actor, Feature]:
    """Two customers who pay by the gigabyte from January on; it is February."""
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name="Bench",
            mode=OrganizationMode.TEST,
            timezone=zone,
            currency="USD",
            clock=datetime(2026, 2, 2, tzinfo=UTC),
        )
        actor = actor_of(organization)
        feature = await create_feature(
            session,
            actor,
            key="transfer",
            name="Transfer",
            event_name=None,
            aggregation=Aggregation.SUM,
            value_property="gb",
            dimensions=["region"],
        )
        plan = await create_plan(
            session,
            actor,
            key="metered",
            name="Metered",
            currency="USD",
            billing_period=BillingPeriod.MONTHLY,
            prices=[NewPrice("GB", feature.id, BillingCadence.ARREARS, PerUnit(Decimal("0.0173")))],
        )
        for name in ("acme", "neighbour"):
            customer = await create_customer(session, actor, external_id=name, name=name)
            await create_subscription(
                session,
                actor,
                customer_id=customer.id,
                plan_id=plan.id,
                started_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
            )
    return actor, feature


async def load(database: Database, actor: Actor, events: Sequence[NewEvent]) -> None:
    """Stores the events in batches, in about their order."""
    starts = iter(range(0, len(events), BATCH))

    async def store_one_after_another() -> None:
        for start in starts:
            batch = events[start : start + BATCH]
            async with database.transaction() as session:
                report = await ingest(session, actor, enumerate(batch))
            assert report.accepted == len(batch)

    start = time.perf_counter()
    await asyncio.gather(*(store_one_after_another() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - start
    print(
        f"{len(events):,} events stored in {seconds:.0f} s, {len(events) / seconds:,.0f} a second"
    )


async def bill(database: Database, actor: Actor, feature: Feature) -> Billed:
    """Bills January and tidies up, as autovacuum would in time; the line of the customer."""
    await run_due(database, actor.organization_id, SANDBOX_ONLY)
    async with database.engine.execution_options(
        isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
    async with database.snapshot() as session:
        lines = (await session.exec(select(LineItem).order_by(col(LineItem.amount)))).all()
    return Billed(database, actor, lines[-1], feature)


def load_duckdb(events: Sequence[NewEvent], folder: Path) -> duckdb.DuckDBPyConnection:
    """The same events in DuckDB's own table; times are in UTC."""
    file = folder / "events.csv"
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        for one in events:
            assert one.timestamp is not None and one.properties is not None
            at = one.timestamp.replace(tzinfo=None).isoformat()
            region, gb = one.properties["region"], one.properties["gb"]
            writer.writerow((one.external_customer_id, at, one.source, region, gb))
    connection = duckdb.connect()
    columns = (
        "customer VARCHAR, happened TIMESTAMP, source VARCHAR, region VARCHAR, gb DECIMAL(18, 3)"
    )
    connection.execute(f"CREATE TABLE events ({columns})")
    connection.execute(f"COPY events FROM '{file}'")
    return connection


def ask_duckdb(connection: duckdb.DuckDBPyConnection, line: LineItem) -> Sums:
    """DuckDB's groups for the line's period."""
    assert line.period_start is not None and line.period_end is not None
    period = [
        at.astimezone(UTC).replace(tzinfo=None) for at in (line.period_start, line.period_end)
    ]
    rows = connection.execute(QUESTION, ["acme", *period]).fetchall()
    return {region: (total, count) for region, total, count in rows}


def sums(found: Breakdown) -> Sums:
    """What a breakdown says of each group."""
    return {str(one.values[0]): (one.usage, one.event_count) for one in found.groups}


async def bare_statement(billed: Billed, url: str) -> tuple[asyncpg.Connection, Any, Any]:
    """A connection of asyncpg's own with the breakdown's statement prepared, and its values."""
    seen: list[tuple[str, Any]] = []

    def remember(*args: Any) -> None:
        seen.append((args[2], args[3]))

    engine = billed.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", remember)
    await billed.break_down()
    event.remove(engine, "before_cursor_execute", remember)
    parsed = make_url(url)
    connection = await asyncpg.connect(
        host=parsed.query.get("host") or parsed.host,
        port=parsed.port,
        user=parsed.username,
        password=parsed.password,
        database=parsed.database,
        server_settings={"jit": "off", "timezone": "UTC"},
    )
    ((statement, values),) = seen
    return connection, await connection.prepare(statement), values


async def compare(billed: Billed, floor: Any, url: str, repetitions: int) -> None:
    """Prints the medians of all, taking turns, once all have given the same answer."""
    connection, statement, values = await bare_statement(billed, url)

    async def in_duckdb() -> Sums:
        return ask_duckdb(floor, billed.line)

    async def in_sql() -> Sums:
        return {row[1]: (row[2], row[3]) for row in await statement.fetch(*values)}

    async def rolled_up() -> Sums:
        return sums(await billed.break_down())

    async def recalculated() -> Sums:
        return sums(await billed.break_down(recalculate=True))

    ways: dict[str, tuple[Callable[[], Awaitable[Sums]], int]] = {
        "DuckDB": (in_duckdb, 1),
        "day roll-ups, the statement": (in_sql, 1),
        "day roll-ups, the whole verb": (rolled_up, 1),
        "raw events, grouped": (billed.from_events, 50),
        "raw events, the whole verb": (recalculated, 50),
    }
    wanted = await in_duckdb()
    assert len(wanted) == len(REGIONS)
    for name, (way, _) in ways.items():
        assert await way() == wanted, name
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-repetitions // 10, repetitions):
        for name, (way, every) in ways.items():
            if turn % every == 0:
                start = time.perf_counter()
                await way()
                if turn >= 0:
                    taken[name].append((time.perf_counter() - start) * 1000)
    await connection.close()
    print_table(taken)


def print_table(taken: dict[str, list[float]]) -> None:
    """Milliseconds, and each median as a multiple of DuckDB's."""
    print(f"{'':30}{'median':>10}{'fastest':>10}{'x DuckDB':>10}")
    floor = statistics.median(taken["DuckDB"])
    for name, figures in taken.items():
        median = statistics.median(figures)
        print(f"{name:30}{median:>7.2f} ms{min(figures):>7.2f} ms{median / floor:>10.2f}")


async def run(server: str, given: argparse.Namespace, folder: Path) -> None:
    """Makes a database, fills it, compares, and drops it."""
    name = f"bench_{time.time_ns()}"
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    admin = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(admin.dispose)
        async with admin.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            database = Database(url, statement_seconds=60)
            await migrate(database)
            events = make_events(given.events * 10 * DAYS // (9 * 31))
            actor, feature = await make_company(database, given.zone)
            await load(database, actor, events)
            billed = await bill(database, actor, feature)
            print(f"{given.zone}: {billed.line.event_count:,} events on the line")
            await compare(billed, load_duckdb(events, folder), url, given.repetitions)
            await database.close()
        finally:
            async with admin.connect() as connection:
                await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def main() -> None:
    """Reads the arguments and finds a server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--zone", default="America/New_York")
    parser.add_argument("--events", type=int, default=400_000, help="of the customer's month")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--url", help="postgresql+asyncpg://…; by default the bundled server")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="billing-gql-bench-"))
    folder.chmod(0o755)  # the server's own user must get in where we are root
    server = (
        nullcontext(given.url) if given.url else running_server(folder / "server", durable=False)
    )
    try:
        with server as url:
            asyncio.run(run(url, given, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
