"""Spans of operations, and of their fields where the operator wants them.

Strawberry's extension, less what it tells of people: the query's text, arguments and the messages
of exceptions.
"""

from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Any

from graphql import GraphQLResolveInfo
from strawberry.extensions import LifecycleStep, SchemaExtension
from strawberry.extensions.tracing import OpenTelemetryExtension
from strawberry.extensions.tracing.utils import should_skip_tracing

from billing_gql.observe.scope import clean_name
from billing_gql.observe.spans import Spans


class TraceOperation(OpenTelemetryExtension):
    """Of the fields nothing: a span a field costs more than most fields."""

    def __init__(self, spans: Spans) -> None:
        super().__init__(tracer_provider=spans.provider)
        self._spans = spans

    def on_operation(self) -> Iterator[None]:  # type: ignore[override] # wider than the base's Generator, which is all that strawberry uses
        """The span of the whole, named after what is known at its end."""
        with self._spans.span("GraphQL operation") as span:
            self._span_holder[LifecycleStep.OPERATION] = span
            yield
            facts = self.execution_context
            if facts.graphql_document is None:
                return
            kind = facts.operation_type.value.lower()
            name = clean_name(facts.operation_name)
            span.update_name(f"{kind} {name}" if name else kind)
            span.set_attribute("graphql.operation.type", kind)
            if name:
                span.set_attribute("graphql.operation.name", name)

    # What was read before, or is known from others, is not parsed and validated here.
    on_parse = SchemaExtension.on_parse  # type: ignore[assignment] # None of them is called
    on_validate = SchemaExtension.on_validate  # type: ignore[assignment] # the same

    # The base's: a `resolve` of our own would be called for every field.
    resolve = SchemaExtension.resolve  # type: ignore[assignment] # not always a coroutine, which strawberry allows


class TraceFields(TraceOperation):
    """A span for each field that has a resolver of its own."""

    def resolve(
        self,
        _next: Callable[..., Any],
        root: Any,
        info: GraphQLResolveInfo[Any],
        *args: str,
        **kwargs: Any,
    ) -> Any:
        if should_skip_tracing(_next, info):
            return _next(root, info, *args, **kwargs)
        name = f"{info.parent_type.name}.{info.field_name}"

        async def traced() -> Any:
            with self._spans.span(name):
                found = _next(root, info, *args, **kwargs)
                return await found if isawaitable(found) else found

        found: Awaitable[Any] = traced()
        return found


def tracing_extension(spans: Spans, *, trace_fields: bool) -> Callable[[], SchemaExtension]:
    """The extension of a schema."""
    kind = TraceFields if trace_fields else TraceOperation
    return lambda: kind(spans)
