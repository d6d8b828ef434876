"""The schema's extensions by which operations are traced; none where tracing is off."""

from collections.abc import Callable

from strawberry.extensions import SchemaExtension

from billing_gql.observe.tracing import spans


def tracing_extensions(*, trace_fields: bool) -> list[Callable[[], SchemaExtension]]:
    """Nothing of OpenTelemetry is imported unless it is used."""
    tracing = spans()
    if tracing is None:
        return []
    from billing_gql.graph.trace_operations import tracing_extension

    return [tracing_extension(tracing, trace_fields=trace_fields)]
