"""Why a document cannot be an e-invoice: what it lacks, or what EN 16931 has no words for. Pure."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

from babel.core import Locale

from billing_gql.documents.printed import PrintedDocument, PrintedParty
from billing_gql.documents.vat import VatCategory, VatGroup, vat_groups
from billing_gql.kernel.money import currency_decimals, exactly, to_currency

MAX_DECIMALS = 2
"""Of an amount in EN 16931."""
LEAST_RATE = Decimal("0.5")
"""In percent. The official rules round a rate to a whole number, and refuse tax where it is 0."""
TAX_TOLERANCE = Decimal(1)
"""A sum of taxes may be off its basis times its rate by less than this, as the official rules have
it: a credit note gives back tax line by line."""
NOT_COUNTRIES = frozenset(
    {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"}
)
"""Of the territories that Unicode knows; the standard's list does not have them."""
NOT_IN_LIST = frozenset({"XAD"})
"""Currencies that are newer than the standard's list."""
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str | None) -> str:
    """The text without what XML cannot carry, and without blanks around it."""
    return NOT_XML.sub("", text or "").strip()


def obstacles(document: PrintedDocument) -> tuple[str, ...]:
    """What keeps the document from being an e-invoice, each to be read by people; () for nothing.

    The same facts give the same answer for ever, but for a document that is voided.
    """
    if document.is_void:
        return ("The invoice is void.",)
    return (*_missing(document), *_inexpressible(document))


def _missing(document: PrintedDocument) -> Iterator[str]:
    """What the standard asks for, and only the organization or the customer can say."""
    yield from _missing_of("The seller", document.seller)
    if not clean(document.seller.tax_identifier):
        yield "The seller had no tax identifier when it was finalized."
    yield from _missing_of("The buyer", document.buyer)


def _missing_of(who: str, party: PrintedParty) -> Iterator[str]:
    if not clean(party.name):
        yield f"{who} has no name that XML can carry."
    country = party.address.country if party.address else None
    if country is None:
        yield f"{who} had no country in its address when it was finalized."
    elif country not in _countries():
        yield f"{who}'s country, {country}, is not in the standard's list of countries."


def _inexpressible(document: PrintedDocument) -> Iterator[str]:
    currency = document.currency
    if currency not in _currencies():
        yield f"The currency {currency} is not in the standard's list of currencies."
    elif currency_decimals(currency) > MAX_DECIMALS:
        yield (
            f"Amounts in {currency} have {currency_decimals(currency)} decimals;"
            f" the standard allows {MAX_DECIMALS}."
        )
    if not document.lines:
        yield "The invoice has no lines."
        return
    several = [line.name for line in document.lines if len(line.tax_percentages) > 1]
    if several:
        yield (
            f"A line carries more than one tax rate, as '{several[0]}' does;"
            " the standard allows one. Combine the rates."
        )
        return
    taxed = {bool(line.tax_percentages) for line in document.lines}
    if len(taxed) > 1:
        yield (
            "Some lines carry a tax rate and some none, which the standard does not allow."
            " Give those without tax a rate of 0 percent whose name says why."
        )
        return
    groups = vat_groups(document)
    wrong = [one for group in groups for one in _wrong_with(group, currency)]
    yield from wrong
    if not wrong and not _adds_up(document, groups):
        yield "The lines with their taxes do not add up to the invoice."


@exactly
def _wrong_with(group: VatGroup, currency: str) -> Sequence[str]:
    if group.category is not VatCategory.STANDARD or group.rate is None:
        return ()
    found = []
    if group.rate < LEAST_RATE:
        found.append(
            f"The tax rate of {group.rate:f} percent is below {LEAST_RATE} percent,"
            " which the standard's official rules refuse."
        )
    if group.basis < 0:
        found.append(
            f"The lines with {group.rate:f} percent tax give back more than they bill;"
            " such tax is not given back on an invoice, as the standard asks."
        )
    elif abs(to_currency(group.basis * group.rate / 100, currency) - group.tax) >= TAX_TOLERANCE:
        found.append(
            f"The tax of {group.rate:f} percent is not that part of the lines that carry it."
        )
    return found


@exactly
def _adds_up(document: PrintedDocument, groups: Sequence[VatGroup]) -> bool:
    """Always so, but where an old invoice does not know which line carries which rate."""
    tax = sum((group.tax for group in groups), Decimal(0))
    basis = sum((group.basis for group in groups), Decimal(0))
    return tax == document.total_tax and basis + tax == document.total + document.prepaid_credits


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    known = map(str, Locale("en").territories)
    return frozenset(code for code in known if re.fullmatch("[A-Z]{2}", code)) - NOT_COUNTRIES


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    from iso4217 import Currency  # late: it reads its list for 40 ms

    return frozenset(str(currency.code) for currency in Currency) - NOT_IN_LIST
