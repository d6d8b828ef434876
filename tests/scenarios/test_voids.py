"""2,000 invoices of any kind, finalized and voided by the real verbs: balances are restored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from billing_gql.invoices.edit import ManualLine, create_invoice
from billing_gql.invoices.tables import Invoice
from billing_gql.invoices.void import void_invoice
from billing_gql.store.database import Database
from tests.graph import wallets as given_to
from tests.ledger.books import assert_books_balance
from tests.support import Api, assert_books_are_right, new_organization
from tests.verbs import done

DECIMALS = {"USD": 2, "JPY": 0, "KWD": 3}
OWNED = ("rich", "poor", "debtor", "plain")
BALANCES = text(
    """SELECT coalesce(wallet_id, kind) AS name, balance FROM ledger_accounts
       WHERE organization_id = :id AND customer_id = :customer AND kind IN ('WALLET', 'BALANCE')"""
)


@dataclass(frozen=True, slots=True)
class Books:
    """An organization with customers in every currency, and its tax rates."""

    api: Api
    customers: dict[tuple[str, str], str]
    rates: list[str]
    had: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """What each customer has before the first invoice, and again after each void."""

    async def balances(self, customer_id: str) -> dict[str, Decimal]:
        """What the customer has in each wallet, and on the balance."""
        async with self.api.database.engine.connect() as connection:
            mine = {"id": self.api.organization_id, "customer": customer_id}
            rows = await connection.execute(BALANCES, mine)
        return {row.name: row.balance for row in rows}


@pytest.fixture(scope="module")
async def books(http: httpx.AsyncClient, database: Database) -> AsyncIterator[Books]:
    """What the customers have, each in coins of its currency: prepaid credit, a balance above or
    below zero, and coupons for a single invoice. At the end the books are right."""
    api = await new_organization(http, database)
    rates = [
        await given_to.tax_rate(api, code, percentage, isDefault=code == "a")
        for code, percentage in (("a", "8.25"), ("b", "33.333"), ("c", "0"))
    ]
    customers = {}
    for currency, decimals in DECIMALS.items():

        def coins(count: int, decimals: int = decimals) -> str:
            return f"{Decimal(count).scaleb(-decimals):f}"

        amounts = {"amountOff": coins(777), "currency": currency}
        for owned in OWNED:
            customer = await api.customer(f"{owned}-{currency}", currency=currency)
            customers[owned, currency] = customer["id"]
            if owned in ("rich", "poor"):
                for priority, count in enumerate((50_000, 1_234_567) if owned == "rich" else (55,)):
                    await given_to.wallet(
                        api, customer, coins(count), scope="ALL", priority=priority
                    )
            if owned != "plain":
                count = {"rich": 98_765, "poor": 321, "debtor": -4_321}[owned]
                await given_to.adjust(api, customer, coins(count))
            if owned in ("rich", "debtor"):
                for code, values in (("off", amounts), ("percent", {"percentOff": "12.5"})):
                    name = f"{code}-{owned}-{currency}"
                    one = await given_to.coupon(api, name, **values)
                    await given_to.give(api, one, customerId=customer["id"])
    books = Books(api, customers, rates)
    books.had.update({one: await books.balances(one) for one in customers.values()})
    yield books
    await assert_books_balance(api)
    await assert_books_are_right(api)


LINES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3_000), st.integers(0, 10**9)),
        st.integers(0, 3),
        st.sampled_from([None, (), (0,), (1,), (0, 1), (2, 1, 0)]),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    owned=st.sampled_from(OWNED),
    currency=st.sampled_from(sorted(DECIMALS)),
    lines=LINES,
)
async def test_each_balance_is_restored(
    books: Books,
    owned: str,
    currency: str,
    lines: list[tuple[int, int, tuple[int, ...] | None]],
) -> None:
    customer_id = books.customers[owned, currency]
    before = books.had[customer_id]
    invoice = await finalized(books, customer_id, currency, lines)
    during = await books.balances(customer_id)
    wallets = sum((before[one] - during[one] for one in before if one != "BALANCE"), Decimal(0))
    assert wallets == invoice.total_prepaid_credits_applied
    balance = before.get("BALANCE", Decimal(0)) - during.get("BALANCE", Decimal(0))
    assert balance == invoice.customer_balance_applied
    assert invoice.total == (
        invoice.subtotal
        - invoice.total_discount
        + invoice.total_tax
        - invoice.total_prepaid_credits_applied
    )
    # The coupons are there again each time.
    assert (invoice.total_discount > 0) == (owned in ("rich", "debtor") and invoice.subtotal > 0)
    voided = await done(books.api, void_invoice, invoice.id)
    assert voided.number == invoice.number
    assert await books.balances(customer_id) == before


async def finalized(
    books: Books,
    customer_id: str,
    currency: str,
    lines: list[tuple[int, int, tuple[int, ...] | None]],
) -> Invoice:
    """An invoice of these lines: tenths of a coin a unit, units of a third, places of rates."""
    return await done(
        books.api,
        create_invoice,
        customer_id=customer_id,
        external_customer_id=None,
        lines=[
            ManualLine(
                name="x",
                description=None,
                quantity=Decimal(f"{more}.333"),
                unit_amount=Decimal(tenths).scaleb(-DECIMALS[currency] - 1),
                amount=None,
                period_start=None,
                period_end=None,
                tax_rate_ids=None if rates is None else [books.rates[one] for one in rates],
            )
            for tenths, more, rates in lines
        ],
        finalize=True,
    )
