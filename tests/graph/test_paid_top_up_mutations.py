"""walletTopUp with payment INVOICED: the credit comes with the money, once, and never without."""

import pytest

from billing_gql.billing_runs.run import run_due
from billing_gql.invoices.states import PaymentState
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.payments.providers.provider import Outcome
from tests.graph.wallets import adjust, balances, coupon, give, tax_rate, wallet
from tests.payments.paying import record, set_method
from tests.payments.test_collect import say
from tests.store.test_outbox import types
from tests.support import Api, Json, assert_books_are_right

SHOWN = """id number invoiceType billingReason status paymentStatus availableActions currency
  subtotal totalDiscount totalTax totalPrepaidCreditsApplied total customerBalanceApplied amountDue
  amountPaid issueDate dueDate paidAt customer { id } subscription { id } payments { id state }
  lineItems { id type name description quantity unitAmount amount total taxRates { code }
    pricingSteps { quantity unitAmount amount } }"""
PAYLOAD = f"""wallet {{ id balance }}
  transaction {{ id type amount endingBalance invoice {{ id }} }} invoice {{ {SHOWN} }} replayed"""
NOW = "2026-01-01T00:00:00Z"
UNPAID = ["UPDATE", "VOID", "MARK_UNCOLLECTIBLE", "RECORD_PAYMENT", "CREDIT", "DOWNLOAD"]
PAID = ["UPDATE", "RECORD_PAYMENT", "DOWNLOAD"]


async def buy(api: Api, wallet_id: str, amount: str, **values: object) -> Json:
    """The payload of a top-up that an invoice is made for."""
    given = {"walletId": wallet_id, "amount": amount, "payment": "INVOICED", **values}
    return await api.done("walletTopUp", PAYLOAD, **given)


async def moved(api: Api, wallet_id: str) -> list[tuple[str, str, str | None]]:
    """What moved the wallet, newest first, and the invoice that it is for."""
    data = await api.query(
        """query ($id: ID!) { node(id: $id) { ... on Wallet {
          transactions { nodes { type amount invoice { id } } } } } }""",
        {"id": wallet_id},
    )
    return [
        (one["type"], one["amount"], one["invoice"] and one["invoice"]["id"])
        for one in data["node"]["transactions"]["nodes"]
    ]


async def read(api: Api, invoice: Json) -> Json:
    query = f"query ($id: ID!) {{ invoice(id: $id) {{ {SHOWN} }} }}"
    found: Json = (await api.query(query, {"id": invoice["id"]}))["invoice"]
    return found


async def note(api: Api, invoice: Json, settlement: str, amount: str) -> None:
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}
    values = {"reason": "OTHER", "settlement": settlement, "lineItems": [line]}
    await api.done("creditNoteCreate", "creditNote { id }", invoiceId=invoice["id"], **values)


@pytest.mark.parametrize(
    ("currency", "amount", "shown", "unit", "nothing"),
    [
        ("USD", "50", "50.00", "50", "0.00"),
        ("JPY", "500", "500", "500", "0"),
        ("KWD", "0.5", "0.500", "0.5", "0.000"),
    ],
)
async def test_the_invoice_is_final_and_the_wallet_waits(
    api: Api, currency: str, amount: str, shown: str, unit: str, nothing: str
) -> None:
    customer = await api.customer("acme", currency=currency)
    credit = await wallet(api, customer, name="Credits")
    payload = await buy(api, credit, amount)
    assert payload["wallet"] == {"id": credit, "balance": nothing}
    assert payload["transaction"] is None
    invoice = payload["invoice"]
    assert invoice["lineItems"][0].pop("id").startswith("lin_")
    assert invoice.pop("id").startswith("inv_")
    line = {
        "type": "FIXED",
        "name": "Credits",
        "description": "Prepaid credit",
        "quantity": "1",
        "unitAmount": unit,
        "amount": shown,
        "total": shown,
        "taxRates": [],
        "pricingSteps": [{"quantity": "1", "unitAmount": unit, "amount": unit}],
    }
    assert invoice == {
        "number": "ACM-001-001",
        "invoiceType": "CREDIT",
        "billingReason": "WALLET_TOP_UP",
        "status": "FINALIZED",
        "paymentStatus": "PENDING",
        "availableActions": UNPAID,
        "currency": currency,
        "subtotal": shown,
        "totalDiscount": nothing,
        "totalTax": nothing,
        "totalPrepaidCreditsApplied": nothing,
        "total": shown,
        "customerBalanceApplied": nothing,
        "amountDue": shown,
        "amountPaid": nothing,
        "issueDate": "2026-01-01",
        "dueDate": "2026-01-31",
        "paidAt": None,
        "customer": {"id": customer["id"]},
        "subscription": None,
        "payments": [],
        "lineItems": [line],
    }
    assert await moved(api, credit) == []
    assert await assert_books_are_right(api) == 1


