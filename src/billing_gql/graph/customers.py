"""Customers in the schema."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self, cast

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers import queries, tables
from billing_gql.customers.create import create_customer
from billing_gql.customers.update import CustomerChanges, update_customer
from billing_gql.graph.address import Address, AddressInput
from billing_gql.graph.connections import Connection, page_request, write_cursor
from billing_gql.graph.inputs import changes_of, given
from billing_gql.graph.loaders import UsageKey
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.node import Node, entity
from billing_gql.graph.payment_method import PaymentMethod
from billing_gql.graph.problems import UserError
from billing_gql.graph.scalars import CurrencyCode, Json
from billing_gql.graph.usage import UsageQuantity
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import to_currency, zero
from billing_gql.usage.meters import parse_group_keys
from billing_gql.usage.queries import UsageRequest, UsageWindow

if TYPE_CHECKING:
    from billing_gql.graph.invoice_lists import InvoiceConnection, InvoiceFilterInput
    from billing_gql.graph.ledger import BalanceTransactionConnection, Wallet
    from billing_gql.graph.subscriptions import SubscriptionConnection

LazyInvoices = Annotated["InvoiceConnection", strawberry.lazy("billing_gql.graph.invoice_lists")]
LazyInvoiceFilter = Annotated[
    "InvoiceFilterInput", strawberry.lazy("billing_gql.graph.invoice_lists")
]
LazySubscriptions = Annotated[
    "SubscriptionConnection", strawberry.lazy("billing_gql.graph.subscriptions")
]
LazyWallet = Annotated["Wallet", strawberry.lazy("billing_gql.graph.ledger")]
LazyBalanceTransactions = Annotated[
    "BalanceTransactionConnection", strawberry.lazy("billing_gql.graph.ledger")
]


@entity(description="Who is billed.")
class Customer(Node):
    """Mirrors `customers.tables.Customer`."""

    external_id: str = strawberry.field(
        description="Your own identifier; unique in the organization."
    )
    name: str
    email: str | None
    currency: CurrencyCode
    timezone: str
    address: Address | None
    tax_identifier: str | None
    language: str | None = strawberry.field(
        description="Of the customer's documents, as BCP 47 has it; null for the organization's."
    )
    net_payment_term_days: int | None
    metadata: Json
    payment_method: PaymentMethod | None
    created_at: datetime
    updated_at: datetime

    @strawberry.field(
        description="Credit for unused fees and late corrections that no invoice has given back"
        " yet; the customer's next subscription invoices do. Below zero: given back for a fee that"
        " was voided later."
    )
    async def open_credit(self, info: Info) -> Decimal:
        left = await info.context.loaders.credit_left.load(self.id)
        return to_currency(left, self.currency)

    @strawberry.field(
        description="Positive: credit that lowers the next finalized invoice. Negative: debt that"
        " raises it."
    )
    async def balance(self, info: Info) -> Decimal:
        balance = await info.context.loaders.money.balance.load(self.id)
        return zero(self.currency) if balance is None else balance

    @strawberry.field(description="What moved the balance, newest first.")
    async def balance_transactions(
        self, info: Info, first: int | None = 25, after: str | None = strawberry.UNSET
    ) -> LazyBalanceTransactions:
        from billing_gql.graph.ledger import balance_transactions_of_customer

        return await balance_transactions_of_customer(info, self.id, first, given(after))

    @strawberry.field(description="In the order in which they are drawn, expired ones too.")
    async def wallets(self, info: Info) -> list[LazyWallet]:
        from billing_gql.graph.ledger import Wallet

        rows = await info.context.loaders.money.wallets_of_customer.load(self.id)
        return [Wallet.of(row) for row in rows]

    @strawberry.field(description="Newest first; without a filter drafts and voided are left out.")
    async def invoices(
        self,
        info: Info,
        first: int | None = 25,
        after: str | None = strawberry.UNSET,
        filter: LazyInvoiceFilter | None = strawberry.UNSET,
    ) -> LazyInvoices:
        from billing_gql.graph.invoice_lists import invoices_of_customer

        return await invoices_of_customer(info, self.id, first, given(after), given(filter))

    @strawberry.field(description="Newest first.")
    async def subscriptions(
        self, info: Info, first: int | None = 25, after: str | None = strawberry.UNSET
    ) -> LazySubscriptions:
        from billing_gql.graph.subscriptions import subscriptions_of_customer

        return await subscriptions_of_customer(info, self.id, first, given(after))

    @strawberry.field(
        description="Metered quantities by feature in a half-open window, optionally grouped and"
        " bucketed."
    )
    async def usage(
        self,
        info: Info,
        period_start: datetime,
        period_end: datetime,
        feature_ids: list[strawberry.ID] | None = strawberry.UNSET,
        group_by: list[str] | None = [],  # noqa: B006 # the schema's default; nothing changes it
        window: UsageWindow | None = strawberry.UNSET,
    ) -> list[UsageQuantity]:
        keys = parse_group_keys(group_by or [], least=0)
        features = given(feature_ids)
        request = UsageRequest(
            start=period_start,
            end=period_end,
            feature_ids=None if features is None else tuple(features),
            group_by=keys,
            window=given(window),
        )
        usage = await info.context.loaders.usage.load(UsageKey(self.id, self.timezone, request))
        return [UsageQuantity.of(one, keys) for one in usage]

    @classmethod
    def of(cls, row: tables.Customer) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            external_id=row.external_id,
            name=row.name,
            email=row.email,
            currency=CurrencyCode(row.currency),
            timezone=row.timezone,
            address=None if row.address is None else Address.of(row.address),
            tax_identifier=row.tax_identifier,
            language=row.language,
            net_payment_term_days=row.net_payment_term_days,
            metadata=Json(row.metadata_),
            payment_method=PaymentMethod.of(row),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@strawberry.type
class CustomerConnection(Connection[Customer]):
    """A page of customers."""


@strawberry.input
class CustomerCreateInput:
    """Currency and zone default to the organization's; the currency never changes."""

    external_id: str
    name: str
    email: str | None = strawberry.UNSET
    currency: CurrencyCode | None = strawberry.UNSET
    timezone: str | None = strawberry.UNSET
    address: AddressInput | None = strawberry.UNSET
    tax_identifier: str | None = strawberry.UNSET
    language: str | None = strawberry.UNSET
    net_payment_term_days: int | None = strawberry.UNSET
    metadata: Json | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class CustomerCreatePayload:
    """The new customer."""

    customer: Customer | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class CustomerUpdateInput:
    """What is left out stays; null empties what may be empty."""

    customer_id: strawberry.ID
    name: str | None = strawberry.UNSET
    email: str | None = strawberry.UNSET
    timezone: str | None = strawberry.UNSET
    address: AddressInput | None = strawberry.UNSET
    tax_identifier: str | None = strawberry.UNSET
    language: str | None = strawberry.UNSET
    net_payment_term_days: int | None = strawberry.UNSET
    metadata: Json | None = strawberry.UNSET


