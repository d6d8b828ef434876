"""The schema: every slice's fields in one Query and one Mutation."""

from functools import cached_property

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from billing_gql.graph import federation
from billing_gql.graph.catalog import CatalogMutations, CatalogQueries
from billing_gql.graph.credit_notes import CreditNoteMutations
from billing_gql.graph.customers import CustomerMutations, CustomerQueries
from billing_gql.graph.discount_mutations import DiscountMutations
from billing_gql.graph.discounts import DiscountQueries
from billing_gql.graph.integrity import IntegrityQueries
from billing_gql.graph.invoice_lists import InvoiceQueries
from billing_gql.graph.invoice_mutations import InvoiceMutations
from billing_gql.graph.ledger_mutations import LedgerMutations
from billing_gql.graph.nodes import NodeQueries
from billing_gql.graph.organizations import OrganizationMutations, OrganizationQueries
from billing_gql.graph.payments import PaymentMutations
from billing_gql.graph.price_estimate import PriceEstimateQueries
from billing_gql.graph.problems import ERROR_TYPES
from billing_gql.graph.scalars import SCALARS
from billing_gql.graph.subscriptions import SubscriptionMutations, SubscriptionQueries
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
):
    """Every slice's mutations."""


class BillingSchema(strawberry.federation.Schema):
    """The schema; errors are shown and logged by `graph.problems`, not by strawberry."""

    @cached_property
    def sdl(self) -> str:
        """`schema.graphql`: printed once, for it never changes."""
        return self.as_str() + "\n"

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
        scalar_overrides=federation.SCALARS,
        federation_version=federation.VERSION,
    )
