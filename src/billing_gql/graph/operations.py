"""Tells the request's scope which operation it ran; a schema extension."""

from collections.abc import Callable
from typing import Any

from strawberry.extensions import SchemaExtension

from billing_gql.observe.scope import note_operation
from billing_gql.observe.tracing import spans


class NoteOperation(SchemaExtension):
    """Notes name and type, once the operation has been answered or refused."""

    def get_results(self) -> dict[str, Any]:
        facts = self.execution_context
        known = facts.graphql_document is not None
        note_operation(
            facts.operation_name,
            facts.operation_type.value.lower() if known else None,
            ran=known and not facts.pre_execution_errors,
        )
        return {}


def observing_extensions(*, trace_fields: bool) -> list[Callable[[], SchemaExtension]]:
    """The extensions by which operations are seen; those of tracing only where it is on."""
    tracing = spans()
    if tracing is None:
        return [NoteOperation]
    from billing_gql.graph.trace_operations import tracing_extension

    return [NoteOperation, tracing_extension(tracing, trace_fields=trace_fields)]
