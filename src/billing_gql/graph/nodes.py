"""Anything by its id: the one place that knows which type an id's kind is of."""

from asyncio import gather
from collections.abc import Awaitable, Callable

import strawberry

from billing_gql.graph.catalog import Feature, Plan, Price, feature_of, plan_of, price_of
from billing_gql.graph.credit_notes import CreditNote, credit_note_of
from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.discounts import Coupon, TaxRate, coupon_of, tax_rate_of
from billing_gql.graph.invoices import Invoice, LineItem, invoice_of, line_of
from billing_gql.graph.ledger import (
    BalanceTransaction,
    Wallet,
    WalletTransaction,
    balance_transaction_of,
    wallet_of,
    wallet_transaction_of,
)
from billing_gql.graph.mutate import Info
from billing_gql.graph.node import Node
from billing_gql.graph.organizations import Organization
from billing_gql.graph.payments import Payment, payment_of
from billing_gql.graph.refunds import Refund, refund_of
from billing_gql.graph.subscriptions import Subscription, subscription_of
from billing_gql.kernel.ids import Kind, kind_of
from billing_gql.kernel.problems import TooManyItems

MAX_NODES = 100

Lookup = Callable[[Info, str], Awaitable[Node | None]]


async def _organization_of(info: Info, organization_id: str) -> Organization | None:
    mine = info.context.organization
    return Organization.of(mine) if mine.id == organization_id else None


NODES: dict[Kind, tuple[type[Node], Lookup]] = {
    Kind.ORGANIZATION: (Organization, _organization_of),
    Kind.CUSTOMER: (Customer, customer_of),
    Kind.FEATURE: (Feature, feature_of),
    Kind.PLAN: (Plan, plan_of),
    Kind.PRICE: (Price, price_of),
    Kind.SUBSCRIPTION: (Subscription, subscription_of),
    Kind.INVOICE: (Invoice, invoice_of),
    Kind.LINE_ITEM: (LineItem, line_of),
    Kind.COUPON: (Coupon, coupon_of),
    Kind.TAX_RATE: (TaxRate, tax_rate_of),
    Kind.WALLET: (Wallet, wallet_of),
    Kind.BALANCE_TRANSACTION: (BalanceTransaction, balance_transaction_of),
    Kind.WALLET_TRANSACTION: (WalletTransaction, wallet_transaction_of),
    Kind.CREDIT_NOTE: (CreditNote, credit_note_of),
    Kind.PAYMENT: (Payment, payment_of),
    Kind.REFUND: (Refund, refund_of),
}
"""The type of each kind, and how one is found: through its loader, inside the organization."""


async def node_of(info: Info, node_id: str, type_: type[Node] = Node) -> Node | None:
    """The node of an id; None for an unknown id or kind, and where its kind is not of `type_`."""
    kind = kind_of(node_id)
    if kind not in NODES:
        return None
    found, lookup = NODES[kind]
    return await lookup(info, node_id) if issubclass(found, type_) else None


@strawberry.type
class NodeQueries:
    """Fields of Query."""

    @strawberry.field(description="Anything by its id; null for an unknown one.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await node_of(info, id)

    @strawberry.field(description="Up to 100 by their ids, in order; null for unknown ones.")
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        if len(ids) > MAX_NODES:
            raise TooManyItems(f"At most {MAX_NODES} ids, not {len(ids)}.", ("ids",))
        # Together, so that the loaders see them all.
        return await gather(*(node_of(info, one) for one in ids))
