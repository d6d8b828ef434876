"""From a printed document to the business terms of EN 16931, by their numbers in it. Pure.

`factur_x.py` writes them as XML. Only documents without `obstacles` have them. The sums are those
of the document; how each finds its term is in docs/decisions/0025.
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from stdnum import iban

from billing_gql.documents.languages import Language, language_of
from billing_gql.documents.layout import instructions
from billing_gql.documents.obstacles import clean
from billing_gql.documents.printed import (
    DocumentKind,
    PrintedDocument,
    PrintedLine,
    PrintedParty,
    PrintedStep,
)
from billing_gql.documents.vat import (
    VatCategory,
    VatGroup,
    line_allowances,
    vat_groups,
    vat_of,
)
from billing_gql.kernel.money import exactly, plain, zero

Terms = dict[str, object]

INVOICE, CREDIT_NOTE = "380", "381"
"""UNTDID 1001."""
ONE = "C62"
"""UN/ECE Recommendation 20: no unit is known of what a feature counts."""
DISCOUNT = "95"
"""UNTDID 5189."""
CREDIT_TRANSFER, NOT_DEFINED = "30", "1"
"""UNTDID 4461."""
NOT_SUBJECT_CODE, NOT_SUBJECT_REASON = "VATEX-EU-O", "Not subject to VAT"
"""What the code list of exemptions calls it."""
NO_NAME = "-"
VAT_IDENTIFIER = re.compile(r"(?P<country>[A-Z]{2})(?=.*\d)[0-9A-Z+*]{2,14}")
VAT_PREFIXES = frozenset(
    {"AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "GB", "HR"}
    | {"HU", "IE", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI"}
    | {"SK", "XI"}
)
"""Countries whose VAT identifiers begin with the country's code."""
NOT_A_PREFIX = frozenset({"SS"})
"""South Sudan: the official rule on prefixes forgot it."""
IBAN = re.compile(r"\b(?=([A-Z]{2}\d{2}[0-9A-Z ]{11,50}))")
"""Where an account may begin, and what may be it: words can follow its last group."""


@exactly
def business_terms(document: PrintedDocument) -> Terms:
    """The terms, with a group's as a list or a dictionary, as the factur-x library takes them."""
    language = language_of(document.language, document.currency)
    groups = vat_groups(document)
    of_lines = line_allowances(document)
    subject = all(group.category is not VatCategory.NOT_SUBJECT for group in groups)
    note = document.kind is DocumentKind.CREDIT_NOTE
    return {
        "BT-1": document.number,
        "BT-2": document.issue_date,
        "BT-3": CREDIT_NOTE if note else INVOICE,
        "BT-5": document.currency,
        "BT-9": document.due_date,
        **_period("BT-73", "BT-74", document.first_day, document.last_day),
        **_payment(document, language),
        "BG-1": _notes(document, language),
        "BG-3": [
            {"BT-25": given.number, "BT-26": given.issue_date}
            for given in (document.credits,)
            if given is not None
        ],
        "BG-4": _party(document.seller, is_seller=True, subject_to_vat=subject),
        "BG-7": _party(document.buyer, is_seller=False, subject_to_vat=subject),
        "BG-13": _place(document.buyer),
        "BG-20": [_allowance(group, document) for group in groups if group.allowance],
        "BG-23": [_vat(group) for group in groups],
        "BG-25": [
            _line(at, line, of_lines.get(line.id), document, language)
            for at, line in enumerate(document.lines, 1)
        ],
        **_totals(document, groups),
    }


def _totals(document: PrintedDocument, groups: Sequence[VatGroup]) -> Terms:
    """What was paid in advance is prepaid credit and balance; below zero it is a debt that is
    carried over, so that what is due is what the PDF says."""
    nothing = zero(document.currency)
    off_lines = sum(line_allowances(document).values(), nothing)
    off = sum((group.allowance for group in groups), nothing)
    taxed = document.total + document.prepaid_credits
    paid = document.prepaid_credits + document.balance_applied
    return {
        "BT-106": _amount(document.subtotal - off_lines),
        **({"BT-107": _amount(off)} if off else {}),
        "BT-109": _amount(taxed - document.total_tax),
        "BT-110": _amount(document.total_tax),
        "BT-112": _amount(taxed),
        **({"BT-113": _amount(paid)} if paid else {}),
        "BT-115": _amount(taxed - paid),
    }