@strawberry.type
class CustomerUpdatePayload:
    """The customer as it is now."""

    customer: Customer | None
    user_errors: list[UserError]


async def customer_of(info: Info, customer_id: str | None) -> Customer | None:
    """The customer through its loader; None for no id."""
    row = await info.context.loaders.customers.load(customer_id) if customer_id else None
    return None if row is None else Customer.of(row)


CUSTOMERS = "customers"


@strawberry.type
class CustomerQueries:
    """Fields of Query."""

    @strawberry.field(description="By exactly one of id and externalId.")
    async def customer(
        self,
        info: Info,
        id: strawberry.ID | None = strawberry.UNSET,
        external_id: str | None = strawberry.UNSET,
    ) -> Customer | None:
        async with info.context.reading() as session:
            row = await queries.find_customer(
                session, info.context.actor, given(id), given(external_id)
            )
        return None if row is None else Customer.of(row)

    @strawberry.field(description="Newest first; `search` is a part of name, email or externalId.")
    async def customers(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
        search: str | None = strawberry.UNSET,
    ) -> CustomerConnection:
        request = page_request(
            tuple[datetime, str],
            CUSTOMERS,
            first=given(first),
            after=given(after),
            last=given(last),
            before=given(before),
        )
        part = given(search) or None
        async with info.context.reading() as session:
            page = await queries.page_of_customers(session, info.context.actor, part, request)

        async def count() -> int:
            async with info.context.reading() as session:
                return await queries.count_customers(session, info.context.actor, part)

        return CustomerConnection.of(
            page.map(Customer.of),
            lambda node: write_cursor(CUSTOMERS, (node.created_at, node.id)),
            count,
        )


@strawberry.type
class CustomerMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Makes a customer.")
    async def customer_create(
        self, info: Info, input: CustomerCreateInput
    ) -> CustomerCreatePayload:
        address = given(input.address)

        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            customer = await create_customer(
                session,
                actor,
                external_id=input.external_id,
                name=input.name,
                email=given(input.email),
                currency=given(input.currency),
                timezone=given(input.timezone),
                address=None if address is None else address.address(),
                tax_identifier=given(input.tax_identifier),
                language=given(input.language),
                net_payment_term_days=given(input.net_payment_term_days),
                metadata=given(input.metadata),
            )
            return {"customer": customer.id}

        outcome = await mutate(info, input, verb)
        return CustomerCreatePayload(
            customer=await customer_of(info, outcome.ids.get("customer")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Changes a customer.")
    async def customer_update(
        self, info: Info, input: CustomerUpdateInput
    ) -> CustomerUpdatePayload:
        names = list(CustomerChanges.__annotations__)

        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            changes = changes_of(input, names, never_null=("name", "timezone"))
            if isinstance(input.address, AddressInput):
                changes["address"] = input.address.address()
            customer = await update_customer(
                session, actor, input.customer_id, cast("CustomerChanges", changes)
            )
            return {"customer": customer.id}

        outcome = await mutate(info, input, verb)
        return CustomerUpdatePayload(
            customer=await customer_of(info, outcome.ids.get("customer")),
            user_errors=outcome.errors,
        )
