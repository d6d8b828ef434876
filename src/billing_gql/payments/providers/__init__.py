"""Who takes the money: one file a provider."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from billing_gql.customers.tables import PaymentProvider
from billing_gql.payments.providers.provider import Provider
from billing_gql.payments.providers.sandbox import Sandbox
from billing_gql.settings import Settings

if TYPE_CHECKING:
    from billing_gql.payments.providers.stripe import Stripe

Providers = Mapping[PaymentProvider, Provider]
"""Those that can be asked here; MANUAL is none, since nobody is asked."""

SANDBOX_ONLY: Providers = {PaymentProvider.SANDBOX: Sandbox()}


def make_stripe(settings: Settings) -> "Stripe | None":
    """Stripe with the settings' keys; None where there is no key."""
    if settings.stripe_secret_key is None and settings.stripe_test_secret_key is None:
        return None
    # Imported here: its library takes a quarter of a second, and most commands do without.
    from billing_gql.payments.providers.stripe import Stripe

    return Stripe(
        live_key=settings.stripe_secret_key,
        test_key=settings.stripe_test_secret_key,
        api_base=settings.stripe_api_base,
    )


def make_providers(stripe: "Stripe | None") -> Providers:
    """The registry that the composition root hands to whoever collects."""
    return SANDBOX_ONLY if stripe is None else {**SANDBOX_ONLY, PaymentProvider.STRIPE: stripe}
