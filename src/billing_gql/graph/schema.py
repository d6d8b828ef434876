"""The schema: every slice's fields in one Query and one Mutation, and the live updates."""

from asyncio import gather
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import cast

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from billing_gql.graph.catalog import (
    CatalogMutations,
    CatalogQueries,
    feature_of,
    plan_of,
    price_of,
)
from billing_gql.graph.credit_notes import CreditNoteMutations, credit_note_of
from billing_gql.graph.customers import CustomerMutations, CustomerQueries, customer_of
from billing_gql.graph.discount_mutations import DiscountMutations
from billing_gql.graph.discounts import DiscountQueries, coupon_of, tax_rate_of
from billing_gql.graph.integrity import IntegrityQueries
from billing_gql.graph.invoice_lists import InvoiceQueries
from billing_gql.graph.invoice_mutations import InvoiceMutations
from billing_gql.graph.invoices import invoice_of, line_of
from billing_gql.graph.ledger import balance_transaction_of, wallet_of, wallet_transaction_of
from billing_gql.graph.ledger_mutations import LedgerMutations
from billing_gql.graph.live import StreamContext
from billing_gql.graph.live_updates import LiveUpdates
from billing_gql.graph.mutate import Info
from billing_gql.graph.node import Node
from billing_gql.graph.organizations import (
    Organization,
    OrganizationMutations,
    OrganizationQueries,
)
from billing_gql.graph.payments import PaymentMutations, payment_of
from billing_gql.graph.price_estimate import PriceEstimateQueries
from billing_gql.graph.problems import ERROR_TYPES
from billing_gql.graph.refunds import RefundMutations, refund_of
from billing_gql.graph.scalars import SCALARS
from billing_gql.graph.subscriptions import (
    SubscriptionMutations,
    SubscriptionQueries,
    subscription_of,
)
from billing_gql.graph.tracing import tracing_extensions
from billing_gql.graph.usage import UsageMutations
from billing_gql.kernel.ids import Kind, kind_of
from billing_gql.kernel.problems import TooManyItems

MAX_NODES = 100


async def _organization(info: Info, node_id: str) -> Node | None:
    mine = info.context.organization
    return Organization.of(mine) if mine.id == node_id else None


LOOKUPS: dict[Kind, Callable[[Info, str], Awaitable[Node | None]]] = {
    Kind.ORGANIZATION: _organization,
    Kind.CUSTOMER: customer_of,
    Kind.FEATURE: feature_of,
    Kind.PLAN: plan_of,
    Kind.PRICE: price_of,
    Kind.SUBSCRIPTION: subscription_of,
    Kind.INVOICE: invoice_of,
    Kind.LINE_ITEM: line_of,
    Kind.COUPON: coupon_of,
    Kind.TAX_RATE: tax_rate_of,
    Kind.WALLET: wallet_of,
    Kind.BALANCE_TRANSACTION: balance_transaction_of,
    Kind.WALLET_TRANSACTION: wallet_transaction_of,
    Kind.CREDIT_NOTE: credit_note_of,
    Kind.PAYMENT: payment_of,
    Kind.REFUND: refund_of,
}


async def node_of(info: Info, node_id: str) -> Node | None:
    """The node of an id, through its kind's loader; None for an unknown id or kind."""
    kind = kind_of(node_id)
    lookup = LOOKUPS.get(kind) if kind is not None else None
    return None if lookup is None else await lookup(info, node_id)


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
):
    """Every slice's queries."""

    @strawberry.field(description="Anything by its id; null for an unknown one.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await node_of(info, id)

    @strawberry.field(description="Up to 100 by their ids, in order; null for unknown ones.")
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        if len(ids) > MAX_NODES:
            raise TooManyItems(f"At most {MAX_NODES} ids, not {len(ids)}.", ("ids",))
        # Together, so that the loaders see them all.
        return await gather(*(node_of(info, one) for one in ids))


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
):
    """Every slice's mutations."""


class AdmittedDocument(SchemaExtension):
    """Executes the document that `documents.Documents` read and admitted, and no other."""

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


class BillingSchema(strawberry.Schema):
    """The schema; errors are shown and logged by `graph.problems`, not by strawberry."""

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
    return BillingSchema(
        query=Query,
        mutation=Mutation,
        subscription=LiveUpdates,
        types=ERROR_TYPES,
        extensions=[AdmittedDocument, *tracing_extensions(trace_fields=trace_fields)],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
