"""The loaders of a request: whatever many resolvers want of one kind, in one statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from billing_gql.billing_runs.queries import failures_by_subjects
from billing_gql.catalog.queries import (
    all_features,
    features_by_ids,
    plans_by_ids,
    prices_by_ids,
    prices_of_plans,
)
from billing_gql.catalog.tables import Feature, Price
from billing_gql.customers.queries import customers_by_ids
from billing_gql.documents.read import read_credit_notes, read_invoices
from billing_gql.graph.batches import Batches, by_id, lists, loader, values
from billing_gql.graph.money_loaders import MoneyLoaders
from billing_gql.invoices import queries as invoice_counts
from billing_gql.invoices.breakdown import Breakdown, break_down
from billing_gql.invoices.credit_note_queries import (
    credit_notes_by_ids,
    credit_notes_of_invoices,
    lines_of_credit_notes,
)
from billing_gql.invoices.credit_notes import CreditNote
from billing_gql.invoices.credits import credit_left
from billing_gql.invoices.queries import (
    NO_FILTER,
    InvoiceFilter,
    invoice_pages_by_customer,
    invoice_pages_by_subscription,
    invoices_by_ids,
    lines_by_ids,
    lines_of_invoices,
)
from billing_gql.invoices.tables import Invoice, LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import NotFound, TooManyItems
from billing_gql.payments.queries import payments_by_ids, payments_of_invoices
from billing_gql.store.pages import Page, PageRequest
from billing_gql.subscriptions import queries as subscription_counts
from billing_gql.subscriptions.queries import (
    subscription_pages_by_customer,
    subscriptions_by_ids,
)
from billing_gql.subscriptions.tables import Subscription
from billing_gql.usage.meters import GroupKey
from billing_gql.usage.queries import Usage, UsageRequest, usage_of_customers

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from billing_gql.graph.context import Context

InvoicePages = Callable[
    ["AsyncSession", Actor, Sequence[str], InvoiceFilter, PageRequest],
    Awaitable[dict[str, Page[Invoice]]],
]


@dataclass(frozen=True, slots=True)
class PageKey:
    """A page of one parent's invoices or subscriptions."""

    parent_id: str
    request: PageRequest
    filters: InvoiceFilter = NO_FILTER


@dataclass(frozen=True, slots=True)
class CountKey:
    """How many invoices one parent has."""

    parent_id: str
    filters: InvoiceFilter = NO_FILTER


@dataclass(frozen=True, slots=True)
class BreakdownKey:
    """A breakdown of one line."""

    line_id: str
    keys: tuple[GroupKey, ...]
    recalculate: bool


@dataclass(frozen=True, slots=True)
class UsageKey:
    """One customer's usage."""

    customer_id: str
    timezone: str
    request: UsageRequest


InvoiceCounts = Callable[
    ["AsyncSession", Actor, Sequence[str], InvoiceFilter], Awaitable[dict[str, int]]
]


