"""Discounts, taxes, prepaid credit and balance over an invoice's life, by date."""

import pytest

from tests.graph.wallets import (
    MONEY,
    adjust,
    balances,
    coupon,
    done_with,
    give,
    money_of,
    sums,
    tax_rate,
    top_up,
    wallet,
)
from tests.support import Api, Json

UPCOMING = """query ($id: ID!) { upcomingInvoice(subscriptionId: $id) {
  subtotal totalDiscount totalTax totalPrepaidCreditsApplied total customerBalanceApplied amountDue
  lineItems { name discountAmount taxAmount total } } }"""


async def usage_and_fee(api: Api, customer: Json) -> Json:
    """A subscription that bills 80.00 of usage and a fee of 20.00 for January."""
    calls = await api.feature("calls", "SUM", valueProperty="n")
    unit = {"perUnit": {"unitAmount": "0.5"}}
    plan = await api.plan(
        "p",
        [
            {"name": "Calls", "featureId": calls["id"], "model": unit},
            {"name": "Access", "model": {"flat": {"amount": "20"}}},
        ],
    )
    subscription = await api.subscription(customer, plan, startedAt="2026-01-01T00:00:00Z")
    await api.ingest(
        {
            "transactionId": "1",
            "customerId": customer["id"],
            "eventName": "calls",
            "timestamp": "2026-01-10T00:00:00Z",
            "properties": {"n": 160},
        }
    )
    return subscription


async def drafts(api: Api) -> list[Json]:
    return await api.invoices(MONEY, "DRAFT")


async def test_the_example_of_the_design_on_a_draft_and_finalized(api: Api) -> None:
    customer = await api.customer()
    await usage_and_fee(api, customer)
    await tax_rate(api, "vat", "8.25", isDefault=True)
    await wallet(api, customer, "5.00")
    await api.advance("2026-02-01T00:00:00Z")
    (draft,) = await drafts(api)
    assert sums(draft) == "100.00 0.00 8.25 5.00 103.25 0.00 103.25"
    calls, _ = draft["lineItems"]
    await give(api, await coupon(api, "calls", percentOff="25"), lineItemId=calls["id"])
    draft = await give(api, await coupon(api, "ten", amountOff="10"), invoiceId=draft["id"])
    assert sums(draft) == "100.00 30.00 5.78 5.00 70.78 0.00 70.78"
    assert await money_of(api, draft) == draft
    assert await balances(api, customer) == ("0.00", ["5.00"])  # nothing is posted yet
    final = await done_with(api, "invoiceFinalize", draft)
    assert final == {**draft, "status": "FINALIZED"}
    assert await money_of(api, draft) == final
    assert await balances(api, customer) == ("0.00", ["0.00"])
    assert final["taxes"] == [
        {
            "taxRate": {"code": "vat"},
            "name": "VAT",
            "percentage": "8.25",
            "currency": "USD",
            "taxableAmount": "70.00",
            "amount": "5.78",
        }
    ]
    assert final["couponApplications"] == [
        {
            "coupon": {"code": "calls"},
            "lineItem": {"name": "Calls"},
            "currency": "USD",
            "amount": "20.00",
        },
        {"coupon": {"code": "ten"}, "lineItem": None, "currency": "USD", "amount": "10.00"},
    ]
    shares = [
        [one[name] for name in ("amount", "discountAmount", "taxAmount", "total")]
        for one in final["lineItems"]
    ]
    assert shares == [["80.00", "27.50", "4.34", "56.84"], ["20.00", "2.50", "1.44", "18.94"]]
    assert [one["taxRates"] for one in final["lineItems"]] == [[{"code": "vat"}]] * 2


