"""Bounds on what callers send. Each function returns the value or raises InvalidInput at a path."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

from babel.core import Locale, UnknownLocaleError

from billing_gql.kernel.address import Address
from billing_gql.kernel.money import (
    MAX_AMOUNT,
    MAX_UNIT_DECIMALS,
    currency_decimals,
    known_currencies,
    plain,
    to_currency,
)
from billing_gql.kernel.period import known_timezones
from billing_gql.kernel.problems import AmountOutOfRange, InvalidInput, TooManyItems

MAX_TEXT = 255
MAX_LONG_TEXT = 5_000
MAX_METADATA_KEYS = 50
MAX_JSON_MAGNITUDE = 100
MAX_BALANCE = MAX_AMOUNT
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
LANGUAGE_PATTERN = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
KEY_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
"""What keys of features and plans look like, so that they stay fit for URLs and group keys."""


def text(value: str, *field: str | int, most: int = MAX_TEXT) -> str:
    """A text that is not blank, has at most `most` characters and no U+0000."""
    if not value.strip():
        raise InvalidInput("Must not be blank.", field)
    if len(value) > most:
        raise InvalidInput(f"Must have at most {most} characters, not {len(value)}.", field)
    if "\x00" in value:
        raise InvalidInput("Must not contain the character U+0000.", field)
    return value


def optional_text(value: str | None, *field: str | int, most: int = MAX_TEXT) -> str | None:
    """The same, where nothing is allowed too."""
    return None if value is None else text(value, *field, most=most)


def email(value: str | None, *field: str | int) -> str | None:
    """An address with one @ and no blanks: whether it takes mail, only mail can tell."""
    if value is not None and (
        len(value) > 254 or not re.fullmatch(r"[^@\s\x00]+@[^@\s\x00]+", value)
    ):
        raise InvalidInput(f"{value[:60]!r} is not an e-mail address.", field)
    return value


def address(value: Address | None, *field: str | int) -> Address | None:
    """An address whose lines are short and whose country is a code of two letters."""
    if value is None:
        return None
    for name in ("line1", "line2", "city", "region"):
        optional_text(getattr(value, name), *field, name)
    optional_text(value.postal_code, *field, "postalCode", most=32)
    if value.country is not None and not re.fullmatch(r"[A-Z]{2}", value.country):
        raise InvalidInput(
            "Must be an ISO 3166-1 code of two capital letters, like 'US'.", (*field, "country")
        )
    return value


def language(value: str, *field: str | int) -> str:
    """A language that the Unicode CLDR data knows, in the form of BCP 47: `pt-BR`."""
    if LANGUAGE_PATTERN.fullmatch(value):
        with suppress(UnknownLocaleError, ValueError):
            # Babel fills in what is likely: that it knows the tag is all that is asked here.
            Locale.parse(value, sep="-")
            return value
    raise InvalidInput(f"{value[:60]!r} is not a language, like 'de' or 'pt-BR'.", field)


def key(value: str, *field: str | int) -> str:
    """An identifier of the caller's choice."""
    text(value, *field)
    if not KEY_PATTERN.fullmatch(value):
        raise InvalidInput(
            f"{value!r} must start with a letter or digit; then also . _ : - may stand.",
            field,
        )
    return value


def currency(value: str, *field: str | int) -> str:
    """An ISO 4217 code."""
    if value not in known_currencies():
        raise InvalidInput(f"{value!r} is not an ISO 4217 currency code, like 'USD'.", field)
    return value


def timezone(value: str, *field: str | int) -> str:
    """An IANA zone."""
    if value not in known_timezones():
        raise InvalidInput(f"{value!r} is not an IANA time zone, like 'Europe/Paris'.", field)
    return value


def instant(value: datetime, *field: str | int) -> datetime:
    """An instant that every calendar computation can take, in UTC."""
    if value.tzinfo is None:
        raise InvalidInput("Must have an offset, like 2026-01-31T12:00:00Z.", field)
    if not EARLIEST <= value < LATEST:
        raise InvalidInput(f"Must lie in the years {EARLIEST.year} to {LATEST.year - 1}.", field)
    return value.astimezone(UTC)


