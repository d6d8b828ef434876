"""What moves money met by what else moves it: one wins or both in order, and the books hold.

The books are checked after each of these tests, by the fixture in conftest.
"""

from collections.abc import Coroutine
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from billing_gql.billing_runs.run import run_due
from tests.concurrency.books import events
from tests.concurrency.test_credit_notes import note
from tests.concurrency.together import at_once
from tests.graph.wallets import MONEY, adjust, balances, coupon, money_of, wallet
from tests.invoices.metered import call
from tests.payments.paying import BOTH, balance, read, set_method
from tests.support import Api, Json

Call = Coroutine[Any, Any, Json]
SHOWN = f"invoice {{ number {MONEY} }}"
MOVED = text(
    """SELECT kind, count(*), sum(amount) FROM ledger_entries
       WHERE organization_id = :id AND invoice_id = :invoice AND kind IN ('WALLET', 'BALANCE')
       GROUP BY kind ORDER BY kind"""
)


async def moved(api: Api, invoice: Json) -> list[tuple[str, int, Decimal]]:
    """What the invoice moved on the customer's own accounts: kind, how often, how much."""
    values = {"id": api.organization_id, "invoice": invoice["id"]}
    async with api.database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(MOVED, values)]


async def rich_draft(api: Api) -> Json:
    """A draft of 100 for a customer with 30 prepaid and 20 of balance."""
    customer = await api.customer()
    await wallet(api, customer, "30", scope="ALL")
    await adjust(api, customer, "20")
    return await api.one_off(customer, "100")


async def assert_finalized_once(api: Api, draft: Json) -> None:
    """One number, one draw, one movement of the balance, one event."""
    assert await moved(api, draft) == [("BALANCE", 1, Decimal(-20)), ("WALLET", 1, Decimal(-30))]
    assert await events(api.database, api.organization_id, "invoice.finalized") == 1
    (invoice,) = await api.invoices("number", "FINALIZED")
    assert invoice == {"number": "ACM-001-001"}


