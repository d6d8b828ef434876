"""Microseconds of CPU that a request costs by being seen: its log line and its figures.

The floor is the same ASGI application without the middleware: it answers a GraphQL request's
messages, and runs no GraphQL, so that the difference is what `graph.observe` takes. Lines go, as
JSON, to /dev/null.

    .venv/bin/python benchmarks/observe.py [requests]
"""

import asyncio
import sys
import time
from pathlib import Path

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing_gql.graph.observe import ObserveRequests
from billing_gql.logs import configure_logs
from billing_gql.observe.scope import note_operation, note_organization, note_statement

REQUESTS = 20_000
ROUNDS = 5


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """What the service tells of a small query."""
    await receive()
    scope["route"] = ROUTE
    note_organization("org_06gvtfkgitq2ff4neodvir9tdc")
    for _ in range(3):
        note_statement()
    note_operation("Invoice", "query", ran=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


ROUTE = Route("/graphql", answer)
HEADERS = [(b"host", b"localhost"), (b"content-type", b"application/json")]


async def cost(app: ASGIApp, requests: int) -> float:
    """Microseconds of CPU a request."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}" * 100}

    async def send(_: Message) -> None:
        return None

    start = time.process_time()
    for _ in range(requests):
        scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": HEADERS}
        await app(scope, receive, send)
    return (time.process_time() - start) * 1e6 / requests


async def main() -> None:
    """Prints the least of several rounds."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    floor = min([await cost(answer, requests) for _ in range(ROUNDS)])
    seen = min([await cost(ObserveRequests(answer), requests) for _ in range(ROUNDS)])
    print(f"floor {floor:.1f} us, seen {seen:.1f} us: {seen - floor:.1f} us a request")


if __name__ == "__main__":
    with Path("/dev/null").open("w") as nowhere:
        sys.stderr = nowhere
        configure_logs("json")
        asyncio.run(main())