async def test_the_credit_comes_with_the_last_of_the_money(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer, "1")
    invoice = (await buy(api, credit, "50"))["invoice"]
    await record(api, invoice, amount="49.99")
    assert await balances(api, customer) == ("0.00", ["1.00"])
    await record(api, invoice, amount="10")
    assert await balances(api, customer) == ("9.99", ["51.00"])
    await record(api, invoice, amount="50")
    assert await balances(api, customer) == ("59.99", ["51.00"])
    assert await moved(api, credit) == [
        ("TOP_UP", "50.00", invoice["id"]),
        ("TOP_UP", "1.00", None),
    ]
    paid = await read(api, invoice)
    assert (paid["paymentStatus"], paid["paidAt"]) == ("OVERPAID", NOW)
    assert paid["availableActions"] == PAID
    told = ["invoice.created", "invoice.finalized", "payment.succeeded", "invoice.updated"]
    assert await types(api, invoice["id"]) == [*told, *["payment.succeeded", "invoice.paid"] * 2]
    assert await types(api, credit) == ["wallet.created", *["wallet.topped_up"] * 2]
    await assert_books_are_right(api)


async def test_neither_coupons_nor_taxes_nor_wallets_are_on_it(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer, "30", scope="ALL")
    await tax_rate(api, "vat", "10", isDefault=True)
    await give(api, await coupon(api, "off", amountOff="5"), customerId=customer["id"])
    invoice = (await buy(api, credit, "50"))["invoice"]
    assert (invoice["total"], invoice["amountDue"]) == ("50.00", "50.00")
    usual = await api.one_off(customer, "10", finalize=True)
    # The coupon and the tax are on what is bought with the credit: 5.00 and 0.50.
    assert usual["total"] == "0.00"
    assert await balances(api, customer) == ("0.00", ["24.50"])
    await record(api, invoice)
    assert await balances(api, customer) == ("0.00", ["74.50"])
    await assert_books_are_right(api)


