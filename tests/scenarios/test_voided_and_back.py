"""Voiding gives back exactly what finalizing took, and the same invoice can be made again."""

from dataclasses import dataclass
from decimal import Decimal

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_gql.store.database import Database
from tests.graph.wallets import MONEY, balances, done_with, tax_rate
from tests.scenarios.life_model import DECIMALS
from tests.scenarios.life_story import BY_CUSTOMER, Step, new_story
from tests.support import Api, Json, assert_books_are_right, new_organization

MADE_AGAIN = {
    "id",
    "status",
    "paymentStatus",
    "lineItems",
    "balanceTransactions",
    "couponApplications",
}
"""What differs between an invoice and the same one made again; held against each other apart."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A line of so many tenths of a coin a unit, and of 1.333 units or more."""

    coins: int
    more: int
    untaxed: bool


LINES = st.lists(
    st.builds(Sold, st.integers(0, 30_000), st.integers(0, 7), st.booleans()),
    min_size=1,
    max_size=4,
)
GIVEN = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from(["coupon", "wallet", "wallet", "adjust"]),
        which=st.integers(0, 5),
        amount=st.integers(0, 19_999),
        choice=st.just(0),
        many=st.integers(0, 59),
    ),
    max_size=7,
)


def taken(invoice: Json) -> Json:
    """The sums of the invoice and of its lines, without what names it."""
    lines = [{**line, "id": None} for line in invoice["lineItems"]]
    coupons = [(one["coupon"]["code"], one["amount"]) for one in invoice["couponApplications"]]
    rest = {key: value for key, value in invoice.items() if key not in MADE_AGAIN}
    return {**rest, "lines": lines, "coupons": coupons}


async def draft(api: Api, customer_id: str, sold: list[Sold], decimals: int) -> Json:
    lines = [
        {
            "name": f"Line {n}",
            "quantity": f"{1 + one.more}.333",
            "unitAmount": f"{Decimal(one.coins).scaleb(-decimals - 1):f}",
            **({"taxRateIds": []} if one.untaxed else {}),
        }
        for n, one in enumerate(sold)
    ]
    payload = await api.done(
        "invoiceCreate", f"invoice {{ {MONEY} }}", customerId=customer_id, lineItems=lines
    )
    made: Json = payload["invoice"]
    return made


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    currency=st.sampled_from(sorted(DECIMALS)),
    percent=st.decimals(0, 100, places=3),
    gifts=GIVEN,
    sold=LINES,
)
async def test_voiding_restores_every_balance(
    http: httpx.AsyncClient,
    database: Database,
    currency: str,
    percent: Decimal,
    gifts: list[Step],
    sold: list[Sold],
) -> None:
    api = await new_organization(http, database)
    story = await new_story(api, [currency], 1)
    await tax_rate(api, "more", f"{percent:f}", isDefault=True)
    for gift in gifts:
        await BY_CUSTOMER[gift.verb](story, gift, story.customers[0])
    customer: Json = {"id": story.customers[0].id}
    before = await balances(api, customer)
    seen: list[Json] = []
    for _ in range(2):
        made = await draft(api, customer["id"], sold, DECIMALS[currency])
        assert await balances(api, customer) == before
        final = await done_with(api, "invoiceFinalize", made)
        assert taken(final) == taken(made)
        voided = await done_with(api, "invoiceVoid", final)
        assert await balances(api, customer) == before
        moved = {one["reason"]: one["amount"] for one in voided["balanceTransactions"]}
        assert len(moved) in (0, 2), moved
        if moved:
            assert moved["APPLIED_TO_INVOICE"].lstrip("-") == moved["RETURNED_BY_VOID"].lstrip("-")
            assert moved["APPLIED_TO_INVOICE"] != moved["RETURNED_BY_VOID"]
        seen.append(taken(final))
    assert seen[0] == seen[1]
    await assert_books_are_right(api)
