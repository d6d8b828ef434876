"""Every request: its log line, its figures, its trace. And /metrics, where they are read."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client.exposition import choose_encoder
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing_gql.graph.bodies import HttpProblem, error_response
from billing_gql.observe import metrics
from billing_gql.observe.scope import RequestScope, current, request_in
from billing_gql.observe.tracing import spans

log = structlog.get_logger()

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
QUIET = {"/healthz", "/readyz", "/metrics", "/graphiql", "/graphiql/assets"}
"""Asked all day long by machines and pages: what is well is logged at DEBUG."""


class ObserveRequests:
    """Opens the request's scope, and tells of it when it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request = request_in(_header(scope["headers"], b"traceparent"))

        async def counted_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                request.request_bytes += len(message.get("body", b""))
            return message

        async def told_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                traceresponse = (b"traceresponse", request.traceresponse.encode())
                message = {**message, "headers": [*message["headers"], traceresponse]}
            await send(message)

        token = current.set(request)
        try:
            with _traced(scope, request):
                try:
                    await self.app(scope, counted_receive, told_send)
                except Exception:
                    request.status = request.status or 500
                    raise
        finally:
            _tell(request, _route(scope), _method(scope), time.perf_counter() - started)
            current.reset(token)


@contextmanager
def _traced(scope: Scope, request: RequestScope) -> Iterator[None]:
    tracing = spans()
    if tracing is None:
        yield
        return
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    with tracing.server(request, headers, _method(scope)) as span:
        try:
            yield
        finally:
            tracing.describe(span, request, _route(scope), _method(scope))


def _header(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return None


def _method(scope: Scope) -> str:
    if scope["type"] == "websocket":
        return "WEBSOCKET"
    method = str(scope["method"])
    return method if method in METHODS else "OTHER"


def _route(scope: Scope) -> str:
    """The route's own path: what stands in its place in a request may be anything."""
    return getattr(scope.get("route"), "path", None) or "other"


def outcome_of(request: RequestScope) -> str:
    """The worst that became of it: fault, error, user_error or ok."""
    if (request.status or 0) >= 500 or "INTERNAL" in request.errors:
        return "fault"
    if (request.status or 0) >= 400 or request.errors:
        return "error"
    return "user_error" if request.user_errors else "ok"


def _tell(request: RequestScope, route: str, method: str, seconds: float) -> None:
    outcome = outcome_of(request)
    metrics.HTTP_REQUESTS.labels(route, method, str(request.status or "none")).inc()
    metrics.HTTP_SECONDS.labels(route).observe(seconds)
    kind = request.operation_type
    if kind is not None:
        name = metrics.NAMES.label(request.operation, ran=request.ran)
        metrics.OPERATIONS.labels(name, kind, outcome).inc()
        metrics.OPERATION_SECONDS.labels(name, kind).observe(seconds)
        if request.cost is not None:
            metrics.COST.labels(kind).observe(request.cost)
    facts: dict[str, object] = {
        "operation": request.operation,
        "operation_type": kind,
        "cost": request.cost,
        "events": request.events,
        "errors": dict(request.errors) or None,
        "user_errors": dict(request.user_errors) or None,
    }
    level = {"fault": log.error, "error": log.warning}.get(
        outcome, log.debug if route in QUIET else log.info
    )
    level(
        "request",
        method=method,
        route=route,
        status=request.status,
        duration_ms=round(seconds * 1000, 2),
        statements=request.statements,
        bytes=request.request_bytes,
        **{name: value for name, value in facts.items() if value is not None},
    )


class MetricsEndpoint:
    """What Prometheus reads; without a token nobody does."""

    def __init__(self, token: SecretStr | None) -> None:
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self.token is None:
            message = "Nothing is told here: BILLING_GQL_METRICS_TOKEN is not set."
            return error_response(HttpProblem(404, "NOT_FOUND", message))
        if not metrics.may_read(
            self.token.get_secret_value(), request.headers.get("authorization")
        ):
            message = "Send BILLING_GQL_METRICS_TOKEN: `Authorization: Bearer …`."
            return error_response(HttpProblem(401, "UNAUTHENTICATED", message))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # Not in the loop: with many operation names it takes a while.
        body = await asyncio.to_thread(encode, metrics.REGISTRY)
        return Response(body, headers={"Content-Type": content_type})