class Loaders(Batches):
    """One of each, for one snapshot; a loader caches what it read."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.money = MoneyLoaders(context)

    customers = by_id(customers_by_ids)
    features = by_id(features_by_ids)
    plans = by_id(plans_by_ids)
    prices = by_id(prices_by_ids)
    subscriptions = by_id(subscriptions_by_ids)
    invoices = by_id(invoices_by_ids)
    payments = by_id(payments_by_ids)
    credit_notes = by_id(credit_notes_by_ids)
    printed_invoices = by_id(read_invoices)
    printed_credit_notes = by_id(read_credit_notes)
    payments_of_invoice = lists(payments_of_invoices, lambda row: row.invoice_id)
    lines_of_credit_note = lists(lines_of_credit_notes, lambda row: row.credit_note_id)
    billing_problems = values(failures_by_subjects)

    @loader
    async def lines(self, ids: list[str]) -> list[LineItem | None]:
        rows = await self._fetch(lines_by_ids, ids)
        found = {line.id: self._remember(line, feature) for line, feature in rows}
        return [found.get(one) for one in ids]

    @loader
    async def lines_of_invoice(self, ids: list[str]) -> list[list[LineItem]]:
        rows = await self._fetch(lines_of_invoices, ids)
        found: dict[str, list[LineItem]] = {one: [] for one in ids}
        for line, feature in rows:
            found[line.invoice_id].append(self._remember(line, feature))
        return [found[one] for one in ids]

    @loader
    async def credit_notes_of_invoice(self, ids: list[str]) -> list[list[CreditNote]]:
        rows = await self._fetch(credit_notes_of_invoices, ids)
        found: dict[str, list[CreditNote]] = {one: [] for one in ids}
        for note in rows:
            found[note.invoice_id].append(note)
            self.credit_notes.prime(note.id, note)
        return [found[one] for one in ids]

    def _remember(self, line: LineItem, feature: Feature | None) -> LineItem:
        """Puts what came along into its own loader, so that nothing asks for it again."""
        if feature is not None:
            self.features.prime(feature.id, feature)
        self.lines.prime(line.id, line)
        return line

    @loader
    async def prices_of_plan(self, ids: list[str]) -> list[list[Price]]:
        rows = await self._fetch(prices_of_plans, ids)
        found: dict[str, list[Price]] = {one: [] for one in ids}
        for price in rows:
            found[price.plan_id].append(price)
            self.prices.prime(price.id, price)
        return [found[one] for one in ids]

    @loader
    async def credit_left(self, customer_ids: list[str]) -> list[Decimal]:
        found = await self._fetch(credit_left, customer_ids)
        return [found.get(one, Decimal(0)) for one in customer_ids]

    @loader
    async def breakdowns(self, keys: list[BreakdownKey]) -> list[Breakdown]:
        lines = [line for line in await self.lines.load_many([one.line_id for one in keys]) if line]
        features = await self.features.load_many([line.feature_id or "" for line in lines])
        known = {
            line.id: (line, feature)
            for line, feature in zip(lines, features, strict=True)
            if feature is not None
        }

        async def answer(
            session: AsyncSession, args: tuple[tuple[GroupKey, ...], bool], ids: list[str]
        ) -> dict[str, Breakdown | TooManyItems]:
            group_by, recalculate = args
            broken = await break_down(
                session,
                self._context.actor,
                [known[one] for one in ids],
                group_by,
                recalculate=recalculate,
            )
            return dict(zip(ids, broken, strict=True))

        return await self._by_arguments(
            [((one.keys, one.recalculate), one.line_id) for one in keys], answer
        )

    @loader
    async def usage(self, keys: list[UsageKey]) -> list[list[Usage]]:
        timezones = {one.customer_id: one.timezone for one in keys}

        async def answer(
            session: AsyncSession, request: UsageRequest, ids: list[str]
        ) -> Mapping[str, list[Usage] | TooManyItems]:
            features = await self._features_of(session, request)
            customers = [(one, timezones[one]) for one in ids]
            return await usage_of_customers(
                session, self._context.actor, customers, features, request
            )

        return await self._by_arguments([(one.request, one.customer_id) for one in keys], answer)

    async def _features_of(self, session: AsyncSession, request: UsageRequest) -> Sequence[Feature]:
        if request.feature_ids is None:
            return await all_features(session, self._context.actor)
        found = {
            one.id: one
            for one in await features_by_ids(session, self._context.actor, request.feature_ids)
        }
        for index, feature_id in enumerate(request.feature_ids):
            if feature_id not in found:
                raise NotFound.of("feature", feature_id, "featureIds", index)
        return [found[one] for one in dict.fromkeys(request.feature_ids)]

    @loader
    async def invoices_of_customer(self, keys: list[PageKey]) -> list[Page[Invoice]]:
        return await self._invoice_pages(keys, invoice_pages_by_customer)

    @loader
    async def invoices_of_subscription(self, keys: list[PageKey]) -> list[Page[Invoice]]:
        return await self._invoice_pages(keys, invoice_pages_by_subscription)

    async def _invoice_pages(self, keys: list[PageKey], fetch: InvoicePages) -> list[Page[Invoice]]:
        async def answer(
            session: AsyncSession, args: tuple[InvoiceFilter, PageRequest], ids: list[str]
        ) -> dict[str, Page[Invoice]]:
            filters, request = args
            return await fetch(session, self._context.actor, ids, filters, request)

        return await self._by_arguments(
            [((one.filters, one.request), one.parent_id) for one in keys], answer
        )

    @loader
    async def count_of_customer(self, keys: list[CountKey]) -> list[int]:
        return await self._invoice_counts(keys, invoice_counts.counts_by_customer)

    @loader
    async def count_of_subscription(self, keys: list[CountKey]) -> list[int]:
        return await self._invoice_counts(keys, invoice_counts.counts_by_subscription)

    async def _invoice_counts(self, keys: list[CountKey], fetch: InvoiceCounts) -> list[int]:
        async def answer(
            session: AsyncSession, filters: InvoiceFilter, ids: list[str]
        ) -> dict[str, int]:
            return await fetch(session, self._context.actor, ids, filters)

        return await self._by_arguments([(one.filters, one.parent_id) for one in keys], answer)

    @loader
    async def subscription_count(self, ids: list[str]) -> list[int]:
        found = await self._fetch(subscription_counts.counts_by_customer, ids)
        return [found[one] for one in ids]

    @loader
    async def subscriptions_of_customer(self, keys: list[PageKey]) -> list[Page[Subscription]]:
        async def answer(
            session: AsyncSession, request: PageRequest, ids: list[str]
        ) -> dict[str, Page[Subscription]]:
            return await subscription_pages_by_customer(session, self._context.actor, ids, request)

        return await self._by_arguments([(one.request, one.parent_id) for one in keys], answer)
