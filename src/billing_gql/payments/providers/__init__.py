"""Who takes the money: one file a provider."""

from collections.abc import Mapping

from billing_gql.customers.tables import PaymentProvider
from billing_gql.payments.providers.provider import Provider
from billing_gql.payments.providers.sandbox import Sandbox

Providers = Mapping[PaymentProvider, Provider]

PROVIDERS: Providers = {PaymentProvider.SANDBOX: Sandbox()}
"""Those of the service; MANUAL is none, since nobody is asked."""