def unit_price(value: Decimal, *field: str | int) -> Decimal:
    """A price: not negative, with at most 12 decimals."""
    _precise(value, field)
    if value < 0:
        raise AmountOutOfRange(f"Must not be negative: {value:f}.", field)
    return plain(value)


def amount(value: Decimal, code: str, *field: str | int) -> Decimal:
    """An amount above zero with at most the currency's decimals; returned with exactly those."""
    if signed_amount(value, code, *field) < 0:
        raise AmountOutOfRange(f"Must be above zero: {value:f}.", field)
    return signed_amount(value, code, *field)


def signed_amount(value: Decimal, code: str, *field: str | int) -> Decimal:
    """The same, below zero too, and never zero."""
    _precise(value, field)
    if value == 0:
        raise AmountOutOfRange("Must not be zero.", field)
    if to_currency(value, code) != value:
        raise AmountOutOfRange(f"{code} has {currency_decimals(code)} decimals.", field)
    return to_currency(value, code)


def percentage(value: Decimal, *field: str | int) -> Decimal:
    """Percent, from 0 to 100, with at most 12 decimals."""
    if unit_price(value, *field) > 100:
        raise AmountOutOfRange(f"Must be at most 100: {value:f}.", field)
    return plain(value)


def quantity(value: Decimal, *field: str | int) -> Decimal:
    """A quantity: above zero, with at most 12 decimals."""
    _precise(value, field)
    if value <= 0:
        raise AmountOutOfRange(f"Must be above zero: {value:f}.", field)
    return plain(value)


def whole_days(value: int, *field: str | int, most: int) -> int:
    """A number of days from 0 to `most`."""
    if not 0 <= value <= most:
        raise InvalidInput(f"Must be from 0 to {most}, not {value}.", field)
    return value


def metadata(value: object, *field: str | int) -> dict[str, object]:
    """A flat map of short texts, numbers and booleans."""
    if not isinstance(value, dict):
        raise InvalidInput('Must be an object, like {"team": "east"}.', field)
    if len(value) > MAX_METADATA_KEYS:
        raise TooManyItems(f"At most {MAX_METADATA_KEYS} keys, not {len(value)}.", field)
    json_value(value, *field)
    for name, item in value.items():
        text(name, *field, name, most=100)
        if isinstance(item, str):
            if len(item) > MAX_TEXT:
                raise InvalidInput(f"Must have at most {MAX_TEXT} characters.", (*field, name))
        elif item is not None and not isinstance(item, bool | int | Decimal):
            raise InvalidInput("Must be a text, a number, a boolean or null.", (*field, name))
    return dict(value)


def json_value(value: object, *field: str | int) -> None:
    """Raises InvalidInput unless PostgreSQL keeps every text and number in it as it was sent."""
    if isinstance(value, dict):
        for name, item in value.items():
            json_value(name, *field)
            json_value(item, *field, name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            json_value(item, *field, index)
    elif isinstance(value, str):
        if "\x00" in value:
            raise InvalidInput("Must not contain the character U+0000.", field)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > MAX_JSON_MAGNITUDE:
            raise InvalidInput(
                f"A number must lie between 10^-{MAX_JSON_MAGNITUDE} and 10^{MAX_JSON_MAGNITUDE}.",
                field,
            )


def _precise(value: Decimal, field: tuple[str | int, ...]) -> None:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise InvalidInput("Must be a finite number.", field)
    if abs(value) >= Decimal(10) ** 15:
        raise AmountOutOfRange("Must be below 10^15.", field)
    if int(plain(value).as_tuple().exponent) < -MAX_UNIT_DECIMALS:
        raise AmountOutOfRange(f"Must have at most {MAX_UNIT_DECIMALS} decimals.", field)