async def test_the_preview_is_what_is_drafted_and_finalized(api: Api) -> None:
    customer = await api.customer()
    subscription = await usage_and_fee(api, customer)
    await tax_rate(api, "vat", "8.25", isDefault=True)
    await wallet(api, customer, "5.00", scope="ALL")
    await give(api, await coupon(api, "thirty", amountOff="30"), customerId=customer["id"])
    await adjust(api, customer, "0.78")
    upcoming = (await api.query(UPCOMING, {"id": subscription["id"]}))["upcomingInvoice"]
    lines = upcoming.pop("lineItems")
    assert " ".join(upcoming.values()) == "100.00 30.00 5.78 5.00 70.78 0.78 70.00"
    await api.advance("2026-02-01T00:00:00Z")
    (draft,) = await drafts(api)
    assert sums(draft) == " ".join(upcoming.values())
    assert [{name: one[name] for name in lines[0]} for one in draft["lineItems"]] == lines
    await api.advance("2026-02-04T00:00:00Z")
    final = await money_of(api, draft)
    assert (final["status"], sums(final)) == ("FINALIZED", sums(draft))
    assert await balances(api, customer) == ("0.00", ["0.00"])
    upcoming = (await api.query(UPCOMING, {"id": subscription["id"]}))["upcomingInvoice"]
    assert upcoming["totalDiscount"] == "0.00"  # the coupon was for one invoice


async def test_a_repeating_coupon_lasts_for_its_invoices(api: Api) -> None:
    customer = await api.customer()
    plan = await api.plan("p", [{"name": "Access", "model": {"flat": {"amount": "10"}}}])
    await api.subscription(customer, plan, startedAt="2026-01-01T00:00:00Z")
    for code, duration, invoices in (("three", "REPEATING", 3), ("ever", "FOREVER", None)):
        one = await coupon(api, code, percentOff="10", duration=duration, durationInvoices=invoices)
        await give(api, one, customerId=customer["id"])
    await api.advance("2026-06-05T00:00:00Z")
    found = (await api.invoices(MONEY, "FINALIZED"))[::-1]
    assert [one["totalDiscount"] for one in found] == ["1.90"] * 3 + ["1.00"] * 2
    # A voided one gives its use back: the next invoice takes it.
    await done_with(api, "invoiceVoid", found[0])
    await api.advance("2026-08-05T00:00:00Z")
    found = (await api.invoices(MONEY, "FINALIZED"))[::-1]
    assert [one["totalDiscount"] for one in found[-2:]] == ["1.90", "1.00"]


async def test_a_coupon_that_takes_nothing_is_not_used(api: Api) -> None:
    customer = await api.customer()
    await give(api, await coupon(api, "ten", amountOff="10"), customerId=customer["id"])
    free = await api.one_off(customer, "0", finalize=True)
    assert (await money_of(api, free))["couponApplications"] == []
    paid = await money_of(api, await api.one_off(customer, "25", finalize=True))
    assert paid["total"] == "15.00"


async def test_a_use_comes_back_by_deletion_and_when_its_draft_needs_it_no_more(api: Api) -> None:
    customer = await api.customer()
    await give(api, await coupon(api, "ten", amountOff="10"), customerId=customer["id"])
    first, second = await api.one_off(customer, "20"), await api.one_off(customer, "30")
    assert (first["total"], second["total"]) == ("10.00", "30.00")
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=first["id"])
    await api.advance("2026-01-02T00:00:00Z")
    assert (await money_of(api, second))["total"] == "20.00"
    third = await api.one_off(customer, "40")
    assert third["total"] == "40.00"
    line = second["lineItems"][0]["id"]
    await api.done("invoiceLineItemDelete", "invoice { id }", lineItemId=line)
    await api.advance("2026-01-03T00:00:00Z")
    assert (await money_of(api, third))["total"] == "30.00"
    assert (await money_of(api, second))["total"] == "0.00"


