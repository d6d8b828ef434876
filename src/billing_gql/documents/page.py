"""Pages of HTML for those who pay: a document, or why a link opens none. Pure.

The templates in `templates/` set texts and nothing else; each text is escaped there. A page needs
no script, and all of its looks are in `static/page.css`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from babel.core import negotiate_locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing_gql.documents.hosted import HostedDocument, PaymentFacts
from billing_gql.documents.languages import (
    FALLBACK,
    Language,
    fill,
    known_languages,
    language_of,
)
from billing_gql.documents.printed import (
    DocumentKind,
    PrintedDocument,
    PrintedLine,
    PrintedParty,
    PrintedStep,
)
from billing_gql.documents.say import (
    facts,
    line_notes,
    party_lines,
    reference,
    shown_steps,
    step_price,
    title,
    totals,
)

HERE = Path(__file__).parent
STATIC = HERE / "static"
"""What the pages load; it is served below `/hosted`."""


@dataclass(frozen=True, slots=True)
class Status:
    """What stands at the top: an amount with its name, marks, and what else is to know."""

    label: str
    amount: str
    marks: Sequence[tuple[str, str]] = ()
    """Texts, each with its tone: good, open, late or void."""
    notes: Sequence[str] = field(default=())


def page_of(hosted: HostedDocument) -> str:
    """The document as a page, in its language."""
    document = hosted.document
    language = language_of(document.language, document.currency)
    words = language.words
    note = document.kind is DocumentKind.CREDIT_NOTE
    return (
        _templates()
        .get_template("document.html")
        .render(
            **_common(language),
            heading=f"{title(document, language)} {document.number}",
            number=document.number,
            title=title(document, language),
            words=words,
            pdf=hosted.pdf,
            status=_status(hosted, language),
            facts=_facts(hosted, language),
            parties=[
                _party(words.seller, document.seller, language),
                _party(words.buyer, document.buyer, language),
            ],
            reference=reference(document, language),
            amount_head=f"{words.amount} ({document.currency})",
            priced=not note,
            lines=[_line(line, document, language) for line in document.lines],
            totals=[*totals(document, language), *_since(hosted.standing, document, language)],
            payments=[
                (language.day(one.received_on), language.amount(one.amount))
                for one in hosted.payments
            ],
            credit_notes=[
                (
                    one.number,
                    one.pdf,
                    language.day(one.issue_date),
                    language.amount(one.total),
                    words.settlements.get(one.settlement, one.settlement),
                )
                for one in hosted.credit_notes
            ],
            instructions=_instructions(hosted),
            memo=document.memo,
        )
    )


def refusal_page(wanted: Sequence[str], *, expired: bool) -> str:
    """Says that a link opens nothing and what to do, in the first known of the languages wanted."""
    chosen = negotiate_locale(wanted, sorted(known_languages()), sep="-") or FALLBACK
    language = language_of(chosen, "USD")
    words = language.words.hosted
    return (
        _templates()
        .get_template("refused.html")
        .render(
            **_common(language), heading=words.expired if expired else words.invalid, ask=words.ask
        )
    )


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _style() -> str:
    """The stylesheet from where pages are; its mark changes when it does."""
    mark = hashlib.sha256((STATIC / "page.css").read_bytes()).hexdigest()[:12]
    return f"../hosted/page.css?{mark}"


def _common(language: Language) -> dict[str, str]:
    direction = "rtl" if language.is_right_to_left else "ltr"
    return {"lang": language.tag, "direction": direction, "style": _style()}


def _status(hosted: HostedDocument, language: Language) -> Status:
    document, standing = hosted.document, hosted.standing
    words = language.words
    total = language.amount(document.total)
    if standing is None:
        return Status(words.total, total)
    if document.is_void:
        return Status(words.total, total, [(words.void, "void")], [words.nothing_due])
    if standing.amount_remaining == 0:
        return _settled(standing, document, language)
    marks = [_urgency(standing, document, language)]
    notes = []
    if standing.amount_paid:
        marks.append((words.hosted.partly_paid, "open"))
        notes.append(
            fill(
                words.hosted.paid_of,
                paid=language.amount(standing.amount_paid),
                due=language.amount(standing.amount_due),
            )
        )
    if standing.is_under_way:
        notes.append(words.hosted.under_way)
    return Status(words.hosted.remaining, language.amount(standing.amount_remaining), marks, notes)


def _settled(standing: PaymentFacts, document: PrintedDocument, language: Language) -> Status:
    words = language.words
    total = language.amount(document.total)
    if not standing.amount_paid:
        return Status(words.total, total, [(words.nothing_due, "good")])
    on = standing.paid_on
    notes = [fill(words.hosted.paid_on, date=language.day(on))] if on else []
    return Status(words.total, total, [(words.hosted.paid, "good")], notes)


def _urgency(
    standing: PaymentFacts, document: PrintedDocument, language: Language
) -> tuple[str, str]:
    words = language.words.hosted
    if standing.is_overdue:
        return words.overdue, "late"
    days = 0 if document.due_date is None else (document.due_date - standing.today).days
    if days <= 0:
        return words.due_today, "open"
    return fill(words.due_in, when=language.in_days(days)), "open"


def _facts(hosted: HostedDocument, language: Language) -> list[tuple[str, str]]:
    """The heading has the number; the total comes in where the top has what remains of it."""
    document, standing = hosted.document, hosted.standing
    _, *rest = facts(document, language)
    total = (language.words.total, language.amount(document.total))
    remains = standing is not None and standing.amount_remaining > 0
    return [total, *rest] if remains else rest


def _party(head: str, party: PrintedParty, language: Language) -> dict[str, object]:
    return {"head": head, "name": party.name, "lines": party_lines(party, language)}


def _line(line: PrintedLine, document: PrintedDocument, language: Language) -> dict[str, object]:
    quantity = "" if line.quantity is None else language.number(line.quantity)
    unit = "" if line.unit_amount is None else language.figure(line.unit_amount, exact=True)
    return {
        "name": line.name,
        "notes": line_notes(line, document, language),
        "quantity": quantity,
        "unit": unit,
        "amount": language.figure(line.amount),
        "steps": [_step(step, language) for step in shown_steps(line)],
    }


def _step(step: PrintedStep, language: Language) -> dict[str, object]:
    return {
        "name": step.description,
        "quantity": language.number(step.quantity),
        "unit": step_price(step, language),
        "amount": language.figure(step.amount, exact=True),
    }


def _since(
    standing: PaymentFacts | None, document: PrintedDocument, language: Language
) -> list[tuple[str, str, str]]:
    """From what was due when the document was issued to what remains."""
    if standing is None or document.is_void:
        return []
    words = language.words.hosted
    rows = [
        (label, language.figure(-amount), "")
        for label, amount in (
            (words.credited, standing.total_credited),
            (words.paid, standing.amount_paid),
        )
        if amount
    ]
    if rows:
        rows.append((words.remaining, language.amount(standing.amount_remaining), "due"))
    return rows


def _instructions(hosted: HostedDocument) -> str | None:
    """Nobody is to pay what is void or settled."""
    owed = hosted.standing is not None and hosted.standing.amount_remaining > 0
    return hosted.document.payment_instructions if owed else None