def _vat(group: VatGroup) -> Terms:
    terms: Terms = {
        "BT-116": _amount(group.basis),
        "BT-117": _amount(group.tax),
        "BT-118": group.category.value,
        **_rate("BT-119", group.rate),
    }
    if group.category is VatCategory.EXEMPT:
        names = [name for name in map(clean, group.names) if name]
        terms["BT-120"] = ", ".join(names) or NO_NAME
    elif group.category is VatCategory.NOT_SUBJECT:
        terms |= {"BT-120": NOT_SUBJECT_REASON, "BT-121": NOT_SUBJECT_CODE}
    return terms


def _allowance(group: VatGroup, document: PrintedDocument) -> Terms:
    """What coupons of the whole invoice take off the lines of one group."""
    names = [clean(one.name) for one in document.discounts if one.line_item_id is None]
    return {
        "amount": _amount(group.allowance),
        "reason": ", ".join(name for name in names if name),
        "reason_code": DISCOUNT,
        "vat_category_code": group.category.value,
        **_rate("vat_rate", group.rate),
    }


def _line(
    at: int, line: PrintedLine, off: Decimal | None, document: PrintedDocument, language: Language
) -> Terms:
    category, rate = vat_of(line)
    quantity, price, says_all = _price(line)
    details = [] if says_all else _working(line, language)
    return {
        "BT-126": str(at),
        "BT-129": _number(quantity),
        "BT-130": ONE,
        "BT-131": _amount(line.amount - (off or zero(document.currency))),
        **_period("BT-134", "BT-135", line.first_day, line.last_day),
        "BT-146": _number(price),
        "BT-151": category.value,
        **_rate("BT-152", rate),
        "BT-153": clean(line.name) or NO_NAME,
        "BT-154": "\n".join(one for one in [clean(line.description), *details] if one),
        "BG-27": [
            {
                "amount": _amount(one.amount),
                "reason": clean(one.name),
                "reason_code": DISCOUNT,
            }
            for one in document.discounts
            if one.line_item_id == line.id
        ],
    }


@exactly
def _price(line: PrintedLine) -> tuple[Decimal, Decimal, bool]:
    """A quantity and a price, not below 0, that make the amount; and whether they are the line's
    own. Where its own do not make it, as with tiers or parts of a period, it is one of the amount.
    """
    quantity, price = line.quantity, line.unit_amount
    if quantity is not None and price is not None:
        if price < 0:
            quantity, price = -quantity, -price
        if (quantity * price).quantize(line.amount) == line.amount:
            return quantity, price, True
    return Decimal(-1 if line.amount < 0 else 1), abs(line.amount), False


def _working(line: PrintedLine, language: Language) -> list[str]:
    """How the amount came about, in the buyer's language."""
    if line.steps:
        return [_step(step, language) for step in line.steps]
    if line.quantity is None or line.unit_amount is None:
        return []
    return [f"{language.number(line.quantity)} × {language.figure(line.unit_amount, exact=True)}"]


def _step(step: PrintedStep, language: Language) -> str:
    parts = []
    if step.unit_amount:
        price = language.figure(step.unit_amount, exact=True)
        parts.append(f"{language.number(step.quantity)} × {price}")
    if step.flat_amount:
        flat = language.figure(step.flat_amount, exact=True)
        parts.append(f"{flat} {language.words.flat}")
    working = " + ".join(parts) or language.number(step.quantity)
    amount = language.figure(step.amount, exact=True)
    return ": ".join(one for one in (clean(step.description), f"{working} = {amount}") if one)


