"""Whatever is lost between us and Stripe, the money is taken once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from billing_gql.billing_runs.run import run_due
from billing_gql.customers.tables import PaymentProvider
from billing_gql.payments.providers import Providers
from billing_gql.payments.providers.provider import Charge, Outcome
from billing_gql.payments.providers.stripe import Stripe
from billing_gql.settings import Settings
from tests.payments.paying import read, states
from tests.payments.with_stripe.stripe_support import (
    DECLINED,
    TEST_KEY,
    Fake,
    Later,
    asked_again,
    collected,
)
from tests.support import Api, assert_books_are_right

TWICE = 2
"""Once more than the library tries again by itself."""


@pytest.fixture
async def hasty(stripe_settings: Settings) -> AsyncIterator[Providers]:
    """The provider with little patience."""
    made = Stripe(
        live_key=None,
        test_key=SecretStr(TEST_KEY),
        api_base=stripe_settings.stripe_api_base,
        request_seconds=0.5,
    )
    yield {PaymentProvider.STRIPE: made}
    await made.close()


@pytest.fixture
async def tomorrow(stripe_settings: Settings) -> AsyncIterator[Providers]:
    """The provider when keys that are used now are forgotten."""
    made = Stripe(
        live_key=None,
        test_key=SecretStr(TEST_KEY),
        api_base=stripe_settings.stripe_api_base,
        clock=Later(),
    )
    yield {PaymentProvider.STRIPE: made}
    await made.close()


@pytest.mark.parametrize("kind", ["lost", "broken after", "broken before", "limited"])
async def test_without_an_answer_the_attempt_is_asked_for_again(
    api: Api, fake: Fake, providers: Providers, kind: str
) -> None:
    finalized = await fake.invoice(api)
    await fake.trouble(kind, times=1 if kind == "limited" else TWICE)
    invoice = await collected(api, finalized, providers)
    assert states(invoice) == ["PROCESSING"]
    if kind.startswith("broken"):
        await fake.forget_keys()  # Stripe would answer with the same error all day
    paid = await asked_again(api, invoice, providers)
    assert (paid["amountPaid"], states(paid)) == ("100.00", ["SUCCEEDED"])
    assert len(await fake.intents(api)) == 1
    await assert_books_are_right(api)


async def test_an_answer_that_is_lost_once_is_asked_for_by_the_library(
    api: Api, fake: Fake, providers: Providers
) -> None:
    finalized = await fake.invoice(api)
    await fake.trouble("lost")
    paid = await collected(api, finalized, providers)
    assert (states(paid), len(await fake.intents(api))) == (["SUCCEEDED"], 1)
    asked = [(one["method"], one["key"]) for one in await fake.requests("/payment_intents")]
    key = paid["payments"][0]["id"]
    assert asked == [("POST", key), ("POST", key), ("GET", "")]


async def test_a_decline_whose_answer_is_lost_is_found_and_cancelled(
    api: Api, fake: Fake, providers: Providers
) -> None:
    finalized = await fake.invoice(api, DECLINED)
    await fake.trouble("lost", times=TWICE)
    invoice = await collected(api, finalized, providers)
    assert states(invoice) == ["PROCESSING"]
    failed = await asked_again(api, invoice, providers)
    assert failed["payments"][0]["failureReason"] == "Your card was declined."
    assert (await fake.intent(api))["status"] == "canceled"


async def test_one_that_cannot_be_cancelled_yet_stays_under_way(
    api: Api, fake: Fake, providers: Providers
) -> None:
    finalized = await fake.invoice(api, DECLINED)
    await fake.trouble("broken before", "/cancel", times=TWICE)
    invoice = await collected(api, finalized, providers)
    assert states(invoice) == ["PROCESSING"]
    assert states(await asked_again(api, invoice, providers)) == ["FAILED"]
    assert (await fake.intent(api))["status"] == "canceled"


async def test_nobody_waits_for_ever(
    api: Api, fake: Fake, hasty: Providers, providers: Providers
) -> None:
    finalized = await fake.invoice(api)
    await fake.trouble("hangs", times=TWICE)
    invoice = await collected(api, finalized, hasty)
    assert states(invoice) == ["PROCESSING"]
    paid = await asked_again(api, invoice, providers)
    assert (states(paid), len(await fake.intents(api))) == (["SUCCEEDED"], 1)


class Killed(BaseException):
    """Ends a run as a kill does: nothing after it is done."""


class Deadly(Stripe):
    """The process that asked is gone before it hears of the answer."""

    async def charge(self, charge: Charge) -> Outcome:
        """Takes the money, and stores nothing of it."""
        await super().charge(charge)
        raise Killed


async def test_killed_between_stripe_and_the_store_the_same_payment_is_found(
    api: Api, fake: Fake, providers: Providers, stripe_settings: Settings
) -> None:
    invoice = await fake.invoice(api)
    deadly = Deadly(
        live_key=None, test_key=SecretStr(TEST_KEY), api_base=stripe_settings.stripe_api_base
    )
    with pytest.raises(BaseExceptionGroup) as killed:
        await run_due(api.database, api.organization_id, {PaymentProvider.STRIPE: deadly})
    assert killed.group_contains(Killed)
    await deadly.close()
    assert states(await read(api, invoice)) == ["PROCESSING"]
    paid = await collected(api, invoice, providers)
    assert (paid["amountPaid"], len(await fake.intents(api))) == ("100.00", 1)


async def test_a_day_later_the_payment_is_looked_for_before_it_is_made(
    api: Api, fake: Fake, tomorrow: Providers, stripe_settings: Settings
) -> None:
    invoice = await fake.invoice(api)
    deadly = Deadly(
        live_key=None, test_key=SecretStr(TEST_KEY), api_base=stripe_settings.stripe_api_base
    )
    with pytest.raises(BaseExceptionGroup):
        await run_due(api.database, api.organization_id, {PaymentProvider.STRIPE: deadly})
    await deadly.close()
    await fake.forget_keys()
    paid = await collected(api, invoice, tomorrow)
    assert (paid["amountPaid"], len(await fake.intents(api))) == ("100.00", 1)
    first = await fake.invoice(api, externalId="second", name="Second")
    assert (await collected(api, first, tomorrow))["paymentStatus"] == "PAID"
    assert len(await fake.intents(api)) == 2


async def test_two_workers_at_once_take_the_money_once(
    api: Api, fake: Fake, hasty: Providers, providers: Providers
) -> None:
    invoice = await fake.invoice(api)
    await fake.trouble("hangs", times=TWICE)
    await asyncio.gather(*(collected(api, invoice, hasty) for _ in range(4)))
    paid = await asked_again(api, invoice, providers)
    assert (paid["amountPaid"], len(await fake.intents(api))) == ("100.00", 1)


async def test_a_key_that_stripe_refuses_is_named_nowhere(
    api: Api,
    fake: Fake,
    providers: Providers,
    stripe_settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    secret = "sk_test_wrong_and_secret"
    wrong = Stripe(
        live_key=None, test_key=SecretStr(secret), api_base=stripe_settings.stripe_api_base
    )
    finalized = await fake.invoice(api)
    with capture_logs() as logs:
        invoice = await collected(api, finalized, {PaymentProvider.STRIPE: wrong})
    await wrong.close()
    assert states(invoice) == ["PROCESSING"]
    assert [one["error"] for one in logs] == ["AuthenticationError"]
    paid = await asked_again(api, invoice, providers)
    assert paid["paymentStatus"] == "PAID"
    printed = "".join(capfd.readouterr())
    for key in (secret, TEST_KEY):
        assert key not in repr(logs) + printed
        assert key not in "".join(one.getMessage() for one in caplog.records)
        assert key not in repr((await api.stored(), invoice))