async def test_drafts_follow_coupons_wallets_balances_and_default_rates(api: Api) -> None:
    customer, other = await api.customer(), await api.customer("bystander")
    draft, foreign = await api.one_off(customer, "100"), await api.one_off(other, "100")
    day = 1

    async def later() -> str:
        nonlocal day
        day += 1
        await api.advance(f"2026-01-{day:02}T00:00:00Z")
        return sums(await money_of(api, draft))

    await give(api, await coupon(api, "ten", amountOff="10"), customerId=customer["id"])
    assert await later() == "100.00 10.00 0.00 0.00 90.00 0.00 90.00"
    prepaid = await wallet(api, customer, "5", scope="ALL", expiresAt="2026-01-08T00:00:00Z")
    assert await later() == "100.00 10.00 0.00 5.00 85.00 0.00 85.00"
    await top_up(api, prepaid, "7")
    assert await later() == "100.00 10.00 0.00 12.00 78.00 0.00 78.00"
    await adjust(api, customer, "-3")
    assert await later() == "100.00 10.00 0.00 12.00 78.00 -3.00 81.00"
    await adjust(api, customer, "13")
    assert await later() == "100.00 10.00 0.00 12.00 78.00 10.00 68.00"
    await tax_rate(api, "vat", "10", isDefault=True)
    await tax_rate(api, "other", "50")
    assert await later() == "100.00 10.00 9.00 12.00 87.00 10.00 77.00"
    assert await later() == "100.00 10.00 9.00 0.00 99.00 10.00 89.00"  # the wallet expired
    assert sums(await money_of(api, foreign)) == "100.00 0.00 10.00 0.00 110.00 0.00 110.00"
    other_draft = await api.one_off(customer, "4")
    await done_with(api, "invoiceFinalize", other_draft)
    assert await later() == "100.00 10.00 9.00 0.00 99.00 5.60 93.40"
    await done_with(api, "invoiceVoid", other_draft)
    assert await later() == "100.00 10.00 9.00 0.00 99.00 10.00 89.00"


async def test_void_returns_wallets_and_balance_and_says_so(api: Api) -> None:
    customer = await api.customer()
    await wallet(api, customer, "3", scope="ALL", priority=9, name="Second")
    await wallet(api, customer, "5", scope="ALL", priority=1, name="First")
    await wallet(api, customer, "50", name="Usage alone", priority=0)
    await adjust(api, customer, "20")
    invoice = await money_of(api, await api.one_off(customer, "25", finalize=True))
    assert sums(invoice) == "25.00 0.00 0.00 8.00 17.00 17.00 0.00"
    assert invoice["paymentStatus"] == "PAID"
    assert await balances(api, customer) == ("3.00", ["50.00", "0.00", "0.00"])
    voided = await done_with(api, "invoiceVoid", invoice)
    assert await balances(api, customer) == ("20.00", ["50.00", "5.00", "3.00"])
    moved = [
        [one[name] for name in ("reason", "amount", "startingBalance", "endingBalance")]
        for one in voided["balanceTransactions"]
    ]
    assert moved == [
        ["RETURNED_BY_VOID", "17.00", "3.00", "20.00"],
        ["APPLIED_TO_INVOICE", "-17.00", "20.00", "3.00"],
    ]
    assert {one["invoice"]["id"] for one in voided["balanceTransactions"]} == {invoice["id"]}


async def test_debt_is_taken_over_and_returned(api: Api) -> None:
    customer = await api.customer()
    await adjust(api, customer, "-7.50")
    invoice = await money_of(api, await api.one_off(customer, "10", finalize=True))
    assert sums(invoice) == "10.00 0.00 0.00 0.00 10.00 -7.50 17.50"
    assert invoice["amountRemaining"] == "17.50"
    assert await balances(api, customer) == ("0.00", [])
    await done_with(api, "invoiceVoid", invoice)
    assert await balances(api, customer) == ("-7.50", [])


TRANSACTIONS = """query ($id: ID!) { node(id: $id) { ... on Wallet { balance
  transactions { totalCount nodes { type amount endingBalance createdAt invoice { id } } } } } }"""


async def test_what_returns_to_an_expired_wallet_expires_again(api: Api) -> None:
    customer = await api.customer()
    prepaid = await wallet(api, customer, "10", scope="ALL", expiresAt="2026-01-05T00:00:00Z")
    first = await api.one_off(customer, "4", finalize=True)
    await api.advance("2026-01-06T00:00:00Z")
    assert await balances(api, customer) == ("0.00", ["0.00"])
    await done_with(api, "invoiceVoid", first)
    draft = await money_of(api, await api.one_off(customer, "4"))
    assert draft["total"] == "4.00"  # what came back is not for use
    await api.advance("2026-01-07T00:00:00Z")
    found = (await api.query(TRANSACTIONS, {"id": prepaid}))["node"]
    day = "2026-01-{:02}T00:00:00Z".format
    assert found == {
        "balance": "0.00",
        "transactions": {
            "totalCount": 5,
            "nodes": [
                dict(zip(("type", "amount", "endingBalance", "createdAt"), row, strict=True))
                | {"invoice": {"id": first["id"]} if row[0] in ("DRAW", "RETURN") else None}
                for row in (
                    ("EXPIRY", "-4.00", "0.00", day(6)),
                    ("RETURN", "4.00", "4.00", day(6)),
                    ("EXPIRY", "-6.00", "0.00", day(5)),
                    ("DRAW", "-4.00", "6.00", day(1)),
                    ("TOP_UP", "10.00", "10.00", day(1)),
                )
            ],
        },
    }


