"""Requests a second for what a front end reads, beside a bare endpoint on the same tables.

The floor answers the same JSON from one `json_agg` statement through asyncpg and starlette, with no
GraphQL, no key and no loaders: nothing that answers over HTTP from these tables does much less.

    .venv/bin/python benchmarks/reads.py [seconds for each figure]
"""

import asyncio
import json
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import asyncpg
import uvicorn
from sqlalchemy import make_url
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing_gql.app import make_app
from billing_gql.cli.common import settle
from billing_gql.customers.create import create_customer
from billing_gql.invoices.edit import ManualLine, create_invoice
from billing_gql.logs import configure_logs
from billing_gql.organizations.create import create_key, create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.embedded import running_server
from billing_gql.store.migrate import migrate

CLIENTS = 8
INVOICES, LINES = 200, 10
LINE = "name quantity unitAmount amount"

QUERIES = {
    "an invoice with 10 lines": (
        f"query ($id: ID!) {{ invoice(id: $id) {{ id number total lineItems {{ {LINE} }} }} }}"
    ),
    "50 invoices, customer's name": (
        "{ invoices(first: 50) { nodes { id number total customer { name } } } }"
    ),
    "50 invoices with 10 lines each": (
        f"{{ invoices(first: 50) {{ nodes {{ id number total lineItems {{ {LINE} }} }} }} }}"
    ),
}

JSON_LINES = """(SELECT json_agg(json_build_object('name', name, 'quantity', quantity::text,
  'unitAmount', unit_amount::text, 'amount', amount::text) ORDER BY position)
  FROM line_items WHERE invoice_id = i.id)"""
NEWEST = """FROM (SELECT * FROM invoices WHERE organization_id = $1 AND status = 'FINALIZED'
  ORDER BY coalesce(issue_date, 'infinity'::date) DESC, id DESC LIMIT 50) AS i"""
FLOORS = {
    "an invoice with 10 lines": f"""SELECT json_build_object('id', id, 'number', number,
      'total', total::text, 'lineItems', {JSON_LINES})
      FROM invoices AS i WHERE organization_id = $1 AND id = $2""",
    "50 invoices, customer's name": f"""SELECT json_agg(json_build_object('id', i.id,
      'number', number, 'total', total::text, 'customer', json_build_object('name', c.name)))
      {NEWEST} JOIN customers AS c ON c.id = i.customer_id WHERE $2::text IS NOT NULL""",
    "50 invoices with 10 lines each": f"""SELECT json_agg(json_build_object('id', id,
      'number', number, 'total', total::text, 'lineItems', {JSON_LINES})) {NEWEST}
      WHERE $2::text IS NOT NULL""",
}


async def fill(url: str) -> tuple[str, str, str]:
    """Makes the invoices; the organization's id, its key, and one invoice's id."""
    database = Database(url)
    await migrate(database)
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name="Bench",
            mode=OrganizationMode.TEST,
            timezone="UTC",
            currency="USD",
            clock=datetime(2026, 1, 1, tzinfo=UTC),
        )
        key = await create_key(session, organization)
        actor = actor_of(organization)
        invoice_id = ""
        for number in range(INVOICES):
            customer = await create_customer(
                session, actor, external_id=f"customer-{number}", name=f"Customer {number}"
            )
            lines = [
                ManualLine(f"Line {n}", None, Decimal(n + 1), Decimal("1.25"), None, None, None)
                for n in range(LINES)
            ]
            invoice = await create_invoice(
                session,
                actor,
                customer_id=customer.id,
                external_customer_id=None,
                lines=lines,
                finalize=True,
            )
            invoice_id = invoice.id
    await database.close()
    return organization.id, key, invoice_id


def serve_ours(url: str, port: int) -> None:
    """The service, one process, as `serve` runs it; its log goes nowhere."""
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 # for as long as the process lives
    configure_logs("json")
    app = make_app(Settings(), Database(url))
    settle()
    uvicorn.run(app, port=port, log_config=None, access_log=False)


def serve_floor(url: str, port: int, organization_id: str, invoice_id: str) -> None:
    """The bare endpoint, one process."""
    parsed = make_url(url)
    pools: list[asyncpg.Pool] = []

    async def answer(request: Request) -> Response:
        if not pools:
            host = str(parsed.query["host"])
            pools.append(
                await asyncpg.create_pool(
                    host=host,
                    user=parsed.username,
                    password=parsed.password,
                    database=parsed.database,
                )
            )
        statement = FLOORS[(await request.body()).decode()]
        body = await pools[0].fetchval(statement, organization_id, invoice_id)
        return Response(body, media_type="application/json")

    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    uvicorn.run(app, port=port, log_config=None, access_log=False)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """One request on a kept connection."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def rate(port: int, request: bytes, seconds: float) -> float:
    """Answers a second over several clients, after a warm-up."""

    async def client(until: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.perf_counter() < until:
            await ask(reader, writer, request)
            count += 1
        writer.close()
        return count

    for duration in (min(2.0, seconds), seconds):
        start = time.perf_counter()
        counts = await asyncio.gather(*(client(start + duration) for _ in range(CLIENTS)))
    return sum(counts) / (time.perf_counter() - start)


def http_request(path: str, body: bytes, key: str = "") -> bytes:
    """A request as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def compare(ours: int, floor: int, key: str, invoice_id: str, seconds: float) -> None:
    """Prints each query's figures, once both sides have given the same answer."""
    print(f"{'':34}{'ours':>10}{'floor':>10}{'ours/floor':>12}")
    for name, query in QUERIES.items():
        variables = {"id": invoice_id} if "$id" in query else {}
        body = json.dumps({"query": query, "variables": variables}).encode()
        our_request = http_request("/graphql", body, key)
        floor_request = http_request("/", name.encode())
        await same_answer(ours, our_request, floor, floor_request)
        our_rate = await rate(ours, our_request, seconds)
        floor_rate = await rate(floor, floor_request, seconds)
        print(f"{name:34}{our_rate:>8.0f}/s{floor_rate:>8.0f}/s{our_rate / floor_rate:>12.3f}")


async def same_answer(ours: int, our_request: bytes, floor: int, floor_request: bytes) -> None:
    """Stops unless both answer the same: a GraphQL error would be a fast 200."""
    answers = []
    for port, request in ((ours, our_request), (floor, floor_request)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers.append(json.loads(await ask(reader, writer, request)))
        writer.close()
    data = answers[0]["data"]
    assert (data.get("invoice") or data["invoices"]["nodes"]) == answers[1], answers


def in_process(target: Callable[[], None]) -> BaseProcess:
    """Starts a server in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=target, daemon=True)
    process.start()
    return process


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Waits until the port answers, 20 seconds at most."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def main() -> None:
    """Fills a database, starts both servers, and prints the figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    folder = Path(tempfile.gettempdir()) / f"billing-gql-bench-{time.time_ns()}"
    with running_server(folder, durable=False) as url:
        organization_id, key, invoice_id = asyncio.run(fill(url))
        ours, floor = free_port(), free_port()
        processes = [
            in_process(partial(serve_ours, url, ours)),
            in_process(partial(serve_floor, url, floor, organization_id, invoice_id)),
        ]
        try:
            wait_for(ours)
            wait_for(floor)
            asyncio.run(compare(ours, floor, key, invoice_id, seconds))
        finally:
            for process in processes:
                process.terminate()
                process.join()


if __name__ == "__main__":
    main()
