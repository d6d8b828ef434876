"""Postal addresses in the schema."""

from typing import Self

import strawberry

from billing_gql.graph.inputs import given
from billing_gql.kernel import address


@strawberry.federation.type(shareable=True, description="A postal address.")
class Address:
    """Mirrors `kernel.address.Address`."""

    line1: str | None
    line2: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str | None = strawberry.field(description="ISO 3166-1, two letters.")

    @classmethod
    def of(cls, row: address.Address) -> Self:
        return cls(
            line1=row.line1,
            line2=row.line2,
            city=row.city,
            region=row.region,
            postal_code=row.postal_code,
            country=row.country,
        )


@strawberry.input
class AddressInput:
    """Replaces the whole address."""

    line1: str | None = strawberry.UNSET
    line2: str | None = strawberry.UNSET
    city: str | None = strawberry.UNSET
    region: str | None = strawberry.UNSET
    postal_code: str | None = strawberry.UNSET
    country: str | None = strawberry.UNSET

    def address(self) -> address.Address:
        """The address as it is stored."""
        return address.Address(
            line1=given(self.line1),
            line2=given(self.line2),
            city=given(self.city),
            region=given(self.region),
            postal_code=given(self.postal_code),
            country=given(self.country),
        )