@pytest.mark.parametrize("finalize", [False, True])
async def test_a_one_off_with_coupons_and_rates_of_its_own(api: Api, finalize: bool) -> None:
    customer = await api.customer()
    await tax_rate(api, "vat", "20", isDefault=True)
    low, city = await tax_rate(api, "low", "5"), await tax_rate(api, "city", "1")
    coupons = [await coupon(api, "half", percentOff="50"), await coupon(api, "five", amountOff="5")]
    lines = [
        {"name": "By default", "amount": "100"},
        {"name": "By default too", "amount": "10", "taxRateIds": None},
        {"name": "Low and city", "amount": "40", "taxRateIds": [low, city]},
        {"name": "None", "amount": "50", "taxRateIds": []},
    ]
    payload = await api.done(
        "invoiceCreate",
        f"invoice {{ {MONEY} }}",
        customerId=customer["id"],
        lineItems=lines,
        couponIds=coupons,
        finalize=finalize,
    )
    invoice = payload["invoice"]
    # 105.00 off of 200.00 leaves 47.50, 4.75, 19.00 and 23.75.
    assert sums(invoice) == "200.00 105.00 11.59 0.00 106.59 0.00 106.59"
    assert [[one["code"] for one in line["taxRates"]] for line in invoice["lineItems"]] == [
        ["vat"],
        ["vat"],
        ["low", "city"],
        [],
    ]
    assert [
        (one["taxRate"]["code"], one["taxableAmount"], one["amount"]) for one in invoice["taxes"]
    ] == [("vat", "52.25", "10.45"), ("low", "19.00", "0.95"), ("city", "19.00", "0.19")]
    assert [one["coupon"]["code"] for one in invoice["couponApplications"]] == ["half", "five"]
    assert await money_of(api, invoice) == invoice


async def test_a_line_takes_its_coupon_with_it(api: Api) -> None:
    customer = await api.customer()
    draft = await api.one_off(customer, "10", "20")
    line = draft["lineItems"][0]["id"]
    half = await coupon(api, "half", percentOff="50")
    draft = await give(api, half, lineItemId=line)
    assert draft["total"] == "25.00"
    await api.done("invoiceLineItemDelete", "invoice { id }", lineItemId=line)
    after = await money_of(api, draft)
    assert (after["total"], after["couponApplications"]) == ("20.00", [])
    await give(api, half, invoiceId=draft["id"])
    await give(api, half, lineItemId=after["lineItems"][0]["id"])
    assert (await money_of(api, draft))["total"] == "5.00"
    before = await api.stored()
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=draft["id"])
    gone = {table for table, _ in before - await api.stored()}
    assert gone >= {"invoices", "line_items", "coupon_grants", "coupon_applications"}


async def test_drafts_set_nothing_aside(api: Api) -> None:
    customer = await api.customer()
    await wallet(api, customer, "8", scope="ALL")
    await adjust(api, customer, "5")
    drafts = [await money_of(api, await api.one_off(customer, "10")) for _ in range(2)]
    assert [sums(one) for one in drafts] == ["10.00 0.00 0.00 8.00 2.00 2.00 0.00"] * 2
    await done_with(api, "invoiceFinalize", drafts[1])
    assert sums(await done_with(api, "invoiceRefresh", drafts[0])) == (
        "10.00 0.00 0.00 0.00 10.00 3.00 7.00"
    )


async def test_debt_is_taken_over_by_an_invoice_of_nothing_too(api: Api) -> None:
    customer = await api.customer()
    await adjust(api, customer, "-5")
    invoice = await money_of(api, await api.one_off(customer, "0", finalize=True))
    assert sums(invoice) == "0.00 0.00 0.00 0.00 0.00 -5.00 5.00"
    assert (invoice["paymentStatus"], invoice["amountRemaining"]) == ("PENDING", "5.00")
