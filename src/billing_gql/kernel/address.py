"""A postal address. Pure."""

import msgspec


class Address(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
