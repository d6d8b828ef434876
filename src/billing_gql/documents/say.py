"""What a document says, as texts in its language: the PDF and the page set the same. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from billing_gql.documents.languages import Language, fill
from billing_gql.documents.printed import (
    DocumentKind,
    PrintedDocument,
    PrintedLine,
    PrintedParty,
    PrintedStep,
)

CITY_FIRST = frozenset({"US", "CA", "GB", "AU", "NZ", "IE", "IN"})
"""Where the postal code comes behind the city."""


class TotalRow(NamedTuple):
    """A row of the sums; `weight` is "sum" or "due" where it stands out."""

    label: str
    value: str
    weight: str = ""


def title(document: PrintedDocument, language: Language) -> str:
    """What kind of document it is."""
    words = language.words
    return words.credit_note if document.kind is DocumentKind.CREDIT_NOTE else words.invoice


def party_lines(party: PrintedParty, language: Language) -> list[str]:
    """Where a party is and how it is reached, below its name."""
    lines: list[str | None] = []
    if (address := party.address) is not None:
        city_first = address.country in CITY_FIRST
        code, city, region = address.postal_code, address.city, address.region
        place = (
            _joined(", ", [city, _joined(" ", [region, code])])
            if city_first
            else _joined(", ", [_joined(" ", [code, city]), region])
        )
        country = language.country(address.country) if address.country else None
        lines += [address.line1, address.line2, place, country]
    lines.append(party.email)
    if party.tax_identifier:
        lines.append(f"{language.words.tax_identifier}: {party.tax_identifier}")
    return [line for line in lines if line]


def facts(document: PrintedDocument, language: Language) -> list[tuple[str, str]]:
    """Labels and what stands by them."""
    words = language.words
    found = [(words.number, document.number), (words.issue_date, language.day(document.issue_date))]
    if document.due_date is not None and not document.is_void:
        found.append((words.due_date, language.day(document.due_date)))
    if period := language.span(document.first_day, document.last_day):
        found.append((words.service_period, period))
    return found


def reference(document: PrintedDocument, language: Language) -> list[str]:
    """What a credit note is for, why, and where the money goes."""
    if (given := document.credits) is None:
        return []
    words = language.words
    day = language.day(given.issue_date)
    return [
        fill(words.credits, number=given.number, date=day),
        words.reasons.get(given.reason, given.reason),
        words.settlements.get(given.settlement, given.settlement),
    ]


def line_notes(line: PrintedLine, document: PrintedDocument, language: Language) -> list[str]:
    """What stands below a line's name: its period too, where it is not the document's."""
    period = language.span(line.first_day, line.last_day)
    if (line.first_day, line.last_day) == (document.first_day, document.last_day):
        period = ""
    return [note for note in (line.description, period) if note]


def shown_steps(line: PrintedLine) -> Sequence[PrintedStep]:
    """The working, where the line itself does not say it all."""
    return () if len(line.steps) == 1 and line.unit_amount is not None else line.steps


def step_price(step: PrintedStep, language: Language) -> str:
    """What a step costs: a unit price, a fixed amount, or both."""
    unit = language.figure(step.unit_amount, exact=True) if step.unit_amount else ""
    if step.flat_amount:
        flat = f"{language.figure(step.flat_amount, exact=True)} {language.words.flat}"
        unit = f"{unit} + {flat}" if unit else flat
    return unit


def totals(document: PrintedDocument, language: Language) -> list[TotalRow]:
    """From the lines to what was due when the document was issued."""
    words = language.words
    rows = [TotalRow(words.subtotal, language.figure(document.subtotal))]
    for discount in document.discounts:
        percent = None if discount.percent_off is None else language.percent(discount.percent_off)
        name = _joined(" ", [discount.name, percent and f"({percent})"])
        label = _joined(" · ", [name, discount.line_name])
        rows.append(TotalRow(label, language.figure(-discount.amount)))
    for tax in document.taxes:
        label = fill(
            words.tax_on,
            name=tax.name,
            rate=language.percent(tax.percentage),
            base=language.figure(tax.taxable_amount),
        )
        rows.append(TotalRow(label, language.figure(tax.amount)))
    if document.prepaid_credits:
        rows.append(TotalRow(words.prepaid, language.figure(-document.prepaid_credits)))
    if len(rows) == 1:
        rows = []  # nothing lies between it and the total
    if document.kind is DocumentKind.CREDIT_NOTE:
        return [*rows, TotalRow(words.total, language.amount(document.total), "due")]
    if document.balance_applied:
        rows.append(TotalRow(words.total, language.figure(document.total), "sum"))
        used = document.balance_applied > 0
        label = words.balance_used if used else words.balance_owed
        rows.append(TotalRow(label, language.figure(-document.balance_applied)))
    label = words.total if document.is_void else words.amount_due
    return [*rows, TotalRow(label, language.amount(document.amount_due), "due")]


def _joined(separator: str, parts: Iterable[str | None]) -> str:
    return separator.join(part for part in parts if part)