def _payment(document: PrintedDocument, language: Language) -> Terms:
    """How to pay, where there is something to pay. An account is told only where the instructions
    name exactly one whose check digits are right."""
    if document.credits is not None:
        settlement = document.credits.settlement
        return {"BT-20": language.words.settlements.get(settlement, settlement)}
    how = clean(instructions(document))
    if not how:
        return {}
    accounts = _accounts(how)
    if len(accounts) == 1:
        means: Terms = {"BT-81": CREDIT_TRANSFER, "BT-84": accounts.pop()}
    else:
        means = {"BT-81": NOT_DEFINED}
    return {**means, "BT-82": how, "BT-83": document.number}


def _accounts(text: str) -> set[str]:
    """The international account numbers in a text whose check digits are right."""
    found = set()
    for begun in IBAN.findall(text):
        groups = begun.split(" ")
        known = ("".join(groups[:count]) for count in range(1, len(groups) + 1))
        found |= {one for one in known if iban.is_valid(one)}
    return found


def _notes(document: PrintedDocument, language: Language) -> list[Terms]:
    """What the PDF says and no other term does."""
    words = language.words
    said = [clean(document.memo)]
    if document.credits is not None:
        said.append(words.reasons.get(document.credits.reason, document.credits.reason))
    if document.prepaid_credits:
        said.append(f"{words.prepaid}: {language.amount(document.prepaid_credits)}")
    if document.balance_applied > 0:
        said.append(f"{words.balance_used}: {language.amount(document.balance_applied)}")
    elif document.balance_applied < 0:
        said.append(f"{words.balance_owed}: {language.amount(-document.balance_applied)}")
    return [{"BT-22": one} for one in said if one]


def _party(party: PrintedParty, *, is_seller: bool, subject_to_vat: bool) -> Terms:
    """A party. Its tax identifier is that of VAT where it has such a form and the invoice is
    subject to tax; else it is an identifier, and the seller's its registration for tax."""
    terms = _place(party)
    if email := clean(party.email):
        terms |= {"einvoicing_addr": email, "einvoicing_addr_schemeid": "EM"}
    given = clean(party.tax_identifier)
    vat = vat_identifier(given, None if party.address is None else party.address.country)
    if vat is not None and subject_to_vat:
        terms["vat_identifier"] = vat
    elif given:
        terms["identifiers"] = {None: given}
        if is_seller:
            terms["tax_identifier"] = given
    return terms


def _place(party: PrintedParty) -> Terms:
    """A name and where it is: of the buyer also where a service goes, since the rules want a word
    on delivery, and one-off invoices have no day to name."""
    terms: Terms = {"name": clean(party.name)}
    if (address := party.address) is not None:
        terms |= {
            "addr_l1": clean(address.line1),
            "addr_l2": clean(address.line2),
            "city": clean(address.city),
            "postcode": clean(address.postal_code),
            "country_subdivision": clean(address.region),
            "country_code": address.country,
        }
    return terms


def vat_identifier(given: str, country: str | None) -> str | None:
    """The identifier without marks, where it looks like one of VAT: it begins with the code of a
    country that has such, or of the party's own."""
    plain_form = re.sub(r"[\s.\-/]", "", given).upper()
    match = VAT_IDENTIFIER.fullmatch(plain_form)
    if match is None or match["country"] not in {*VAT_PREFIXES, country} - NOT_A_PREFIX:
        return None
    return plain_form


def _period(start: str, end: str, first: date | None, last: date | None) -> Terms:
    """Both days, or none where the period holds no whole day."""
    if first is None or last is None or last < first:
        return {}
    return {start: first, end: last}


def _rate(term: str, rate: Decimal | None) -> Terms:
    return {} if rate is None else {term: _number(rate)}


def _amount(value: Decimal) -> str:
    return f"{value:f}"


def _number(value: Decimal) -> str:
    """A quantity, a price or a percentage, with all its decimals."""
    return f"{plain(value):f}"
