"""What Stripe tells by itself."""

import asyncio
import time

import httpx
import pytest
from structlog.testing import capture_logs

from billing_gql.payments.providers import SANDBOX_ONLY, Providers
from tests.payments.paying import balance, read, states
from tests.payments.with_stripe.stripe_support import (
    DECLINED,
    LIVE_SIGNING,
    TEST_SIGNING,
    Fake,
    asked_again,
    collected,
    event,
    tell,
)
from tests.support import Api, Json, assert_books_are_right

PATH = "/v1/stripe/webhook"
SUCCEEDED = "payment_intent.succeeded"


@pytest.fixture
async def under_way(api: Api, fake: Fake, providers: Providers) -> Json:
    """An invoice whose payment Stripe has not ended yet."""
    await fake.trouble("processing")
    return await collected(api, await fake.invoice(api), providers)


async def test_the_fakes_own_signed_event_pays(api: Api, fake: Fake, under_way: Json) -> None:
    where = {"url": f"{api.http.base_url}{PATH}", "secret": TEST_SIGNING, "events": [SUCCEEDED]}
    assert (await fake.http.post("/_config/webhooks/ours", json=where)).is_success
    await fake.finish(await fake.intent(api), tell=True)
    for _ in range(100):
        if states(paid := await read(api, under_way)) == ["SUCCEEDED"]:
            break
        await asyncio.sleep(0.1)
    await fake.http.post("/_config/webhooks/ours", json={**where, "events": ["none"]})
    assert (paid["paymentStatus"], paid["amountPaid"]) == ("PAID", "100.00")
    await assert_books_are_right(api)


async def test_twice_and_eight_at_once_count_once(api: Api, fake: Fake, under_way: Json) -> None:
    told = event(SUCCEEDED, await fake.finish(await fake.intent(api)))
    answers = await asyncio.gather(*(tell(api, told) for _ in range(8)))
    answers.append(await tell(api, told))
    assert {(one.status_code, one.text) for one in answers} == {(200, '{"received":true}')}
    paid = await read(api, under_way)
    assert (states(paid), paid["amountPaid"]) == (["SUCCEEDED"], "100.00")
    assert await balance(api) == 0


async def test_out_of_order_the_end_stays(api: Api, fake: Fake, under_way: Json) -> None:
    before = await fake.intent(api)
    ended = await fake.finish(before)
    for kind, thing in (
        (SUCCEEDED, ended),
        ("payment_intent.processing", before),
        ("payment_intent.payment_failed", {**before, "status": "requires_payment_method"}),
        ("payment_intent.canceled", {**before, "status": "canceled"}),
    ):
        assert (await tell(api, event(kind, thing))).status_code == 200
        assert states(await read(api, under_way)) == ["SUCCEEDED"]
    assert (await fake.intent(api))["status"] == "succeeded"


async def test_a_failure_is_recorded_and_cancelled(api: Api, fake: Fake, under_way: Json) -> None:
    ended = await fake.finish(await fake.intent(api), "failed")
    told = event("payment_intent.payment_failed", ended)
    await fake.trouble("broken before", "/cancel", times=2)
    answer = await tell(api, told)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (
        503,
        {"code": "PROVIDER_UNAVAILABLE"},
    )
    assert states(await read(api, under_way)) == ["PROCESSING"]
    assert (await tell(api, told)).status_code == 200
    failed = await read(api, under_way)
    assert failed["payments"][0]["failureReason"] == "Your card was declined."
    assert (await fake.intent(api))["status"] == "canceled"


async def test_what_was_cancelled_at_stripe_failed(api: Api, fake: Fake, under_way: Json) -> None:
    canceled = {**await fake.intent(api), "status": "canceled"}
    await tell(api, event("payment_intent.canceled", canceled))
    failed = await read(api, under_way)
    assert failed["payments"][0]["failureReason"] == "The payment was cancelled at Stripe."


async def test_events_that_tell_nothing_new_do_not_put_off_asking(
    api: Api, fake: Fake, under_way: Json
) -> None:
    before = await api.stored()
    for _ in range(3):
        await tell(api, event("payment_intent.processing", await fake.intent(api)))
    assert await api.stored() == before


async def test_it_may_come_before_our_answer(api: Api, fake: Fake, providers: Providers) -> None:
    finalized = await fake.invoice(api)
    await fake.trouble("lost", times=2)
    invoice = await collected(api, finalized, providers)
    assert invoice["payments"][0]["reference"] is None
    intent = await fake.intent(api)
    await tell(api, event(SUCCEEDED, intent))
    paid = await read(api, invoice)
    assert (states(paid), paid["payments"][0]["reference"]) == (["SUCCEEDED"], intent["id"])
    assert await asked_again(api, paid, providers) == paid


