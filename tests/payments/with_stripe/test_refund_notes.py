"""REFUND credit notes of what Stripe took, and what Stripe tells of them by itself."""

import pytest
from structlog.testing import capture_logs

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import Providers
from tests.payments.refunding import refund, refunds
from tests.payments.with_stripe.stripe_support import Fake, collected, event, tell
from tests.support import Api, Json, assert_books_are_right


@pytest.fixture
async def paid(api: Api, fake: Fake, providers: Providers) -> Json:
    """An invoice of 100.00 USD that Stripe has collected."""
    invoice = await fake.invoice(api)
    await collected(api, invoice, providers)
    return invoice


@pytest.fixture
async def under_way(api: Api, fake: Fake, paid: Json) -> Json:
    """The same, 40.00 of it on their way back: Stripe's answer was lost."""
    await fake.trouble("nothing", "/refunds")  # the list that comes first
    await fake.trouble("lost", "/refunds", times=3)
    (one,) = await refund(api, paid, "40")
    assert one["state"] == "PROCESSING"
    return paid


async def told(fake: Fake, api: Api, **changes: object) -> Json:
    """Stripe's own words of the only refund, as they are or otherwise."""
    (made,) = await fake.refunds(await fake.intent(api))
    assert (await tell(api, event("refund.updated", {**made, **changes}))).status_code == 200
    found: Json = made
    return found


async def test_a_note_goes_back_at_once(api: Api, fake: Fake, paid: Json) -> None:
    (one,) = await refund(api, paid, "40")
    (made,) = await fake.refunds(await fake.intent(api))
    assert (one["state"], one["provider"], one["amount"]) == ("SUCCEEDED", "STRIPE", "40.00")
    assert (made["id"], made["amount"]) == (one["reference"], 4000)
    await refund(api, paid, "60")
    assert len(await fake.refunds(await fake.intent(api))) == 2
    await assert_books_are_right(api)


async def test_what_stripe_tells_ends_a_refund_once(
    api: Api, fake: Fake, under_way: Json, providers: Providers
) -> None:
    for _ in range(2):
        await told(fake, api)
        assert await refunds(api, under_way) == [("STRIPE", "SUCCEEDED", "40.00")]
    await told(fake, api, status="failed", failure_reason="expired_or_canceled_card")
    await run_due(api.database, api.organization_id, providers)
    assert await refunds(api, under_way) == [("STRIPE", "SUCCEEDED", "40.00")]
    await assert_books_are_right(api)


async def test_what_stripe_says_has_failed_is_told(api: Api, fake: Fake, under_way: Json) -> None:
    await told(fake, api, status="failed", failure_reason="expired_or_canceled_card")
    assert await refunds(api, under_way) == [("STRIPE", "FAILED", "40.00")]
    # A success that comes later counts.
    await told(fake, api)
    assert await refunds(api, under_way) == [("STRIPE", "SUCCEEDED", "40.00")]


@pytest.mark.parametrize(
    ("changes", "complaints"),
    [
        ({"amount": 4001}, ["error"]),
        ({"currency": "eur"}, ["error"]),
        ({"payment_intent": "pi_other"}, []),
        ({"metadata": {}}, []),
        ({"metadata": None}, []),
    ],
)
async def test_what_is_not_our_refund_changes_nothing(
    api: Api, fake: Fake, under_way: Json, changes: Json, complaints: list[str]
) -> None:
    with capture_logs() as logs:
        await told(fake, api, **changes)
    assert [one["log_level"] for one in logs] == complaints
    assert await refunds(api, under_way) == [("STRIPE", "PROCESSING", "40.00")]
