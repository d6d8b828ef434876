"""Tells the request's scope which operation it ran; a schema extension."""

from collections.abc import Callable
from typing import Any

from graphql import get_operation_ast
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext

from billing_gql.observe.scope import note_operation
from billing_gql.observe.tracing import spans


class NoteOperation(SchemaExtension):
    """Notes name and type, once the operation has been answered or refused."""

    def get_results(self) -> dict[str, Any]:
        facts = self.execution_context
        kind = _kind(facts)
        note_operation(
            facts.operation_name, kind, ran=kind is not None and not facts.pre_execution_errors
        )
        return {}


def _kind(facts: ExecutionContext) -> str | None:
    """query, mutation or subscription; None where the document has no such operation."""
    if facts.graphql_document is None:
        return None
    operation = get_operation_ast(facts.graphql_document, facts.operation_name)
    return None if operation is None else operation.operation.value


def observing_extensions(*, trace_fields: bool) -> list[Callable[[], SchemaExtension]]:
    """The extensions by which operations are seen; those of tracing only where it is on."""
    tracing = spans()
    if tracing is None:
        return [NoteOperation]
    from billing_gql.graph.trace_operations import tracing_extension

    return [NoteOperation, tracing_extension(tracing, trace_fields=trace_fields)]