async def test_while_we_ask_it_counts_once(api: Api, fake: Fake, providers: Providers) -> None:
    invoice = await fake.invoice(api)

    async def hear() -> None:
        while not (made := await fake.intents(api)):  # noqa: ASYNC110 # it is another process's
            await asyncio.sleep(0)
        await asyncio.gather(*(tell(api, event(SUCCEEDED, made[0])) for _ in range(3)))

    await asyncio.gather(hear(), collected(api, invoice, providers))
    paid = await read(api, invoice)
    assert (states(paid), paid["amountPaid"]) == (["SUCCEEDED"], "100.00")


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, b"{}", "BAD_SIGNATURE"),
        ({"Stripe-Signature": "t=1,v1=00"}, b"{}", "BAD_SIGNATURE"),
        ({"Stripe-Signature": "nonsense"}, b"{}", "BAD_SIGNATURE"),
        ({"Stripe-Signature": b"t=1,v1=\xe9"}, b"{}", "BAD_SIGNATURE"),
        ({"Stripe-Signature": "t=1,v1=00"}, b"\xff", "BAD_SIGNATURE"),
    ],
)
async def test_what_is_not_signed_is_refused(
    http: httpx.AsyncClient, headers: dict[str, str], body: bytes, code: str
) -> None:
    answer = await http.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (400, {"code": code})


async def test_a_wrong_secret_or_an_old_signature_changes_nothing(
    api: Api, fake: Fake, under_way: Json
) -> None:
    told = event(SUCCEEDED, await fake.finish(await fake.intent(api)))
    for answer in (
        await tell(api, told, "whsec_other"),
        await tell(api, told, signed_at=time.time() - 301),
    ):
        assert answer.status_code == 400
        assert "whsec" not in answer.text
    # Signed by the other account: it has no such payment.
    assert (await tell(api, told, LIVE_SIGNING)).status_code == 200
    assert states(await read(api, under_way)) == ["PROCESSING"]
    assert (await tell(api, told)).status_code == 200
    assert states(await read(api, under_way)) == ["SUCCEEDED"]


async def test_the_test_account_cannot_pay_for_a_live_organization(
    live: Api, fake: Fake, providers: Providers
) -> None:
    await fake.trouble("processing")
    invoice = await collected(live, await fake.invoice(live), providers)
    told = event(SUCCEEDED, await fake.finish(await fake.intent(live)))
    await tell(live, told, TEST_SIGNING)
    assert states(await read(live, invoice)) == ["PROCESSING"]
    await tell(live, told, LIVE_SIGNING)
    assert states(await read(live, invoice)) == ["SUCCEEDED"]


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"amount": 10001}, "error"),
        ({"currency": "eur"}, "error"),
        ({"id": "pi_another"}, "error"),
        ({"metadata": {}}, None),
    ],
)
async def test_what_is_not_what_was_asked_for_is_not_recorded(
    api: Api, fake: Fake, under_way: Json, change: Json, level: str | None
) -> None:
    ended = await fake.finish(await fake.intent(api))
    with capture_logs() as logs:
        answer = await tell(api, event(SUCCEEDED, {**ended, **change}))
    assert (answer.status_code, [one["log_level"] for one in logs]) == (
        200,
        [level] if level else [],
    )
    assert states(await read(api, under_way)) == ["PROCESSING"]


async def test_a_payment_of_another_organization_or_provider_is_unknown(
    api: Api, other: Api, fake: Fake, under_way: Json
) -> None:
    ended = await fake.finish(await fake.intent(api))
    stolen = {**ended["metadata"], "organization": other.organization_id}
    await tell(api, event(SUCCEEDED, {**ended, "metadata": stolen}))
    assert states(await read(api, under_way)) == ["PROCESSING"]
    customer = await other.customer()
    await other.done(
        "customerPaymentMethodSet",
        "customer { id }",
        customerId=customer["id"],
        provider="SANDBOX",
        token="pm_declined",
    )
    invoice = await collected(
        other, await other.one_off(customer, "100", finalize=True), SANDBOX_ONLY
    )
    sandbox = {"organization": other.organization_id, "payment": invoice["payments"][0]["id"]}
    await tell(api, event(SUCCEEDED, {**ended, "metadata": sandbox}))
    assert states(await read(other, invoice)) == ["FAILED"]


async def test_other_events_are_answered(api: Api, under_way: Json) -> None:
    before = await api.stored()
    assert (await tell(api, event("customer.created", {"id": "cus_1"}))).status_code == 200
    assert await api.stored() == before


async def test_what_is_signed_but_no_event_is_refused(api: Api) -> None:
    for body in ({"a": 1}, event(SUCCEEDED, {"id": 7})):
        answer = await tell(api, body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"] == {"code": "INVALID_INPUT"}


async def test_other_methods_and_long_bodies_are_refused(http: httpx.AsyncClient) -> None:
    got = await http.get(PATH)
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert (await http.post(PATH, content=b" " * 1_000_001)).status_code == 413


async def test_without_a_secret_there_is_no_webhook(service_url: str) -> None:
    async with httpx.AsyncClient(base_url=service_url) as client:
        answer = await client.post(PATH, content=b"{}")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (
        404,
        {"code": "NOT_FOUND"},
    )


async def test_a_late_failure_of_a_declined_card_changes_nothing(
    api: Api, fake: Fake, providers: Providers
) -> None:
    failed = await collected(api, await fake.invoice(api, DECLINED), providers)
    await tell(api, event("payment_intent.payment_failed", await fake.intent(api)))
    assert await read(api, failed) == failed
