"""Wallets, balances and coupons under many hands at once: real commits."""

from decimal import Decimal
from itertools import pairwise

import pytest

from billing_gql.organizations.tables import OrganizationMode
from tests.concurrency.together import at_once
from tests.graph.wallets import adjust, balances, coupon, give, wallet
from tests.ledger.books import assert_books_balance
from tests.support import Api, new_organization

SHOWN = "invoice { id totalPrepaidCreditsApplied customerBalanceApplied totalDiscount amountDue }"


async def test_sixteen_finalizes_draw_no_more_than_the_wallet_has(api: Api) -> None:
    customer = await api.customer()
    await wallet(api, customer, "50", scope="ALL")
    await adjust(api, customer, "30")
    drafts = [await api.one_off(customer, "10") for _ in range(16)]
    done, errors = await at_once(
        [api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"]) for draft in drafts]
    )
    assert errors == []
    invoices = [payload["invoice"] for payload in done]
    assert sum(Decimal(one["totalPrepaidCreditsApplied"]) for one in invoices) == 50
    assert sum(Decimal(one["customerBalanceApplied"]) for one in invoices) == 30
    assert sum(Decimal(one["amountDue"]) for one in invoices) == 80
    assert await balances(api, customer) == ("0.00", ["0.00"])
    await assert_books_balance(api)


@pytest.mark.parametrize("attempt", range(3))
async def test_a_top_up_is_drawn_or_kept_never_lost(api: Api, attempt: int) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer, "5", scope="ALL")
    draft = await api.one_off(customer, "100")
    calls = [
        api.mutate("walletTopUp", "wallet { id }", walletId=credit, amount="7") for _ in range(8)
    ]
    finalizing = api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"])
    done, errors = await at_once([*calls[: attempt * 4], finalizing, *calls[attempt * 4 :]])
    assert errors == []
    (invoice,) = [payload["invoice"] for payload in done if "invoice" in payload]
    drawn = Decimal(invoice["totalPrepaidCreditsApplied"])
    assert (drawn - 5) % 7 == 0
    assert await balances(api, customer) == ("0.00", [f"{61 - drawn:.2f}"])
    await assert_books_balance(api)


async def test_adjustments_at_once_all_count(api: Api) -> None:
    customer = await api.customer()
    amounts = [str(n - 6) for n in range(16) if n != 6]
    done, errors = await at_once(
        [
            api.mutate(
                "customerBalanceAdjust", "customer { id }", customerId=customer["id"], amount=one
            )
            for one in amounts
        ]
    )
    assert (len(done), errors) == (15, [])
    assert await balances(api, customer) == (f"{sum(map(int, amounts))}.00", [])
    await assert_books_balance(api)


async def test_movements_at_once_are_listed_as_they_were_posted(api: Api) -> None:
    live = await new_organization(api.http, api.database, mode=OrganizationMode.LIVE)
    customer = await live.customer()
    await at_once(
        [
            live.mutate(
                "customerBalanceAdjust", "customer { id }", customerId=customer["id"], amount=str(n)
            )
            for n in range(1, 33)
        ]
    )
    data = await live.query(
        "query ($id: ID!) { customer(id: $id) { balanceTransactions(first: 100) { nodes {"
        " startingBalance endingBalance } } } }",
        {"id": customer["id"]},
    )
    nodes = data["customer"]["balanceTransactions"]["nodes"]
    assert len(nodes) == 32
    assert nodes[0]["endingBalance"] == f"{sum(range(1, 33))}.00"
    for newer, older in pairwise(nodes):
        assert newer["startingBalance"] == older["endingBalance"]


async def test_voids_and_finalizes_at_once_return_what_was_taken(api: Api) -> None:
    customer = await api.customer()
    await wallet(api, customer, "40", scope="ALL")
    invoices = [await api.one_off(customer, "10", finalize=True) for _ in range(4)]
    drafts = [await api.one_off(customer, "10") for _ in range(4)]
    done, errors = await at_once(
        [
            call
            for invoice, draft in zip(invoices, drafts, strict=True)
            for call in (
                api.mutate("invoiceVoid", "invoice { id status }", invoiceId=invoice["id"]),
                api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"]),
            )
        ]
    )
    assert errors == []
    drawn = sum(
        Decimal(one["invoice"]["totalPrepaidCreditsApplied"])
        for one in done
        if "status" not in one["invoice"]
    )
    assert await balances(api, customer) == ("0.00", [f"{40 - drawn:.2f}"])
    await assert_books_balance(api)


async def test_a_coupon_for_one_invoice_is_on_one_of_sixteen(api: Api) -> None:
    customer = await api.customer()
    await give(api, await coupon(api, "half", percentOff="50"), customerId=customer["id"])
    line = {"name": "x", "amount": "10"}
    done, errors = await at_once(
        [
            api.mutate("invoiceCreate", SHOWN, customerId=customer["id"], lineItems=[line])
            for _ in range(16)
        ]
    )
    assert errors == []
    discounts = sorted(payload["invoice"]["totalDiscount"] for payload in done)
    assert discounts == ["0.00"] * 15 + ["5.00"]


async def test_of_sixteen_gifts_of_one_coupon_one_succeeds(api: Api) -> None:
    customer = await api.customer()
    half = await coupon(api, "half", percentOff="50")
    draft = await api.one_off(customer, "10")
    for place in ({"customerId": customer["id"]}, {"invoiceId": draft["id"]}):
        done, errors = await at_once(
            [api.mutate("couponApply", "coupon { id }", couponId=half, **place) for _ in range(16)]
        )
        assert (len(done), {error["code"] for error in errors}) == (1, {"ALREADY_EXISTS"})


async def test_of_sixteen_coupons_of_one_code_one_is_made(api: Api) -> None:
    values = {"code": "c", "name": "C", "percentOff": "5", "duration": "ONCE"}
    done, errors = await at_once(
        [api.mutate("couponCreate", "coupon { id }", **values) for _ in range(16)]
    )
    assert (len(done), {error["code"] for error in errors}) == (1, {"ALREADY_EXISTS"})
