"""Money that goes back through Stripe."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing_gql.invoices.states import PaymentState
from billing_gql.payments.providers import Providers
from billing_gql.payments.providers.provider import Refund
from billing_gql.payments.providers.stripe import Stripe, refund_outcome
from billing_gql.payments.providers.stripe_objects import Returned
from tests.payments.with_stripe.stripe_support import Fake, collected
from tests.support import Api, Json

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def paid(api: Api, fake: Fake, providers: Providers) -> Json:
    """The PaymentIntent of an invoice of 100.00 USD."""
    await collected(api, await fake.invoice(api), providers)
    return await fake.intent(api)


def giving_back(intent: Json, amount: str = "40") -> Refund:
    """A part of it, asked for the first time."""
    return Refund(
        key=f"ref_{intent['id']}",
        payment_reference=intent["id"],
        reference=None,
        currency="USD",
        amount=Decimal(amount),
        is_test=True,
        started_at=NOW,
        asked_at=NOW,
    )


async def test_a_part_goes_back_once(fake: Fake, stripe: Stripe, paid: Json) -> None:
    refund = giving_back(paid)
    first = await stripe.refund(refund)
    (made,) = await fake.refunds(paid)
    assert (first.state, first.reference) == (PaymentState.SUCCEEDED, made["id"])
    assert (made["amount"], made["metadata"]) == (4000, {"refund": refund.key})
    assert await stripe.refund(refund) == first
    await fake.forget_keys()
    assert await stripe.refund(refund) == first
    assert await stripe.refund(replace(refund, reference=first.reference)) == first
    assert len(await fake.refunds(paid)) == 1


async def test_an_answer_that_is_lost_is_found(fake: Fake, stripe: Stripe, paid: Json) -> None:
    await fake.trouble("nothing", "/refunds")  # the list that comes first
    await fake.trouble("lost", "/refunds", times=2)
    with pytest.raises(Exception, match="Unexpected error communicating"):
        await stripe.refund(giving_back(paid))
    assert (await stripe.refund(giving_back(paid))).state is PaymentState.SUCCEEDED
    assert len(await fake.refunds(paid)) == 1


async def test_what_stripe_refuses_fails_with_a_reason(
    fake: Fake, stripe: Stripe, paid: Json
) -> None:
    unknown = replace(giving_back(paid), payment_reference="pi_none", key="ref_none")
    await fake.trouble("nothing", "/refunds")
    await fake.trouble("gone", "/refunds")
    refused = await stripe.refund(giving_back(paid))
    assert refused.state is PaymentState.FAILED
    assert refused.reason
    with pytest.raises(Exception, match="Not Found"):
        await stripe.refund(unknown)
    odd = replace(giving_back(paid), currency="KWD", amount=Decimal("0.001"))
    assert (await stripe.refund(odd)).state is PaymentState.FAILED


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", PaymentState.SUCCEEDED),
        ("pending", PaymentState.PROCESSING),
        ("requires_action", PaymentState.PROCESSING),
        (None, PaymentState.PROCESSING),
        ("failed", PaymentState.FAILED),
        ("canceled", PaymentState.FAILED),
    ],
)
def test_how_a_refund_stands(status: str | None, state: PaymentState) -> None:
    outcome = refund_outcome(Returned("re_1", status, 1, "usd"))
    assert (outcome.state, outcome.reference) == (state, "re_1")
    assert (outcome.reason is None) == (state is not PaymentState.FAILED)