async def test_thirty_two_finalizes_of_one_draft_draw_once(api: Api) -> None:
    draft = await rich_draft(api)
    done, errors = await at_once(
        [api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"]) for _ in range(32)]
    )
    assert [payload["invoice"]["amountDue"] for payload in done] == ["50.00"]
    assert len(errors) == 31
    assert {(one["__typename"], one["status"]) for one in errors} == {
        ("InvoiceStateError", "FINALIZED")
    }
    await assert_finalized_once(api, draft)


async def test_thirty_two_finalizes_with_one_key_answer_the_same(api: Api) -> None:
    draft = await rich_draft(api)
    values = {"invoiceId": draft["id"], "idempotencyKey": "k"}
    done, errors = await at_once(
        [api.mutate("invoiceFinalize", f"{SHOWN} replayed", **values) for _ in range(32)]
    )
    assert errors == []
    assert sorted(payload.pop("replayed") for payload in done) == [False] + [True] * 31
    assert all(payload == done[0] for payload in done)
    await assert_finalized_once(api, draft)


@pytest.mark.parametrize("attempt", range(4))
async def test_payments_of_an_invoice_and_voids_of_it_exclude_each_other(
    api: Api, attempt: int
) -> None:
    customer = await api.customer()
    await wallet(api, customer, "10", scope="ALL")
    invoice = await api.one_off(customer, "100", finalize=True)
    paying = [
        api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"], amount="30") for _ in range(8)
    ]
    voiding = [
        api.mutate("invoiceVoid", "invoice { status }", invoiceId=invoice["id"]) for _ in range(8)
    ]
    pairs = zip(voiding, paying, strict=True) if attempt % 2 else zip(paying, voiding, strict=True)
    done, errors = await at_once([one for pair in pairs for one in pair])
    assert {one["__typename"] for one in errors} == {"InvoiceStateError"}
    stored = await read(api, invoice)
    if stored["status"] == "VOIDED":
        assert (len(done), stored["amountPaid"], await balance(api)) == (1, "0.00", Decimal(0))
        assert await balances(api, customer) == ("0.00", ["10.00"])
    else:
        assert (len(done), stored["amountPaid"], await balance(api)) == (8, "240.00", Decimal(150))
        assert await balances(api, customer) == ("150.00", ["0.00"])


@pytest.mark.parametrize("attempt", range(4))
async def test_credit_notes_of_a_line_and_voids_exclude_each_other(api: Api, attempt: int) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    crediting = [
        api.mutate("creditNoteCreate", "creditNote { number }", **note(invoice, "30"))
        for _ in range(6)
    ]
    voiding = [api.mutate("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])]
    place = attempt * 2
    done, errors = await at_once([*crediting[:place], *voiding, *crediting[place:]])
    stored = await read(api, invoice)
    codes = sorted(one["code"] for one in errors)
    if stored["status"] == "VOIDED":
        assert (len(done), codes) == (1, ["INVALID_STATE"] * 6)
    else:
        assert codes == ["AMOUNT_OUT_OF_RANGE"] * 3 + ["INVALID_STATE"]
        numbers = sorted(payload["creditNote"]["number"] for payload in done)
        assert numbers == ["ACM-CN-001", "ACM-CN-002", "ACM-CN-003"]


@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.parametrize("settlement", ["OFFSET", "BALANCE", "REFUND"])
async def test_a_credit_note_meets_a_payment(api: Api, settlement: str, attempt: int) -> None:
    invoice = await api.one_off(await api.customer(), "100", finalize=True)
    calls = [
        api.mutate("creditNoteCreate", "creditNote { id }", **note(invoice, "40", settlement)),
        api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"]),
    ]
    done, errors = await at_once(calls if attempt % 2 else calls[::-1])
    assert len(done) + len(errors) == 2
    # An offset needs what is open, a refund what is paid.
    assert {one["code"] for one in errors} <= {"AMOUNT_OUT_OF_RANGE", "INVALID_INPUT"}
    stored = await read(api, invoice)
    assert (stored["status"], stored["paymentStatus"]) == ("FINALIZED", "PAID")
    assert not (settlement == "BALANCE" and errors)


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("place", ["customer", "invoice", "line"])
async def test_a_coupon_is_on_the_finalized_invoice_or_not_at_all(
    api: Api, place: str, attempt: int
) -> None:
    customer = await api.customer()
    half = await coupon(api, "half", percentOff="50", duration="FOREVER")
    draft = await api.one_off(customer, "100")
    target = {
        "customer": {"customerId": customer["id"]},
        "invoice": {"invoiceId": draft["id"]},
        "line": {"lineItemId": draft["lineItems"][0]["id"]},
    }[place]
    giving = [api.mutate("couponApply", "coupon { id }", couponId=half, **target) for _ in range(4)]
    finalizing = api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"])
    done, errors = await at_once([*giving[: attempt * 2], finalizing, *giving[attempt * 2 :]])
    (invoice,) = [payload["invoice"] for payload in done if "coupon" not in payload]
    given, used = len(done) - 1, invoice["total"] == "50.00"
    stored = await money_of(api, draft)
    assert stored["total"] == invoice["total"] == ("50.00" if used else "100.00")
    assert len(stored["couponApplications"]) == int(used)
    if place == "customer":
        assert (given, {one["code"] for one in errors}) == (1, {"ALREADY_EXISTS"})
        assert (await api.one_off(customer, "10"))["total"] == "5.00"
    else:
        assert given == int(used)
        assert {one["code"] for one in errors} <= {"ALREADY_EXISTS", "INVALID_STATE"}
        assert (await api.one_off(customer, "10"))["total"] == "10.00"


@pytest.mark.parametrize("attempt", range(3))
async def test_usage_a_wallet_pays_meets_the_finalize(api: Api, attempt: int) -> None:
    calls = await api.feature("calls", eventName="call")
    per_call = {"name": "C", "featureId": calls["id"], "model": {"perUnit": {"unitAmount": "1"}}}
    customer = await api.customer()
    await api.subscription(customer, await api.plan("metered", [per_call]))
    credit = await wallet(api, customer, "15", scope="USAGE")
    await api.advance("2026-02-01T00:00:00Z")
    (draft,) = await api.invoices("id")
    sends = [api.ingest(call(f"e{n}", "2026-01-15T00:00:00Z")) for n in range(24)]
    sends += [
        api.mutate("walletTopUp", "wallet { id }", walletId=credit, amount="1") for _ in range(6)
    ]
    Random(attempt).shuffle(sends)  # noqa: S311 # a story that can be told again
    place = attempt * 15
    finalizing = api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"])
    done, errors = await at_once([*sends[:place], finalizing, *sends[place:]])
    assert errors == []
    (invoice,) = [payload["invoice"] for payload in done if "invoice" in payload]
    drawn = Decimal(invoice["totalPrepaidCreditsApplied"])
    assert drawn <= min(Decimal(invoice["subtotal"]), Decimal(21))
    assert await balances(api, customer) == ("0.00", [f"{21 - drawn:.2f}"])


REFUSALS = {
    "AMOUNT_OUT_OF_RANGE",
    "ALREADY_EXISTS",
    "INVALID_INPUT",
    "INVALID_STATE",
    "NOT_FOUND",
}


async def storm(api: Api, random: Random) -> list[Call]:
    """Some ninety calls upon the few invoices of two customers, in any order."""
    calls: list[Call] = []
    coupons = [await coupon(api, f"c{n}", percentOff="10", duration="FOREVER") for n in range(3)]
    for name in ("one", "two"):
        customer = await api.customer(name)
        await set_method(api, customer, "pm_ok")
        credit = await wallet(api, customer, "40", scope="ALL")
        await adjust(api, customer, "15")
        drafts = [await api.one_off(customer, "20", "20") for _ in range(3)]
        frozen = [await api.one_off(customer, "20", "20", finalize=True) for _ in range(3)]
        for invoice in drafts + frozen:
            own = {"invoiceId": invoice["id"]}
            calls += [
                api.mutate("invoiceFinalize", "invoice { id }", **own),
                api.mutate("invoiceVoid", "invoice { id }", **own),
                api.mutate("paymentRecord", "payment { id }", **own, amount="30"),
                api.mutate("creditNoteCreate", "creditNote { id }", **note(invoice, "15")),
                api.mutate(
                    "creditNoteCreate", "creditNote { id }", **note(invoice, "15", "OFFSET")
                ),
                api.mutate("invoiceRetryPayment", "payment { id }", **own),
                api.mutate("couponApply", "coupon { id }", couponId=coupons[0], **own),
            ]
        own = {"customerId": customer["id"]}
        calls += [
            api.mutate("couponApply", "coupon { id }", couponId=coupons[1], **own),
            api.mutate("walletTopUp", "wallet { id }", walletId=credit, amount="9"),
            api.mutate("customerBalanceAdjust", "customer { id }", **own, amount="-5"),
            api.mutate("invoiceDelete", "deletedInvoiceId", invoiceId=drafts[0]["id"]),
        ]
    random.shuffle(calls)
    return calls


@pytest.mark.parametrize("numbering", ["PER_CUSTOMER", "PER_ORGANIZATION"])
@pytest.mark.parametrize("seed", range(3))
async def test_in_a_storm_of_everything_each_is_done_or_refused(
    api: Api, seed: int, numbering: str
) -> None:
    random = Random(seed)  # noqa: S311 # a story that can be told again
    await api.done("organizationUpdate", "organization { id }", invoiceNumbering=numbering)

    async def run() -> Json:
        report = await run_due(api.database, api.organization_id)
        assert report.failed == set()
        return {"userErrors": []}

    calls = await storm(api, random)
    for _ in range(3):
        calls.insert(random.randrange(len(calls)), run())
    done, errors = await at_once(calls)
    assert len(done) + len(errors) == len(calls)
    assert len(done) > 20
    assert {one["code"] for one in errors} <= REFUSALS
