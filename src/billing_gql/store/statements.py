"""Counts the statements of an engine, for the scope in which each is run, and traces them."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from billing_gql.observe.scope import note_statement
from billing_gql.observe.tracing import spans

if TYPE_CHECKING:
    from opentelemetry.trace import Span

SPAN = "billing_gql_span"
"""Where a statement's execution context keeps its span."""


class Statements:
    """The listeners of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        event.listen(engine, "before_cursor_execute", self._begin)
        if spans() is not None:
            event.listen(engine, "after_cursor_execute", self._end)
            event.listen(engine, "handle_error", self._fail)

    def _begin(
        self, _: object, __: object, sql: str, ___: object, context: Any, ____: bool
    ) -> None:
        self.count += 1
        note_statement()
        tracing = spans()
        if tracing is not None and context is not None:
            setattr(context, SPAN, tracing.statement(sql))

    def _end(
        self, _: object, __: object, ___: str, ____: object, context: Any, _____: bool
    ) -> None:
        span: Span | None = getattr(context, SPAN, None)
        if span is not None:
            span.end()

    def _fail(self, failure: ExceptionContext) -> None:
        span: Span | None = getattr(failure.execution_context, SPAN, None)
        if span is not None:
            span.set_attribute("error.type", type(failure.original_exception).__name__)
            span.end()
