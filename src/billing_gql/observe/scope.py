"""What is being done: one request or one task, its trace, and what is noted about it on the way.

The middleware or the worker opens a scope; whoever knows something notes it here, wherever it is in
the code. Log lines of meanwhile carry its trace id and organization. Nothing here may hold a key, a
variable, a query's text or anybody's data: it all goes into logs.
"""

import os
import re
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field

from structlog.typing import EventDict

from billing_gql.observe import metrics

NAME_LENGTH = 100
"""What is kept of an operation's name: it is the client's."""
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)
"""https://www.w3.org/TR/trace-context/#traceparent-header; later versions may have more behind."""


@dataclass(slots=True)
class Scope:
    """One thing that is done, in one trace."""

    trace_id: str = field(default_factory=lambda: os.urandom(16).hex())
    span_id: str = field(default_factory=lambda: os.urandom(8).hex())
    flags: str = "00"
    """Two hex digits; 01 where the caller, or this process, keeps the trace."""
    organization: str | None = None
    statements: int = 0
    """Of SQL."""

    @property
    def traceresponse(self) -> str:
        """The header that tells a caller the trace."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


@dataclass(slots=True)
class RequestScope(Scope):
    """An HTTP request or WebSocket connection."""

    operation: str | None = None
    operation_type: str | None = None
    """query, mutation or subscription; None where no operation was understood."""
    ran: bool = False
    """The operation was valid, and executed."""
    cost: int | None = None
    events: dict[str, int] | None = None
    errors: Counter[str] = field(default_factory=Counter)
    """Top-level errors by code."""
    user_errors: Counter[str] = field(default_factory=Counter)
    """userErrors of mutations, and refused events, by code."""
    status: int | None = None
    request_bytes: int = 0


current: ContextVar[Scope | None] = ContextVar("scope", default=None)


def request_in(traceparent: str | None) -> RequestScope:
    """A request's scope: in the trace that its caller began, or else in a new one."""
    given = TRACEPARENT.fullmatch(traceparent or "")
    return RequestScope(trace_id=given[1], flags=given[2]) if given else RequestScope()


def add_scope(_: object, __: str, line: EventDict) -> EventDict:
    """A processor of log lines: adds trace id and organization."""
    scope = current.get()
    if scope is not None:
        line.setdefault("trace_id", scope.trace_id)
        if scope.organization is not None:
            line.setdefault("organization", scope.organization)
    return line


def note_organization(organization_id: str) -> None:
    """The request is this organization's."""
    scope = current.get()
    if scope is not None:
        scope.organization = organization_id


def note_operation(name: str | None, operation_type: str | None, *, ran: bool) -> None:
    """The request has this operation, and it was executed or refused before."""
    scope = current.get()
    if isinstance(scope, RequestScope):
        scope.operation = clean_name(name)
        scope.operation_type = operation_type
        scope.ran = ran


def note_cost(cost: int | None) -> None:
    """The operation costs this much, by the limits' count."""
    scope = current.get()
    if isinstance(scope, RequestScope):
        scope.cost = cost


def note_statement() -> None:
    """One more statement of SQL."""
    scope = current.get()
    if scope is not None:
        scope.statements += 1


def note_error(code: str) -> None:
    """The answer has a top-level error of this code."""
    metrics.ERRORS.labels(code).inc()
    scope = current.get()
    if isinstance(scope, RequestScope):
        scope.errors[code] += 1


def note_user_error(code: str, count: int = 1) -> None:
    """The answer has a userError, or refused events, of this code."""
    metrics.USER_ERRORS.labels(code).inc(count)
    scope = current.get()
    if isinstance(scope, RequestScope):
        scope.user_errors[code] += count


def note_events(*, accepted: int, duplicates: int, refused: int) -> None:
    """Events were ingested; called after their transaction is committed."""
    counts = {"accepted": accepted, "duplicate": duplicates, "refused": refused}
    for outcome, count in counts.items():
        metrics.EVENTS.labels(outcome).inc(count)
    scope = current.get()
    if isinstance(scope, RequestScope):
        before = scope.events or {}
        scope.events = {name: before.get(name, 0) + count for name, count in counts.items()}


def clean_name(name: str | None) -> str | None:
    """An operation's name as it may stand in a log: short, and without control characters."""
    if not name:
        return None
    return "".join(char for char in name[:NAME_LENGTH] if char.isprintable()) or None
