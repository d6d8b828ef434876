"""POST /v1/events: the same writer as `usageEventsIngest`, for larger batches."""

from collections import Counter

import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from billing_gql.auth import authenticate
from billing_gql.graph.bodies import (
    HttpProblem,
    error_response,
    failure_response,
    json_response,
    read_body,
)
from billing_gql.graph.deadline import Deadline
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import Problem
from billing_gql.observe.scope import note_events, note_user_error
from billing_gql.organizations.queries import actor_of
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.usage.ingest import IngestReport, NewEvent, ingest
from billing_gql.usage.read_events import read_event

MAX_EVENTS = 10_000
JSON_TYPES = ("application/json",)
LINES_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """The body; its events are read one by one, so that one bad event refuses only itself."""

    events: list[msgspec.Raw]


class EventsEndpoint:
    """The endpoint of one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with Deadline(self.settings.request_seconds) as deadline:
                response = await self._answer(Request(scope, receive), deadline)
        except Exception as failure:
            response = failure_response(failure)
        await response(scope, receive, send)

    async def _answer(self, request: Request, deadline: Deadline) -> Response:
        if request.method != "POST":
            response = error_response(HttpProblem(405, "METHOD_NOT_ALLOWED", "Use POST."))
            response.headers["Allow"] = "POST"
            return response
        async with self.database.snapshot() as session:
            actor = actor_of(await authenticate(session, request.headers.get("authorization")))
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in JSON_TYPES + LINES_TYPES:
            raise HttpProblem(
                415, "UNSUPPORTED_MEDIA_TYPE", "Send application/json or application/x-ndjson."
            )
        body = await read_body(request, self.settings.events_body_bytes)
        deadline.watch(request.receive)
        items = _lines(body) if media_type in LINES_TYPES else _batch(body)
        if not 1 <= len(items) <= MAX_EVENTS:
            raise HttpProblem(
                400, "TOO_MANY_ITEMS", f"Send 1 to {MAX_EVENTS:,} events, not {len(items):,}."
            )
        return await self._store(actor, items)

    async def _store(self, actor: Actor, items: list[bytes | msgspec.Raw]) -> Response:
        events: list[tuple[int, NewEvent]] = []
        refused: list[tuple[int, Problem]] = []
        for index, item in enumerate(items):
            try:
                events.append((index, read_event(item)))
            except Problem as problem:
                refused.append((index, problem))

        async def verb(session: AsyncSession) -> IngestReport:
            return await ingest(session, actor, events)

        report = await self.database.work(verb)
        note_events(
            accepted=report.accepted,
            duplicates=report.duplicates,
            refused=len(refused) + len(report.refused),
        )
        codes = Counter(problem.code for _, problem in [*refused, *report.refused])
        for code, count in codes.items():
            note_user_error(code, count)
        answer: dict[str, object] = {
            "acceptedCount": report.accepted,
            "duplicateCount": report.duplicates,
            "errors": [
                {
                    "index": index,
                    "code": problem.code,
                    "message": problem.message,
                    "field": list(problem.under("events", index).field),
                }
                for index, problem in sorted(
                    [*refused, *report.refused], key=lambda refusal: refusal[0]
                )
            ],
        }
        if report.unmatched:
            # Stored, but no feature meters their names: most often a misspelt one.
            answer["unmatchedCount"] = report.unmatched
        return json_response(answer)


def _batch(body: bytes) -> list[bytes | msgspec.Raw]:
    try:
        return list(msgspec.json.decode(body, type=Batch).events)
    except msgspec.ValidationError as error:
        raise HttpProblem(
            400, "INVALID_INPUT", f'The body must be {{"events": […]}}: {error}'
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise HttpProblem(400, "MALFORMED_JSON", f"The body is not JSON: {error}") from None


def _lines(body: bytes) -> list[bytes | msgspec.Raw]:
    return [line for line in body.splitlines() if line.strip()]
