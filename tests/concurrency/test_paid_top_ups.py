"""Prepaid credit that is paid for by many hands at once: the wallet gets it once."""

import asyncio

import pytest

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.concurrency.together import at_once
from tests.graph.wallets import adjust, balances, wallet
from tests.payments.paying import BOTH, record, set_method
from tests.support import Api, Json, assert_books_are_right

BOUGHT = "invoice { id number amountDue lineItems { id } }"


async def bought(api: Api, customer: Json, amount: str = "50") -> tuple[str, Json]:
    """A new wallet, and the invoice for its credit."""
    credit = await wallet(api, customer)
    payload = await api.done(
        "walletTopUp", BOUGHT, walletId=credit, amount=amount, payment="INVOICED"
    )
    return credit, payload["invoice"]


async def test_ten_payments_that_settle_it_at_once_give_it_once(api: Api) -> None:
    customer = await api.customer()
    _, invoice = await bought(api, customer)
    calls = [
        api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"], amount="30") for _ in range(10)
    ]
    done, errors = await at_once(calls)
    assert (len(done), errors) == (10, [])
    assert await balances(api, customer) == ("250.00", ["50.00"])
    await assert_books_are_right(api)


async def test_with_one_key_ten_top_ups_make_one_invoice(api: Api) -> None:
    credit = await wallet(api, await api.customer())
    given = {"walletId": credit, "amount": "50", "payment": "INVOICED", "idempotencyKey": "k"}
    done, errors = await at_once([api.mutate("walletTopUp", BOUGHT, **given) for _ in range(10)])
    assert (len(done), errors) == (10, [])
    assert {one["invoice"]["number"] for one in done} == {"ACM-001-001"}


async def test_ten_at_once_spend_the_balance_once(api: Api) -> None:
    customer = await api.customer()
    credit = await wallet(api, customer)
    await adjust(api, customer, "75")
    given = {"walletId": credit, "amount": "50", "payment": "INVOICED"}
    done, errors = await at_once([api.mutate("walletTopUp", BOUGHT, **given) for _ in range(10)])
    assert errors == []
    assert sorted(one["invoice"]["amountDue"] for one in done) == [
        "0.00",
        "25.00",
        *["50.00"] * 8,
    ]
    assert len({one["invoice"]["number"] for one in done}) == 10
    assert await balances(api, customer) == ("0.00", ["50.00"])
    await assert_books_are_right(api)


@pytest.mark.parametrize("attempt", range(4))
async def test_it_is_voided_or_paid_never_both(api: Api, attempt: int) -> None:
    customer = await api.customer()
    _, invoice = await bought(api, customer)
    given = {"invoiceId": invoice["id"]}
    calls = [
        api.mutate("invoiceVoid", "invoice { id }", **given),
        api.mutate("paymentRecord", BOTH, **given),
    ]
    (done,), (error,) = await at_once(calls if attempt % 2 else calls[::-1])
    assert error["__typename"] == "InvoiceStateError"
    paid = "payment" in done
    assert await balances(api, customer) == ("0.00", ["50.00" if paid else "0.00"])
    await assert_books_are_right(api)


@pytest.mark.parametrize("attempt", range(4))
async def test_a_credit_note_and_a_payment_leave_what_is_paid(api: Api, attempt: int) -> None:
    customer = await api.customer()
    _, invoice = await bought(api, customer)
    line = {"lineItemId": invoice["lineItems"][0]["id"], "amount": "20"}
    note = {"reason": "OTHER", "settlement": "OFFSET", "lineItems": [line]}
    calls = [
        api.mutate("creditNoteCreate", "creditNote { id }", invoiceId=invoice["id"], **note),
        api.mutate("paymentRecord", BOTH, invoiceId=invoice["id"], amount="50"),
    ]
    done, errors = await at_once(calls if attempt % 2 else calls[::-1])
    # The note after the payment is refused: then all of it is bought. Before it, the rest of the
    # payment is an excess.
    assert len(done) + len(errors) == 2
    wanted = ("0.00", ["50.00"]) if errors else ("20.00", ["30.00"])
    assert await balances(api, customer) == wanted
    await assert_books_are_right(api)


async def test_the_providers_success_and_payments_by_hand_give_it_once(api: Api) -> None:
    customer = await api.customer()
    await set_method(api, customer, "pm_ok")
    _, invoice = await bought(api, customer)
    run = asyncio.create_task(run_due(api.database, api.organization_id, SANDBOX_ONLY))
    await record(api, invoice, amount="50")
    await run
    assert (await balances(api, customer))[1] == ["50.00"]
    await assert_books_are_right(api)
