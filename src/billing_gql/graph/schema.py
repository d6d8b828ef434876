"""The schema: every slice's fields in one Query and one Mutation, and the live updates."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from functools import cached_property
from typing import cast

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from billing_gql.graph import federation
from billing_gql.graph.catalog import CatalogMutations, CatalogQueries
from billing_gql.graph.credit_notes import CreditNoteMutations
from billing_gql.graph.customers import CustomerMutations, CustomerQueries
from billing_gql.graph.descriptions import describe
from billing_gql.graph.discount_mutations import DiscountMutations
from billing_gql.graph.discounts import DiscountQueries
from billing_gql.graph.document_mutations import DocumentMutations
from billing_gql.graph.integrity import IntegrityQueries
from billing_gql.graph.invoice_lists import InvoiceQueries
from billing_gql.graph.invoice_mutations import InvoiceMutations
from billing_gql.graph.ledger_mutations import LedgerMutations
from billing_gql.graph.live import StreamContext
from billing_gql.graph.live_updates import LiveUpdates
from billing_gql.graph.nodes import NodeQueries
from billing_gql.graph.organizations import OrganizationMutations, OrganizationQueries
from billing_gql.graph.payments import PaymentMutations
from billing_gql.graph.price_estimate import PriceEstimateQueries
from billing_gql.graph.problems import ERROR_TYPES
from billing_gql.graph.refunds import RefundMutations
from billing_gql.graph.scalars import SCALARS
from billing_gql.graph.subscriptions import SubscriptionMutations, SubscriptionQueries
from billing_gql.graph.tracing import tracing_extensions
from billing_gql.graph.usage import UsageMutations


@strawberry.type(description="Reading. All that one request reads is of one instant.")
class Query(
    OrganizationQueries,
    CustomerQueries,
    CatalogQueries,
    PriceEstimateQueries,
    SubscriptionQueries,
    InvoiceQueries,
    DiscountQueries,
    IntegrityQueries,
    NodeQueries,
    federation.FederationQueries,
):
    """Every slice's queries."""


@strawberry.type(
    description="Each field is one transaction: done whole, or not at all and told in userErrors."
)
class Mutation(
    OrganizationMutations,
    CustomerMutations,
    CatalogMutations,
    SubscriptionMutations,
    UsageMutations,
    InvoiceMutations,
    DiscountMutations,
    LedgerMutations,
    CreditNoteMutations,
    PaymentMutations,
    RefundMutations,
    DocumentMutations,
):
    """Every slice's mutations."""


class AdmittedDocument(SchemaExtension):
    """Executes the document that `read_document.Documents` read and admitted, and no other."""

    def on_parse(self) -> Iterator[None]:
        """There is nothing left to parse."""
        context = self.execution_context.context
        if context is None or context.document is None:
            raise AssertionError("a document is admitted before it is executed")
        self.execution_context.graphql_document = context.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Nor to validate."""
        self.execution_context.pre_execution_errors = []
        yield


class BillingSchema(strawberry.federation.Schema):
    """The schema; errors are shown and logged by `graph.problems`, not by strawberry."""

    @cached_property
    def sdl(self) -> str:
        """`schema.graphql`: printed once, for it never changes."""
        return self.as_str() + "\n"

    @cached_property
    def subgraph_sdl(self) -> str:
        """What a gateway composes: all but the live updates; see docs/decisions/0022."""
        return _schema(subscription=None, extensions=()).as_str() + "\n"

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Says nothing here: `problems.shown_error` logs what is ours."""

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, object] | None = None,
        context_value: object = None,
        root_value: object = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, object] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results of a subscription, whichever way they are sent; of nothing else."""
        if not isinstance(context_value, StreamContext):
            raise AssertionError("a stream has a context of its own kind")
        own = context_value.of_one_operation()
        errors = own.admit(query, operation_name, variable_values)
        if errors:
            return own.streamed(_refused(errors))
        source = await super().stream(
            query,
            variable_values,
            own,
            root_value,
            operation_name,
            operation_extensions,
            (OperationType.SUBSCRIPTION,),
        )
        # Nothing here is delivered in parts, so each is a whole result.
        return own.streamed(cast("AsyncGenerator[ExecutionResult, None]", source))


async def _refused(errors: list[GraphQLError]) -> AsyncGenerator[ExecutionResult, None]:
    yield PreExecutionError(data=None, errors=errors)


def make_schema(*, trace_fields: bool = False) -> BillingSchema:
    """The executable schema; `trace_fields` has a span for each field where traces are sent."""
    tracing = tracing_extensions(trace_fields=trace_fields)
    return _schema(subscription=LiveUpdates, extensions=[AdmittedDocument, *tracing])


def _schema(
    *,
    subscription: type[LiveUpdates] | None,
    extensions: Iterable[Callable[[], SchemaExtension]],
) -> BillingSchema:
    schema = BillingSchema(
        query=Query,
        mutation=Mutation,
        subscription=subscription,
        types=ERROR_TYPES,
        extensions=list(extensions),
        config=StrawberryConfig(scalar_map=SCALARS),
        scalar_overrides=federation.SCALARS,
        federation_version=federation.VERSION,
    )
    describe(schema._schema)  # strawberry has no other name for what it built
    return schema
