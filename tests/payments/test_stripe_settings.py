"""Settings of Stripe are looked at when a process starts."""

import pytest
from pydantic import ValidationError

from billing_gql.payments.providers import SANDBOX_ONLY, make_providers, make_stripe
from billing_gql.settings import Settings

LIVE = {"stripe_secret_key": "sk_live_a1"}
TEST = {"stripe_test_secret_key": "rk_test_b2"}


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        ({"stripe_secret_key": "pk_live_a1"}, "stripe_secret_key", "sk_… or rk_…"),
        ({"stripe_secret_key": "sk_live_a1\n"}, "stripe_secret_key", "sk_… or rk_…"),
        ({"stripe_secret_key": ""}, "stripe_secret_key", "sk_… or rk_…"),
        ({"stripe_test_secret_key": "sk_live_a1"}, "stripe_test_secret_key", "sk_test_…"),
        ({"stripe_test_secret_key": "rk_live_a1"}, "stripe_test_secret_key", "rk_test_…"),
        (LIVE | {"stripe_webhook_secret": "we_1"}, "stripe_webhook_secret", "whsec_…"),
        (TEST | {"stripe_test_webhook_secret": "x"}, "stripe_test_webhook_secret", "whsec_…"),
        (
            {"stripe_webhook_secret": "whsec_1"},
            "stripe_webhook_secret",
            "needs BILLING_GQL_STRIPE_SECRET_KEY",
        ),
        (
            LIVE | {"stripe_test_webhook_secret": "whsec_1"},
            "stripe_test_webhook_secret",
            "needs BILLING_GQL_STRIPE_TEST_SECRET_KEY",
        ),
        (
            LIVE
            | TEST
            | {"stripe_webhook_secret": "whsec_1", "stripe_test_webhook_secret": "whsec_1"},
            "stripe_test_webhook_secret",
            "must not be the same",
        ),
        ({"stripe_api_base": "http://stripe.example"}, "stripe_api_base", "https"),
        ({"stripe_api_base": "https://stripe.example/v1"}, "stripe_api_base", "without a path"),
        ({"stripe_api_base": "api.stripe.com"}, "stripe_api_base", "https"),
    ],
)
def test_what_cannot_be_right_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], name: str, words: str
) -> None:
    for one, value in values.items():
        monkeypatch.setenv(f"BILLING_GQL_{one.upper()}", value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    (error,) = refused.value.errors()
    assert (error["loc"], words in error["msg"]) == ((name,), True)
    for value in ("a1", "whsec_1", "we_1"):
        assert value not in str(refused.value)


async def test_one_account_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_providers(make_stripe(Settings())) == SANDBOX_ONLY
    for one, value in (TEST | {"stripe_test_webhook_secret": "whsec_1"}).items():
        monkeypatch.setenv(f"BILLING_GQL_{one.upper()}", value)
    monkeypatch.setenv("BILLING_GQL_STRIPE_API_BASE", "http://127.0.0.1:1/")
    settings = Settings()
    assert settings.stripe_api_base == "http://127.0.0.1:1"
    assert list(settings.stripe_webhook_secrets) == [True]
    stripe = make_stripe(settings)
    assert stripe is not None
    assert len(make_providers(stripe)) == len(SANDBOX_ONLY) + 1
    await stripe.close()
    for shown in (repr(settings), str(settings.model_dump()), repr(vars(stripe))):
        assert "b2" not in shown
        assert "whsec" not in shown
