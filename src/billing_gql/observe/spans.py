"""Makes OpenTelemetry's spans. Imported only where traces are sent.

No span has an argument, a variable, a value of a statement or an exception's message: they hold
personal data, and traces go to others' machines.
"""

import atexit
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from billing_gql.observe.scope import RequestScope, Scope

LAST_SECONDS = 2.0
"""How long a process that ends goes on sending."""
VERB = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|SHOW)\b", re.IGNORECASE)
TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+(?:ONLY\s+)?([a-z_][a-z0-9_]*)", re.IGNORECASE)


def exporting() -> TracerProvider:
    """What sends spans by OTLP over HTTP, set up by OpenTelemetry's variables."""
    resource = Resource.create({SERVICE_VERSION: version("billing-gql")})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "billing-gql"}))
    exporter = OTLPSpanExporter()
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _send_the_rest_at_exit(provider, exporter)
    return provider


def _send_the_rest_at_exit(provider: TracerProvider, exporter: OTLPSpanExporter) -> None:
    """As the SDK does, but a collector that does not answer is not tried again and again."""
    ending = threading.Event()

    def cut_off() -> None:
        ending.wait()
        time.sleep(LAST_SECONDS)
        exporter.shutdown()  # type: ignore[no-untyped-call] # the SDK has no types there

    def end() -> None:
        ending.set()
        provider.shutdown()

    # Begun now: a process that ends may begin no thread any more.
    threading.Thread(target=cut_off, daemon=True).start()
    atexit.register(end)


class Spans:
    """The spans of this process."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("billing_gql", version("billing-gql"))

    @contextmanager
    def span(
        self,
        name: str,
        *,
        client: bool = False,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[Span]:
        """A span below the one under way. Of an exception it tells the type alone."""
        kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
        with self._current(name, kind, attributes, None) as span:
            yield span

    @contextmanager
    def root(
        self, name: str, scope: Scope, attributes: Mapping[str, AttributeValue]
    ) -> Iterator[Span]:
        """A span that begins a trace; the scope is told its ids."""
        with self._current(name, SpanKind.INTERNAL, attributes, Context()) as span:
            _tell(scope, span)
            yield span

    @contextmanager
    def server(self, scope: Scope, headers: Mapping[str, str], method: str) -> Iterator[Span]:
        """A request's span, in its caller's trace if its headers name one."""
        parent = propagate.extract(headers, context=Context())
        attributes = {"http.request.method": method}
        with self._current(method, SpanKind.SERVER, attributes, parent) as span:
            _tell(scope, span)
            yield span

    def describe(self, span: Span, request: RequestScope, route: str, method: str) -> None:
        """Tells a request's span what became of it."""
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
        if request.status is not None:
            span.set_attribute("http.response.status_code", request.status)
        if request.organization is not None:
            span.set_attribute("billing_gql.organization", request.organization)
        if request.cost is not None:
            span.set_attribute("billing_gql.cost", request.cost)
        if request.errors:
            span.set_attribute("billing_gql.error_codes", sorted(request.errors))
        if (request.status or 0) >= 500 or "INTERNAL" in request.errors:
            fail(span, "INTERNAL")

    def statement(self, sql: str) -> Span:
        """A span of a statement of SQL, for `end_statement`."""
        summary = summary_of(sql)
        return self._tracer.start_span(
            summary,
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.query.summary": summary},
        )

    @contextmanager
    def _current(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue] | None,
        parent: Context | None,
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                fail(span, type(error).__name__)
                raise


def fail(span: Span, error_type: str) -> None:
    """Marks what the span stands for as failed."""
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


@lru_cache(maxsize=1024)
def summary_of(sql: str) -> str:
    """The verb and the first table: "SELECT invoices"."""
    verb, table = VERB.search(sql), TABLE.search(sql)
    words = [verb[1].upper() if verb else "SQL", *([table[1]] if table else [])]
    return " ".join(words)


def _tell(scope: Scope, span: Span) -> None:
    facts = span.get_span_context()
    scope.trace_id = f"{facts.trace_id:032x}"
    scope.span_id = f"{facts.span_id:016x}"
    scope.flags = f"{facts.trace_flags:02x}"
