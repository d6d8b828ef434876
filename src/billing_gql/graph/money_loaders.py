"""The loaders of coupons, taxes, wallets, balances and refunds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from aiodataloader import DataLoader

from billing_gql.catalog.queries import coupons_by_ids, tax_rates_by_ids
from billing_gql.catalog.tables import Coupon, TaxRate
from billing_gql.graph.batches import Batches
from billing_gql.invoices.applied import CouponApplication, InvoiceTax
from billing_gql.invoices.read_applied import coupons_of_invoices, taxes_of_invoices
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.queries import (
    balance_entries_of_invoices,
    balances_of_customers,
    counts_of_balances,
    counts_of_wallets,
    entries_by_ids,
    pages_of_balances,
    pages_of_wallets,
    wallet_balances,
    wallets_by_ids,
    wallets_of_customers,
)
from billing_gql.ledger.tables import Entry, Wallet
from billing_gql.payments.queries import (
    refunded_of_payments,
    refunds_by_ids,
    refunds_of_credit_notes,
)
from billing_gql.payments.tables import Refund
from billing_gql.store.pages import Page, PageRequest

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from billing_gql.graph.context import Context

R = TypeVar("R")
V = TypeVar("V")

PageOf = tuple[PageRequest, str]
"""A page of the movements of one customer's balance, or of one wallet."""

Pages = Callable[
    ["AsyncSession", Actor, Sequence[str], PageRequest], Awaitable[dict[str, Page[Entry]]]
]


class MoneyLoaders(Batches):
    """One of each, for one snapshot."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.coupons: DataLoader[str, Coupon | None] = self._by_id(coupons_by_ids)
        self.tax_rates: DataLoader[str, TaxRate | None] = self._by_id(tax_rates_by_ids)
        self.wallets: DataLoader[str, Wallet | None] = self._by_id(wallets_by_ids)
        self.entries: DataLoader[str, Entry | None] = self._by_id(entries_by_ids)
        self.coupons_of_invoice: DataLoader[str, list[CouponApplication]] = self._lists(
            coupons_of_invoices, lambda row: row.invoice_id
        )
        self.taxes_of_invoice: DataLoader[str, list[InvoiceTax]] = self._lists(
            taxes_of_invoices, lambda row: row.invoice_id
        )
        self.balance_entries_of_invoice: DataLoader[str, list[Entry]] = self._lists(
            balance_entries_of_invoices, lambda row: row.invoice_id or ""
        )
        self.wallets_of_customer: DataLoader[str, list[Wallet]] = self._lists(
            wallets_of_customers, lambda row: row.customer_id
        )
        self.refunds: DataLoader[str, Refund | None] = self._by_id(refunds_by_ids)
        self.refunds_of_credit_note: DataLoader[str, list[Refund]] = self._lists(
            refunds_of_credit_notes, lambda row: row.credit_note_id
        )
        self.refunded: DataLoader[str, Decimal | None] = self._values(refunded_of_payments)
        self.balance: DataLoader[str, Decimal | None] = self._values(balances_of_customers)
        self.wallet_balance: DataLoader[str, Decimal | None] = self._values(wallet_balances)
        self.balance_count: DataLoader[str, int | None] = self._values(counts_of_balances)
        self.wallet_count: DataLoader[str, int | None] = self._values(counts_of_wallets)
        self.balance_page: DataLoader[PageOf, Page[Entry]] = self._pages(pages_of_balances)
        self.wallet_page: DataLoader[PageOf, Page[Entry]] = self._pages(pages_of_wallets)

    def _lists(
        self,
        fetch: Callable[[AsyncSession, Actor, Sequence[str]], Awaitable[Sequence[R]]],
        parent_of: Callable[[R], str],
    ) -> DataLoader[str, list[R]]:
        async def batch(ids: list[str]) -> list[list[R]]:
            async with self._context.reading() as session:
                rows = await fetch(session, self._context.actor, ids)
            found: dict[str, list[R]] = {one: [] for one in ids}
            for row in rows:
                found[parent_of(row)].append(row)
            return [found[one] for one in ids]

        return DataLoader(batch)

    def _values(
        self, fetch: Callable[[AsyncSession, Actor, Sequence[str]], Awaitable[dict[str, V]]]
    ) -> DataLoader[str, V | None]:
        async def batch(ids: list[str]) -> list[V | None]:
            async with self._context.reading() as session:
                found = await fetch(session, self._context.actor, ids)
            return [found.get(one) for one in ids]

        return DataLoader(batch)

    def _pages(self, fetch: Pages) -> DataLoader[PageOf, Page[Entry]]:
        async def answer(
            session: AsyncSession, request: PageRequest, ids: list[str]
        ) -> dict[str, Page[Entry]]:
            return await fetch(session, self._context.actor, ids, request)

        async def batch(keys: list[PageOf]) -> list[Page[Entry]]:
            return await self._by_arguments(keys, answer)

        return DataLoader(batch)