async def test_the_balance_may_pay_all_of_it_at_once(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await adjust(api, customer, "70")
    payload = await buy(api, credit, "50")
    invoice = payload["invoice"]
    assert payload["wallet"]["balance"] == "50.00"
    assert payload["transaction"].pop("id").startswith("wtx_")
    assert payload["transaction"] == {
        "type": "TOP_UP",
        "amount": "50.00",
        "endingBalance": "50.00",
        "invoice": {"id": invoice["id"]},
    }
    assert (invoice["paymentStatus"], invoice["customerBalanceApplied"]) == ("PAID", "50.00")
    assert (invoice["paidAt"], invoice["availableActions"]) == (NOW, PAID)
    assert await balances(api, customer) == ("20.00", ["50.00"])
    # Nothing is paid, and yet the credit may be spent already.
    for verb, field in (
        ("invoiceVoid", "invoice { id }"),
        ("invoiceRetryPayment", "payment { id }"),
    ):
        words = "is FINALIZED"
        given = {"invoiceId": invoice["id"]}
        await api.refused(verb, field, "INVALID_STATE", ["invoiceId"], words, **given)
    await assert_books_are_right(api)


async def test_the_balance_may_pay_some_of_it_and_a_debt_is_taken_over(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await adjust(api, customer, "20")
    some = (await buy(api, credit, "50"))["invoice"]
    assert (some["customerBalanceApplied"], some["amountDue"]) == ("20.00", "30.00")
    await adjust(api, customer, "-5")
    more = (await buy(api, credit, "50"))["invoice"]
    assert (more["customerBalanceApplied"], more["amountDue"]) == ("-5.00", "55.00")
    await record(api, some)
    await record(api, more, amount="50")
    assert await balances(api, customer) == ("0.00", ["50.00"])
    await record(api, more)
    assert await balances(api, customer) == ("0.00", ["100.00"])
    await assert_books_are_right(api)


async def test_a_void_returns_the_balance_and_no_credit_ever_comes(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await set_method(api, customer, "pm_declined")
    await adjust(api, customer, "20")
    invoice = (await buy(api, credit, "50"))["invoice"]
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    (attempt,) = (await read(api, invoice))["payments"]
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    assert await balances(api, customer) == ("20.00", ["0.00"])
    await say(api, attempt["id"], Outcome(PaymentState.SUCCEEDED))
    assert await balances(api, customer) == ("50.00", ["0.00"])
    assert await moved(api, credit) == []
    await assert_books_are_right(api)


async def test_a_part_that_is_paid_cannot_be_voided(api: Api) -> None:
    invoice = (await buy(api, await wallet(api, await api.customer()), "50"))["invoice"]
    await record(api, invoice, amount="1")
    values = {"invoiceId": invoice["id"]}
    words = "Cannot void"
    await api.refused(
        "invoiceVoid", "invoice { id }", "INVALID_STATE", ["invoiceId"], words, **values
    )


@pytest.mark.parametrize("token", ["pm_ok", "pm_processing", "pm_recovers"])
async def test_the_customers_method_pays_it_like_any_other(api: Api, token: str) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await set_method(api, customer, token)
    invoice = (await buy(api, credit, "50"))["invoice"]
    assert await balances(api, customer) == ("0.00", ["0.00"])
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert (await balances(api, customer))[1] == ["50.00" if token == "pm_ok" else "0.00"]
    if token == "pm_recovers":
        await api.done("invoiceRetryPayment", "payment { id }", invoiceId=invoice["id"])
    await api.advance("2026-01-02T00:00:00Z")
    assert await balances(api, customer) == ("0.00", ["50.00"])
    assert await moved(api, credit) == [("TOP_UP", "50.00", invoice["id"])]
    await assert_books_are_right(api)


async def test_a_late_success_gives_it_once(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await set_method(api, customer, "pm_declined")
    invoice = (await buy(api, credit, "50"))["invoice"]
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    (attempt,) = (await read(api, invoice))["payments"]
    assert await moved(api, credit) == []
    for _ in range(2):
        await say(api, attempt["id"], Outcome(PaymentState.SUCCEEDED))
    assert await moved(api, credit) == [("TOP_UP", "50.00", invoice["id"])]
    assert await balances(api, customer) == ("0.00", ["50.00"])


async def test_what_is_given_up_gives_its_credit_once_it_is_paid_after_all(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    invoice = (await buy(api, credit, "50"))["invoice"]
    await record(api, invoice, amount="20")
    await api.done("invoiceMarkUncollectible", "invoice { id }", invoiceId=invoice["id"])
    assert await moved(api, credit) == []
    await record(api, invoice)
    assert (await read(api, invoice))["status"] == "FINALIZED"
    assert await moved(api, credit) == [("TOP_UP", "50.00", invoice["id"])]
    await assert_books_are_right(api)


async def test_money_for_a_wallet_that_expired_meanwhile_is_on_the_balance(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer, "7", expiresAt="2026-01-05T00:00:00Z")
    invoice = (await buy(api, credit, "50"))["invoice"]
    await record(api, invoice, amount="20")
    await api.advance("2026-01-05T00:00:00Z")
    await record(api, invoice, amount="40")
    assert await balances(api, customer) == ("60.00", ["0.00"])
    assert [one[:2] for one in await moved(api, credit)] == [
        ("EXPIRY", "-7.00"),
        ("TOP_UP", "7.00"),
    ]
    data = await api.query(
        "query ($id: ID!) { invoice(id: $id) { balanceTransactions { reason amount } } }",
        {"id": invoice["id"]},
    )
    assert {(one["reason"], one["amount"]) for one in data["invoice"]["balanceTransactions"]} == {
        ("EXPIRED_WALLET", "50.00"),
        ("OVERPAYMENT", "10.00"),
    }
    assert (await read(api, invoice))["availableActions"] == PAID
    await assert_books_are_right(api)


async def test_what_was_credited_before_is_not_bought(api: Api) -> None:
    customer = await api.customer()
    prepaid = await wallet(api, customer)
    invoice = (await buy(api, prepaid, "50"))["invoice"]
    await record(api, invoice, amount="20")
    await note(api, invoice, "REFUND", "5")
    await note(api, invoice, "BALANCE", "10")
    assert await balances(api, customer) == ("10.00", ["0.00"])
    await note(api, invoice, "OFFSET", "30")
    assert (await read(api, invoice))["paymentStatus"] == "PAID"
    # 20.00 came in: 5.00 are refunded, 10.00 on the balance, and 5.00 prepaid.
    assert await balances(api, customer) == ("10.00", ["5.00"])
    assert await moved(api, prepaid) == [("TOP_UP", "5.00", invoice["id"])]
    await assert_books_are_right(api)


async def test_what_was_credited_whole_gives_nothing(api: Api) -> None:
    prepaid = await wallet(api, await api.customer())
    invoice = (await buy(api, prepaid, "50"))["invoice"]
    await note(api, invoice, "OFFSET", "50")
    assert (await read(api, invoice))["availableActions"] == PAID
    assert await moved(api, prepaid) == []
    await assert_books_are_right(api)


async def test_credit_that_was_given_is_not_credited_back(api: Api) -> None:
    invoice = (await buy(api, await wallet(api, await api.customer()), "50"))["invoice"]
    await record(api, invoice)
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": "1"}
    values = {"invoiceId": invoice["id"], "reason": "OTHER", "lineItems": [line]}
    for settlement in ("OFFSET", "BALANCE", "REFUND"):
        await api.refused(
            "creditNoteCreate",
            "creditNote { id }",
            "INVALID_STATE",
            ["invoiceId"],
            "Cannot credit",
            **values,
            settlement=settlement,
        )


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"walletId": "wal_x"}, "NOT_FOUND", ["walletId"], "no wallet 'wal_x'"),
        ({"amount": "0"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "not be zero"),
        ({"amount": "-1"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "above zero"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "USD has 2 decimals"),
        ({"amount": "999999999999999.5"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "must stay below"),
    ],
)
async def test_a_bad_one_is_refused_and_takes_no_number(
    api: Api, change: Json, code: str, field: list[str], words: str
) -> None:
    credit = await wallet(api, await api.customer(), "0.50")
    values = {"walletId": credit, "amount": "1", "payment": "INVOICED"}
    await api.refused("walletTopUp", PAYLOAD, code, field, words, **{**values, **change})
    assert (await buy(api, credit, "1"))["invoice"]["number"] == "ACM-001-001"


async def test_an_expired_wallet_and_another_organizations_are_refused(
    api: Api, other: Api
) -> None:
    credit = await wallet(api, await api.customer(), expiresAt="2026-01-02T00:00:00Z")
    theirs = await wallet(other, await other.customer())
    values = {"amount": "1", "payment": "INVOICED"}
    words = f"no wallet '{theirs}'"
    await api.refused(
        "walletTopUp", PAYLOAD, "NOT_FOUND", ["walletId"], words, walletId=theirs, **values
    )
    await api.advance("2026-01-02T00:00:00Z")
    words = "expired at 2026-01-02"
    await api.refused(
        "walletTopUp", PAYLOAD, "INVALID_STATE", ["walletId"], words, walletId=credit, **values
    )


async def test_said_twice_it_is_two_and_with_a_key_one(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    numbers = [(await buy(api, credit, "50"))["invoice"]["number"] for _ in range(2)]
    assert numbers == ["ACM-001-001", "ACM-001-002"]
    first = await buy(api, credit, "50", idempotencyKey="k")
    await record(api, first["invoice"])
    again = await buy(api, credit, "50", idempotencyKey="k")
    assert (again["replayed"], again["invoice"]["id"]) == (True, first["invoice"]["id"])
    assert (again["invoice"]["paymentStatus"], again["wallet"]["balance"]) == ("PAID", "50.00")
    assert await assert_books_are_right(api) == 3


async def test_lists_know_the_type(api: Api) -> None:
    customer = await api.customer()
    invoice = (await buy(api, await wallet(api, customer), "50"))["invoice"]
    usual = await api.one_off(customer, "1", finalize=True)
    query = """query ($types: [InvoiceType!]) {
      invoices(filter: {invoiceTypes: $types}) { totalCount nodes { id } } }"""
    for kind, wanted in (("CREDIT", invoice), ("ONE_TIME", usual)):
        found = (await api.query(query, {"types": [kind]}))["invoices"]
        assert found == {"totalCount": 1, "nodes": [{"id": wanted["id"]}]}


async def test_a_grant_has_no_invoice(api: Api) -> None:
    credit = await wallet(api, await api.customer())
    for values in ({}, {"payment": "GRANTED"}, {"payment": None}):
        payload = await api.done("walletTopUp", PAYLOAD, walletId=credit, amount="1", **values)
        assert (payload["invoice"], payload["transaction"]["invoice"]) == (None, None)
    assert payload["wallet"]["balance"] == "3.00"
