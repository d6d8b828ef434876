"""The payment method of a customer in the schema."""

from typing import Self

import strawberry

from billing_gql.customers import tables

strawberry.enum(
    tables.PaymentProvider,
    description="Who takes the money: MANUAL is recorded by hand, SANDBOX pays by its tokens,"
    " STRIPE charges a saved payment method.",
)


@strawberry.type(description="What a customer's invoices are collected with.")
class PaymentMethod:
    """Mirrors the two columns of `customers.tables.Customer`."""

    provider: tables.PaymentProvider
    token: str = strawberry.field(description="The provider's own reference; never card data.")

    @classmethod
    def of(cls, row: tables.Customer) -> Self | None:
        if row.payment_provider is None or row.payment_token is None:
            return None
        return cls(provider=row.payment_provider, token=row.payment_token)
