"""The schema: every slice's fields in one Query and one Mutation."""

from asyncio import gather
from collections.abc import Awaitable, Callable

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

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
from billing_gql.graph.document_mutations import DocumentMutations
from billing_gql.graph.integrity import IntegrityQueries
from billing_gql.graph.invoice_lists import InvoiceQueries
from billing_gql.graph.invoice_mutations import InvoiceMutations
from billing_gql.graph.invoices import invoice_of, line_of
from billing_gql.graph.ledger import balance_transaction_of, wallet_of, wallet_transaction_of
from billing_gql.graph.ledger_mutations import LedgerMutations
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
from billing_gql.graph.scalars import SCALARS
from billing_gql.graph.subscriptions import (
    SubscriptionMutations,
    SubscriptionQueries,
    subscription_of,
)
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
    DocumentMutations,
):
    """Every slice's mutations."""


class BillingSchema(strawberry.Schema):
    """The schema; errors are shown and logged by `graph.problems`, not by strawberry."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Says nothing here: `problems.shown_error` logs what is ours."""


def make_schema() -> BillingSchema:
    """The executable schema."""
    return BillingSchema(
        query=Query,
        mutation=Mutation,
        types=ERROR_TYPES,
        extensions=[lambda: ParserCache(maxsize=512), lambda: ValidationCache(maxsize=512)],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
