"""The languages of printed documents: their words, amounts, numbers and dates. Pure.

Words stand in `words/`, a file a language. A language that has none is printed in English.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import msgspec
from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent

from billing_gql.kernel.money import currency_decimals, exactly

WORDS = Path(__file__).parent / "words"
FALLBACK = "en"
MAX_DECIMALS = 12
"""Of a unit price or a quantity; what is more exact is printed rounded."""

EVER = 1e9
"""More weeks, months or years than there are: time is told in days."""


class HostedWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the hosted page says beyond the PDF: how payment stands, and of links."""

    lines: str
    download: str
    paid: str
    paid_on: str
    due_in: str
    due_today: str
    overdue: str
    partly_paid: str
    paid_of: str
    under_way: str
    remaining: str
    payments: str
    received: str
    credited: str
    credit_notes: str
    invalid: str
    expired: str
    ask: str


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words and sentences; what stands in braces is filled in."""

    invoice: str
    credit_note: str
    void: str
    number: str
    issue_date: str
    due_date: str
    service_period: str
    seller: str
    buyer: str
    tax_identifier: str
    description: str
    quantity: str
    unit_price: str
    amount: str
    subtotal: str
    tax_on: str
    prepaid: str
    total: str
    balance_used: str
    balance_owed: str
    amount_due: str
    due_by: str
    nothing_due: str
    credited: str
    how_to_pay: str
    memo: str
    flat: str
    breakdown: str
    usage: str
    others: str
    none: str
    page: str
    credits: str
    reasons: dict[str, str]
    settlements: dict[str, str]
    hosted: HostedWords


def fill(sentence: str, **values: str) -> str:
    """The sentence with its braces filled, once: braces in a value stay what they are."""
    return "".join(text for text, _ in fill_parts(sentence, **values))


def fill_parts(sentence: str, **values: str) -> list[tuple[str, bool]]:
    """The same in parts, and whether each was filled in."""
    first, *rest = sentence.split("{")
    parts = [(first, False)]
    for one in rest:
        name, _, text = one.partition("}")
        parts += [(values[name], True), (text, False)]
    return [part for part in parts if part[0]]


@dataclass(frozen=True, slots=True)
class Language:
    """How a document in one language and currency writes what it says."""

    tag: str
    words: Words
    locale: Locale
    currency: str

    @property
    def is_right_to_left(self) -> bool:
        return self.locale.text_direction == "rtl"

    def amount(self, value: Decimal) -> str:
        """An amount in the currency, with exactly its decimals."""
        return self._currency(value, currency_decimals(self.currency))

    def price(self, value: Decimal) -> str:
        """A unit price: at least the currency's decimals, and all that it has."""
        return self._currency(value, max(currency_decimals(self.currency), _decimals(value)))

    @exactly
    def _currency(self, value: Decimal, decimals: int) -> str:
        pattern = self.locale.currency_formats["standard"]
        digits = "." + "0" * decimals if decimals else ""
        shape = _with_decimals(pattern.pattern, digits)
        return format_currency(
            _kept(value, decimals),
            self.currency,
            shape,
            locale=self.locale,
            currency_digits=False,
            decimal_quantization=False,
        )

    @exactly
    def figure(self, value: Decimal, *, exact: bool = False) -> str:
        """An amount without its currency, below a head that says it; or with all it has."""
        decimals = currency_decimals(self.currency)
        if exact:
            decimals = max(decimals, _decimals(value))
        pattern = self.locale.decimal_formats[None].pattern
        digits = "." + "0" * decimals if decimals else ""
        return format_decimal(
            _kept(value, decimals),
            pattern.replace(".###", digits),
            locale=self.locale,
            decimal_quantization=False,
        )

    @exactly
    def number(self, value: Decimal) -> str:
        """A quantity."""
        return format_decimal(
            _kept(value, _decimals(value)), locale=self.locale, decimal_quantization=False
        )

    @exactly
    def percent(self, value: Decimal) -> str:
        """A percentage, given as a number of hundredths: 8.25 is 8.25 %."""
        return format_percent(value / 100, locale=self.locale, decimal_quantization=False)

    def day(self, value: date) -> str:
        """A date in full."""
        return format_date(value, "long", locale=self.locale)

    def span(self, first: date | None, last: date | None) -> str:
        """Two days, both inclusive; one where they are the same."""
        days = [format_date(one, "medium", locale=self.locale) for one in (first, last) if one]
        return " – ".join(dict.fromkeys(days))

    def in_days(self, days: int) -> str:
        """How far off a day is: "in 12 days", of at least one."""
        return format_timedelta(
            timedelta(days=days),
            granularity="day",
            threshold=EVER,
            add_direction=True,
            locale=self.locale,
        )

    def country(self, code: str) -> str:
        """A country's name."""
        return str(self.locale.territories.get(code, code))


@lru_cache(maxsize=256)
def language_of(tag: str, currency: str) -> Language:
    """The language of a BCP 47 tag, in a currency; English where it has no words here."""
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        locale = Locale(FALLBACK)
    # Traditional characters are no other spelling of the simplified ones.
    if locale.language not in known_languages() or locale.script == "Hant":
        locale = Locale(FALLBACK)
    return Language(str(locale).replace("_", "-"), _words(locale.language), locale, currency)


@lru_cache(maxsize=1)
def known_languages() -> frozenset[str]:
    """The languages that have words."""
    return frozenset(path.stem for path in WORDS.glob("*.toml"))


@lru_cache(maxsize=32)
def _words(language: str) -> Words:
    return msgspec.toml.decode((WORDS / f"{language}.toml").read_bytes(), type=Words)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return min(max(-exponent, 0), MAX_DECIMALS) if isinstance(exponent, int) else 0


def _kept(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals))


def _with_decimals(pattern: str, digits: str) -> str:
    """A CLDR pattern with other decimals, in its positive and its negative part."""
    return ";".join(
        part[: part.index("0.")] + "0" + digits + part[part.index("0.") + 1 :].lstrip(".0#")
        if "0." in part
        else part.replace("0", "0" + digits, 1)
        for part in pattern.split(";")
    )
