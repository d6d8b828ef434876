"""The loaders of coupons, taxes, wallets, balances and refunds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from billing_gql.catalog.queries import coupons_by_ids, tax_rates_by_ids
from billing_gql.graph.batches import Batches, by_id, lists, loader, values
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
from billing_gql.ledger.tables import Entry
from billing_gql.payments.queries import (
    refunded_of_payments,
    refunds_by_ids,
    refunds_of_credit_notes,
)
from billing_gql.store.pages import Page, PageRequest

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession


PageOf = tuple[PageRequest, str]
"""A page of the movements of one customer's balance, or of one wallet."""

Pages = Callable[
    ["AsyncSession", Actor, Sequence[str], PageRequest], Awaitable[dict[str, Page[Entry]]]
]


class MoneyLoaders(Batches):
    """One of each, for one snapshot."""

    coupons = by_id(coupons_by_ids)
    tax_rates = by_id(tax_rates_by_ids)
    wallets = by_id(wallets_by_ids)
    entries = by_id(entries_by_ids)
    refunds = by_id(refunds_by_ids)
    coupons_of_invoice = lists(coupons_of_invoices, lambda row: row.invoice_id)
    taxes_of_invoice = lists(taxes_of_invoices, lambda row: row.invoice_id)
    balance_entries_of_invoice = lists(
        balance_entries_of_invoices, lambda row: row.invoice_id or ""
    )
    wallets_of_customer = lists(wallets_of_customers, lambda row: row.customer_id)
    refunds_of_credit_note = lists(refunds_of_credit_notes, lambda row: row.credit_note_id)
    refunded = values(refunded_of_payments)
    balance = values(balances_of_customers)
    wallet_balance = values(wallet_balances)
    balance_count = values(counts_of_balances)
    wallet_count = values(counts_of_wallets)

    @loader
    async def balance_page(self, keys: list[PageOf]) -> list[Page[Entry]]:
        return await self._pages(keys, pages_of_balances)

    @loader
    async def wallet_page(self, keys: list[PageOf]) -> list[Page[Entry]]:
        return await self._pages(keys, pages_of_wallets)

    async def _pages(self, keys: list[PageOf], fetch: Pages) -> list[Page[Entry]]:
        async def answer(
            session: AsyncSession, request: PageRequest, ids: list[str]
        ) -> dict[str, Page[Entry]]:
            return await fetch(session, self._context.actor, ids, request)

        return await self._by_arguments(keys, answer)
