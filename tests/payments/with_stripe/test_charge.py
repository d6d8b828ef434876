"""Invoices that are collected through Stripe."""

import asyncio

import pytest

from billing_gql.payments.providers import SANDBOX_ONLY, Providers
from tests.payments.paying import BOTH, balance, read, record, states
from tests.payments.with_stripe.stripe_support import (
    CONFIRM,
    DECLINED,
    LIVE_KEY,
    TEST_KEY,
    Fake,
    asked_again,
    collected,
    event,
    tell,
)
from tests.support import Api, assert_books_are_right


async def test_a_saved_card_pays(api: Api, fake: Fake, providers: Providers) -> None:
    finalized = await fake.invoice(api, amount="12.34")
    invoice = await collected(api, finalized, providers)
    assert (invoice["paymentStatus"], invoice["amountPaid"]) == ("PAID", "12.34")
    intent = await fake.intent(api)
    (payment,) = invoice["payments"]
    assert (payment["provider"], payment["reference"]) == ("STRIPE", intent["id"])
    assert (intent["amount"], intent["currency"], intent["status"]) == (1234, "usd", "succeeded")
    assert intent["metadata"] == {
        "payment": payment["id"],
        "organization": api.organization_id,
        "invoice": invoice["id"],
        "invoice_number": invoice["number"],
    }
    (created,) = await fake.requests("/payment_intents")
    assert created["key"] == payment["id"]
    assert await collected(api, invoice, providers) == invoice
    await assert_books_are_right(api)


async def test_each_kind_of_organization_has_its_own_account(
    api: Api, live: Api, fake: Fake, providers: Providers
) -> None:
    for mine, key in ((api, TEST_KEY), (live, LIVE_KEY)):
        invoice = await fake.invoice(mine)
        assert (await collected(mine, invoice, providers))["paymentStatus"] == "PAID"
        (created,) = [
            one
            for one in await fake.requests("/payment_intents")
            if one["key"] == (await read(mine, invoice))["payments"][0]["id"]
        ]
        assert created["secret"] == key


@pytest.mark.parametrize(
    ("card", "words"),
    [(DECLINED, "Your card was declined."), (CONFIRM, "nobody is there")],
)
async def test_what_the_card_does_not_pay_fails_and_is_cancelled(
    api: Api, fake: Fake, providers: Providers, card: str, words: str
) -> None:
    invoice = await collected(api, await fake.invoice(api, card), providers)
    assert (invoice["paymentStatus"], states(invoice)) == ("FAILED", ["FAILED"])
    assert words in invoice["payments"][0]["failureReason"]
    intent = await fake.intent(api)
    assert intent["status"] == "canceled"
    assert invoice["payments"][0]["reference"] == intent["id"]
    again = await api.mutate("invoiceRetryPayment", BOTH, invoiceId=invoice["id"])
    assert [one["code"] for one in again["userErrors"]] == ["PAYMENT_DECLINED"]
    assert len(await fake.intents(api)) == 2


async def test_a_payment_under_way_pays_when_it_is_asked_for_again(
    api: Api, fake: Fake, providers: Providers
) -> None:
    await fake.trouble("processing", "/v1/payment_intents")
    finalized = await fake.invoice(api)
    invoice = await collected(api, finalized, providers)
    intent = await fake.intent(api)
    assert (states(invoice), intent["status"]) == (["PROCESSING"], "processing")
    assert invoice["payments"][0]["reference"] == intent["id"]
    await fake.finish(intent)
    paid = await asked_again(api, invoice, providers)
    assert (paid["paymentStatus"], len(await fake.intents(api))) == ("PAID", 1)


async def test_a_payment_under_way_that_fails_is_cancelled(
    api: Api, fake: Fake, providers: Providers
) -> None:
    await fake.trouble("processing", "/v1/payment_intents")
    invoice = await collected(api, await fake.invoice(api), providers)
    await fake.finish(await fake.intent(api), "failed")
    failed = await asked_again(api, invoice, providers)
    assert failed["payments"][0]["failureReason"] == "Your card was declined."
    assert (await fake.intent(api))["status"] == "canceled"


async def test_a_success_after_a_failure_counts_once(
    api: Api, fake: Fake, providers: Providers
) -> None:
    failed = await collected(api, await fake.invoice(api, DECLINED), providers)
    assert states(failed) == ["FAILED"]
    ended = await fake.finish(await fake.intent(api))
    for _ in range(2):
        assert (await tell(api, event("payment_intent.succeeded", ended))).status_code == 200
    paid = await read(api, failed)
    assert (states(paid), paid["amountPaid"]) == (["SUCCEEDED"], "100.00")
    assert await balance(api) == 0
    await assert_books_are_right(api)


async def test_what_was_paid_otherwise_meanwhile_is_the_excess(
    api: Api, fake: Fake, providers: Providers
) -> None:
    await fake.trouble("processing", "/v1/payment_intents")
    invoice = await collected(api, await fake.invoice(api), providers)
    await record(api, invoice)
    await fake.finish(await fake.intent(api))
    paid = await asked_again(api, invoice, providers)
    assert (paid["paymentStatus"], str(await balance(api))) == ("OVERPAID", "100.00")


async def test_an_amount_that_stripe_has_not_fails_with_a_reason(
    api: Api, fake: Fake, providers: Providers
) -> None:
    invoice = await fake.invoice(api, amount="1.234", currency="KWD")
    failed = await collected(api, invoice, providers)
    assert "KWD in multiples of 0.010" in failed["payments"][0]["failureReason"]
    assert await fake.intents(api) == []


async def test_a_method_that_was_removed_at_stripe_fails_with_stripes_words(
    api: Api, fake: Fake, providers: Providers
) -> None:
    invoice = await fake.invoice(api)
    await fake.trouble("gone")
    failed = await collected(api, invoice, providers)
    assert states(failed) == ["FAILED"]
    assert "No such PaymentMethod" in failed["payments"][0]["failureReason"]


async def test_without_a_key_the_attempt_waits(api: Api, fake: Fake, providers: Providers) -> None:
    invoice = await collected(api, await fake.invoice(api), SANDBOX_ONLY)
    assert states(invoice) == ["PROCESSING"]
    paid = await asked_again(api, invoice, providers)
    assert (paid["paymentStatus"], len(await fake.intents(api))) == ("PAID", 1)


async def test_eight_workers_at_once_ask_once(api: Api, fake: Fake, providers: Providers) -> None:
    invoice = await fake.invoice(api)
    await asyncio.gather(*(collected(api, invoice, providers) for _ in range(8)))
    paid = await read(api, invoice)
    assert (paid["amountPaid"], len(paid["payments"])) == ("100.00", 1)
    assert len(await fake.requests("/payment_intents")) == 1
