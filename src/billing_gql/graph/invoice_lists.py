"""Lists of invoices in the schema: filter, sort, pages; and the preview of the next one."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self, TypeVar

import strawberry

from billing_gql.graph.catalog import Feature, Price, feature_of, price_of
from billing_gql.graph.connections import Connection, page_request, write_cursor
from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.inputs import given
from billing_gql.graph.invoices import Invoice
from billing_gql.graph.loaders import CountKey, PageKey
from billing_gql.graph.mutate import Info
from billing_gql.graph.node import kept
from billing_gql.graph.pricing_step import PricingStep
from billing_gql.graph.scalars import BigInt, CurrencyCode, Json
from billing_gql.graph.subscriptions import Subscription
from billing_gql.invoices import lines, queries, states, tables
from billing_gql.invoices.queries import NO_FILTER, InvoiceFilter, InvoiceSortField
from billing_gql.invoices.totals import LineAmounts
from billing_gql.invoices.upcoming import Upcoming, upcoming_invoice
from billing_gql.kernel import checks
from billing_gql.store.columns import to_json
from billing_gql.store.pages import Page

T = TypeVar("T")

strawberry.enum(InvoiceSortField, description="What invoices are sorted by; drafts are newest.")


@strawberry.enum(description="Which end comes first.")
class SortDirection(StrEnum):
    """Ascending or descending."""

    ASC = "ASC"
    DESC = "DESC"


@strawberry.type
class InvoiceConnection(Connection[Invoice]):
    """A page of invoices."""


@strawberry.input(description="What is left out does not narrow the list; all the rest must hold.")
class InvoiceFilterInput:
    """Mirrors `invoices.queries.InvoiceFilter`."""

    statuses: list[states.InvoiceStatus] | None = strawberry.field(
        default=strawberry.UNSET, description="Without it DRAFT and VOIDED are left out."
    )
    payment_statuses: list[states.PaymentStatus] | None = strawberry.UNSET
    invoice_types: list[states.InvoiceType] | None = strawberry.UNSET
    customer_id: strawberry.ID | None = strawberry.UNSET
    external_customer_id: str | None = strawberry.UNSET
    subscription_id: strawberry.ID | None = strawberry.UNSET
    currency: CurrencyCode | None = strawberry.UNSET
    issue_date_from: date | None = strawberry.UNSET
    issue_date_to: date | None = strawberry.field(
        default=strawberry.UNSET, description="Inclusive."
    )
    due_date_from: date | None = strawberry.UNSET
    due_date_to: date | None = strawberry.field(default=strawberry.UNSET, description="Inclusive.")
    total_from: Decimal | None = strawberry.UNSET
    total_to: Decimal | None = strawberry.field(default=strawberry.UNSET, description="Inclusive.")
    is_overdue: bool | None = strawberry.UNSET
    metadata: Json | None = strawberry.field(
        default=strawberry.UNSET, description="Every pair must match."
    )
    search: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Part of an invoice number, or of the customer's name, email or external id.",
    )

    def filter(self) -> InvoiceFilter:
        """The filter for the query; raises InvalidInput."""
        metadata = given(self.metadata)
        search = checks.optional_text(given(self.search) or None, "filter", "search")
        if metadata is not None:
            metadata = Json(checks.metadata(metadata, "filter", "metadata"))
        return InvoiceFilter(
            statuses=_tuple(self.statuses),
            payment_statuses=_tuple(self.payment_statuses),
            invoice_types=_tuple(self.invoice_types),
            customer_id=given(self.customer_id),
            external_customer_id=given(self.external_customer_id),
            subscription_id=given(self.subscription_id),
            currency=given(self.currency),
            issue_date_from=given(self.issue_date_from),
            issue_date_to=given(self.issue_date_to),
            due_date_from=given(self.due_date_from),
            due_date_to=given(self.due_date_to),
            total_from=given(self.total_from),
            total_to=given(self.total_to),
            is_overdue=given(self.is_overdue),
            metadata=None if metadata is None else to_json(metadata),
            search=search,
        )


def _tuple(values: list[T] | None) -> tuple[T, ...] | None:
    found = given(values)
    return None if found is None else tuple(found)


@strawberry.input(description="One field; ties by id.")
class InvoiceSortInput:
    """Mirrors `invoices.queries.InvoiceSortField`."""

    field: InvoiceSortField
    direction: SortDirection = SortDirection.DESC


POSITIONS: dict[InvoiceSortField, object] = {
    InvoiceSortField.ISSUE_DATE: tuple[date, str],
    InvoiceSortField.DUE_DATE: tuple[date, str],
    InvoiceSortField.CREATED_AT: tuple[datetime, str],
    InvoiceSortField.TOTAL: tuple[Decimal, str],
}
"""What a cursor of each order holds."""


def _position(node: Invoice, field: InvoiceSortField) -> tuple[object, ...]:
    first: object = {
        InvoiceSortField.ISSUE_DATE: node.issue_date or date.max,
        InvoiceSortField.DUE_DATE: node.due_date or date.max,
        InvoiceSortField.CREATED_AT: node.created_at,
        InvoiceSortField.TOTAL: node.total,
    }[field]
    return first, node.id


def _list_name(field: InvoiceSortField, direction: SortDirection) -> str:
    return f"invoices {field.value} {direction.value}"


def _connection(
    info: Info,
    page: Page[tables.Invoice],
    count: Callable[[], Awaitable[int]],
    field: InvoiceSortField = InvoiceSortField.ISSUE_DATE,
    direction: SortDirection = SortDirection.DESC,
) -> InvoiceConnection:
    name = _list_name(field, direction)
    return InvoiceConnection.of(
        page.map(lambda row: Invoice.of(row, info.context.actor.now)),
        lambda node: write_cursor(name, _position(node, field)),
        count,
    )


NEWEST = _list_name(InvoiceSortField.ISSUE_DATE, SortDirection.DESC)


async def invoices_of_customer(
    info: Info,
    customer_id: str,
    first: int | None,
    after: str | None,
    filter: InvoiceFilterInput | None,
) -> InvoiceConnection:
    """A page of a customer's invoices, batched with other customers' same pages."""
    filters = NO_FILTER if filter is None else filter.filter()
    request = page_request(tuple[date, str], NEWEST, first=first, after=after)
    page = await info.context.loaders.invoices_of_customer.load(
        PageKey(customer_id, request, filters)
    )
    key = CountKey(customer_id, filters)
    return _connection(info, page, lambda: info.context.loaders.count_of_customer.load(key))


async def invoices_of_subscription(
    info: Info, subscription_id: str, first: int | None, after: str | None
) -> InvoiceConnection:
    """A page of a subscription's invoices, batched with other subscriptions' same pages."""
    request = page_request(tuple[date, str], NEWEST, first=first, after=after)
    page = await info.context.loaders.invoices_of_subscription.load(
        PageKey(subscription_id, request)
    )
    key = CountKey(subscription_id)
    return _connection(info, page, lambda: info.context.loaders.count_of_subscription.load(key))


@strawberry.type(description="A line of an invoice that does not exist yet.")
class UpcomingLineItem:
    """Mirrors `invoices.lines.ComposedLine`."""

    type: lines.LineItemType
    name: str
    description: str | None
    currency: CurrencyCode
    quantity: Decimal
    unit_amount: Decimal | None
    amount: Decimal
    discount_amount: Decimal
    tax_amount: Decimal
    total: Decimal
    event_count: BigInt | None
    period_start: datetime | None
    period_end: datetime | None
    pricing_steps: list[PricingStep]
    price_id: strawberry.Private[str | None]
    feature_id: strawberry.Private[str | None]

    @strawberry.field(description="The price that it bills.")
    async def price(self, info: Info) -> Price | None:
        return await price_of(info, self.price_id)

    @strawberry.field(description="Null for a line that meters nothing.")
    async def feature(self, info: Info) -> Feature | None:
        return await feature_of(info, self.feature_id)

    @classmethod
    def of(cls, line: lines.ComposedLine, amounts: LineAmounts, currency: str) -> Self:
        return cls(
            type=line.type,
            name=line.name,
            description=line.description,
            currency=CurrencyCode(currency),
            quantity=line.quantity,
            unit_amount=line.unit_amount,
            amount=amounts.amount,
            discount_amount=amounts.discount_amount,
            tax_amount=amounts.tax_amount,
            total=amounts.total,
            event_count=None if line.event_count is None else BigInt(line.event_count),
            period_start=line.period.start if line.period else None,
            period_end=line.period.end if line.period else None,
            pricing_steps=[PricingStep.of(step) for step in line.steps],
            price_id=line.price_id,
            feature_id=line.feature_id,
        )


@strawberry.type(
    description="An invoice that does not exist yet: the same computation, nothing stored."
)
class UpcomingInvoice:
    """Mirrors `invoices.upcoming.Upcoming`."""

    subscription: Subscription
    currency: CurrencyCode
    target_date: date
    period_start: datetime
    period_end: datetime
    subtotal: Decimal
    total_discount: Decimal
    total_tax: Decimal
    total_prepaid_credits_applied: Decimal
    total: Decimal
    customer_balance_applied: Decimal
    amount_due: Decimal
    line_items: list[UpcomingLineItem]

    @strawberry.field(description="Who will be billed.")
    async def customer(self, info: Info) -> Customer:
        return kept(await customer_of(info, self.subscription.customer_id))

    @classmethod
    def of(cls, found: Upcoming, now: datetime) -> Self:
        sums = found.totals
        return cls(
            subscription=Subscription.of(found.subscription, now),
            currency=CurrencyCode(found.currency),
            target_date=found.target_date,
            period_start=found.period.start,
            period_end=found.period.end,
            subtotal=sums.subtotal,
            total_discount=sums.total_discount,
            total_tax=sums.total_tax,
            total_prepaid_credits_applied=sums.total_prepaid_credits_applied,
            total=sums.total,
            customer_balance_applied=sums.customer_balance_applied,
            amount_due=sums.amount_due,
            line_items=[
                UpcomingLineItem.of(line, amounts, found.currency)
                for line, amounts in zip(found.lines, sums.lines, strict=True)
            ],
        )


@strawberry.type
class InvoiceQueries:
    """Fields of Query."""

    @strawberry.field(description="By exactly one of id and number.")
    async def invoice(
        self,
        info: Info,
        id: strawberry.ID | None = strawberry.UNSET,
        number: str | None = strawberry.UNSET,
    ) -> Invoice | None:
        async with info.context.reading() as session:
            row = await queries.find_invoice(session, info.context.actor, given(id), given(number))
        return None if row is None else Invoice.of(row, info.context.actor.now)

    @strawberry.field(
        description="Newest issue date first unless sorted otherwise; drafts and voided ones only"
        " when asked for by status."
    )
    async def invoices(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
        filter: InvoiceFilterInput | None = strawberry.UNSET,
        sort: InvoiceSortInput | None = strawberry.UNSET,
    ) -> InvoiceConnection:
        wanted, order = given(filter), given(sort)
        filters = NO_FILTER if wanted is None else wanted.filter()
        field = InvoiceSortField.ISSUE_DATE if order is None else order.field
        direction = SortDirection.DESC if order is None else order.direction
        request = page_request(
            POSITIONS[field],
            _list_name(field, direction),
            first=given(first),
            after=given(after),
            last=given(last),
            before=given(before),
        )
        async with info.context.reading() as session:
            page = await queries.page_of_invoices(
                session,
                info.context.actor,
                filters,
                queries.order_of(field, descending=direction is SortDirection.DESC),
                request,
            )

        async def count() -> int:
            async with info.context.reading() as session:
                return await queries.count_invoices(session, info.context.actor, filters)

        return _connection(info, page, count, field, direction)

    @strawberry.field(
        description="The subscription's next invoice as it would be now; null for an unknown id."
    )
    async def upcoming_invoice(
        self, info: Info, subscription_id: strawberry.ID
    ) -> UpcomingInvoice | None:
        async with info.context.reading() as session:
            found = await upcoming_invoice(session, info.context.actor, subscription_id)
        return None if found is None else UpcomingInvoice.of(found, info.context.actor.now)
