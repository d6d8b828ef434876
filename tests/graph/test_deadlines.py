"""A request ends in time, with what it runs in the database; what is known of it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text

from billing_gql.app import make_app
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from tests.serving import serving
from tests.support import Api, Json

READ = '{ customer(externalId: "acme") { name } }'
LOADED = "{ organization { name } invoices(first: 5) { nodes { customer { name } } } }"
CREATE = """mutation {
  first: organizationUpdate(input: {name: "Renamed"}) { organization { name } }
  second: customerCreate(input: {externalId: "late", name: "Late"}) { customer { id } }
  third: organizationUpdate(input: {name: "Never"}) { organization { name } }
}"""
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock'"
)


@asynccontextmanager
async def locked(database: Database, mode: str = "ACCESS EXCLUSIVE") -> AsyncIterator[None]:
    """Nobody gets at the customers meanwhile."""
    async with database.engine.connect() as connection:
        await connection.execute(text(f"LOCK TABLE customers IN {mode} MODE"))
        yield


async def waiting(database: Database) -> int:
    """How many statements wait for a lock now."""
    async with database.engine.connect() as connection:
        return int(await connection.scalar(WAITING) or 0)


async def until_waiting(database: Database, count: int) -> None:
    """Returns once so many statements wait; a test that waits for ever fails by this."""
    for _ in range(1000):
        if await waiting(database) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never were there {count} statements waiting")


@asynccontextmanager
async def impatient(
    api: Api, database_url: str, settings: Settings, statement_seconds: int = 60
) -> AsyncIterator[Api]:
    """The organization at another service, with one connection to the database."""
    database = Database(database_url, pool_size=1, statement_seconds=statement_seconds)
    try:
        async with (
            serving(make_app(settings, database)) as address,
            httpx.AsyncClient(base_url=address, timeout=60) as http,
        ):
            yield replace(api, http=http)
    finally:
        await database.close()


async def timed_out(api: Api, query: str) -> Json:
    """The error of a request whose time must be over."""
    response = await api.http.post("/graphql", json={"query": query}, headers=api.headers)
    assert response.status_code == 504, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    answer: Json = response.json()
    assert set(answer) == {"errors", "extensions"}
    assert answer["extensions"]["cost"]["limit"] == 10_000
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "REQUEST_TIMEOUT"
    assert "took longer than 0.5 seconds and was stopped" in error["message"]
    found: Json = error
    return found


@pytest.mark.parametrize("query", [READ, LOADED])
async def test_a_read_that_takes_too_long_is_stopped_in_the_database_too(
    api: Api, database: Database, database_url: str, query: str
) -> None:
    await api.one_off(await api.customer(), "5.00", finalize=True)
    async with impatient(api, database_url, Settings(request_seconds=0.5)) as hurried:
        async with locked(database):
            asked = asyncio.create_task(timed_out(hurried, query))
            await until_waiting(database, 1)
            assert (await asked)["extensions"] == {"code": "REQUEST_TIMEOUT"}
            await until_waiting(database, 0)
            # Its only connection is free again.
            assert (await hurried.query("{ organization { name } }"))["organization"]
        assert "errors" not in await hurried.post(query)


async def test_a_mutation_that_is_stopped_leaves_nothing_half_done(
    api: Api, database: Database, database_url: str
) -> None:
    settings = Settings(request_seconds=0.5)
    async with impatient(api, database_url, settings) as hurried, locked(database, "SHARE"):
        error = await timed_out(hurried, CREATE)
        await until_waiting(database, 0)
    assert error["extensions"]["mutations"] == {"first": "DONE", "second": "NOT_DONE"}
    assert error["message"].endswith("Of its mutations, first was done, second was not done.")
    found = await api.query('{ organization { name } customer(externalId: "late") { id } }')
    assert found == {"organization": {"name": "Renamed"}, "customer": None}


async def test_a_commit_is_not_interrupted(api: Api, database: Database, database_url: str) -> None:
    slow = """
        CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON organizations
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
          WHEN (NEW.name = 'Slow') EXECUTE FUNCTION slow_commit()"""
    async with database.engine.begin() as connection:
        for statement in slow.replace("END $$;", "END $$;;").split(";;"):
            await connection.execute(text(statement))
    try:
        async with impatient(api, database_url, Settings(request_seconds=0.5)) as hurried:
            rename = (
                'mutation { organizationUpdate(input: {name: "Slow"}) { userErrors { code } } }'
            )
            error = await timed_out(hurried, rename)
    finally:
        async with database.engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION slow_commit CASCADE"))
    assert error["extensions"]["mutations"] == {"organizationUpdate": "DONE"}
    assert (await api.query("{ organization { name } }"))["organization"]["name"] == "Slow"


async def test_a_statement_that_takes_too_long_is_no_fault(
    api: Api, database: Database, database_url: str
) -> None:
    create = 'mutation { customerCreate(input: {externalId: "a", name: "A"}) { customer { id } } }'
    events = {"events": [{"transactionId": "t", "eventName": "e", "externalCustomerId": "acme"}]}
    service = impatient(api, database_url, Settings(), statement_seconds=1)
    async with service as hurried, locked(database):
        answers = [
            await hurried.post("{ organization { name } " + READ[1:]),
            await hurried.post(create),
        ]
        response = await hurried.http.post("/v1/events", json=events, headers=api.headers)
    assert answers[0]["data"] == {"organization": {"name": "Acme"}, "customer": None}
    for answer in (*answers, response.json()):
        (error,) = answer["errors"]
        assert error["extensions"] == {"code": "STATEMENT_TIMEOUT"}
        assert "which may take 1 seconds" in error["message"]
    assert response.status_code == 504
    assert (await api.query('{ customer(externalId: "a") { id } }')) == {"customer": None}


async def test_a_body_that_does_not_come_is_not_waited_for(api: Api, database_url: str) -> None:
    async with impatient(api, database_url, Settings(request_seconds=0.5)) as hurried:

        async def slow() -> AsyncIterator[bytes]:
            yield b'{"query":'
            await asyncio.sleep(1)
            yield b'"{ organization { name } }"}'

        for path in ("/graphql", "/v1/events"):
            response = await hurried.http.post(
                path,
                content=slow(),
                headers={"Content-Type": "application/json", **hurried.headers},
            )
            assert response.status_code == 504
            (error,) = response.json()["errors"]
            assert error["extensions"] == {"code": "REQUEST_TIMEOUT"}


@pytest.mark.parametrize("query", [READ, LOADED, CREATE])
async def test_a_client_that_goes_away_leaves_nothing_running(
    api: Api, database: Database, service_url: str, query: str
) -> None:
    await api.one_off(await api.customer(), "5.00", finalize=True)
    body = json.dumps({"query": query}).encode()
    head = (
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {api.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = httpx.URL(service_url)
    async with locked(database):
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(head.encode() + body)
        await until_waiting(database, 1)
        writer.close()
        await until_waiting(database, 0)
    found = await api.query('{ customer(externalId: "late") { id } }')
    assert found == {"customer": None}
