"""OpenTelemetry, where the operator wants it; without it nothing of it is even imported.

It is on where OpenTelemetry's own variables name a collector, and they say the rest too: where it
is, which headers it wants, how much is sampled, what the service is called.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from billing_gql.observe.scope import Scope, current

if TYPE_CHECKING:
    from billing_gql.observe.spans import Spans

log = structlog.get_logger()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_spans: "Spans | None" = None


def configure_tracing(environment: Mapping[str, str] = os.environ) -> None:
    """Begins to trace if the environment asks for it; called once, before anything is traced."""
    global _spans  # noqa: PLW0603 # a process traces or does not, like its logging
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not any(environment.get(name) for name in ENDPOINTS):
        return
    try:
        from billing_gql.observe.spans import Spans, exporting
    except ImportError as missing:
        log.warning(
            "traces are not sent",
            reason=f"{missing.name} is not installed",
            remedy="Install billing-gql[otel], or set OTEL_SDK_DISABLED=true.",
        )
        return
    _spans = Spans(exporting())


def spans() -> "Spans | None":
    """What makes spans, or None where nothing is traced."""
    return _spans


@contextmanager
def span(name: str, *, client: bool = False, **attributes: str) -> Iterator[None]:
    """A span around what is done meanwhile; `client` where another service does it."""
    if _spans is None:
        yield
        return
    named = {f"billing_gql.{key}": value for key, value in attributes.items()}
    with _spans.span(name, client=client, attributes=named):
        yield


@contextmanager
def job(name: str, organization_id: str) -> Iterator[None]:
    """A trace of its own for what no request asked for."""
    scope = Scope(organization=organization_id)
    token = current.set(scope)
    try:
        if _spans is None:
            yield
        else:
            with _spans.root(name, scope, {"billing_gql.organization": organization_id}):
                yield
    finally:
        current.reset(token)
