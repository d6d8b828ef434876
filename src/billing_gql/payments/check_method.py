"""Asks a provider whether a payment method can be charged, before it is stored."""

import re

from billing_gql.customers.tables import PaymentProvider
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput
from billing_gql.payments.providers import Providers

CARD_NUMBER = re.compile(r"[\d\s-]{12,}")


async def check_method(
    providers: Providers, actor: Actor, provider: PaymentProvider, token: str
) -> str | None:
    """The provider's own reference of the customer whose method it is, where it has one.

    May ask over the network: never within a transaction. Raises InvalidInput or
    ProviderUnavailable; a token that looks like a card's number is not repeated.
    """
    if provider is PaymentProvider.MANUAL:
        raise InvalidInput(
            "MANUAL payments are recorded with paymentRecord: no method takes them.", ("provider",)
        )
    checks.text(token, "token")
    if CARD_NUMBER.fullmatch(token):
        raise InvalidInput(
            "This looks like a card's number. Send the provider's token.", ("token",)
        )
    if provider not in providers:
        raise InvalidInput(
            f"{provider.value} is not set up here: the service has no key of it.", ("provider",)
        )
    return await providers[provider].check_method(token, is_test=actor.is_test)
