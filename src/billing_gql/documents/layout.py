"""From a printed document to what the template sets: texts in its language, in order. Pure."""

import re
from decimal import Decimal

from billing_gql.documents.languages import Language, fill, fill_parts, language_of
from billing_gql.documents.printed import (
    DocumentKind,
    PrintedBreakdown,
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

LETTER_COUNTRIES = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "VE"})
"""Where a sheet is Letter, not A4."""
LONG_WORD = re.compile(r"\S{22,}")
BEHIND_A_MARK = re.compile(r"(?<=[@./_:,;&=?-])")
PIECE = 6
"""A word longer than a column may break after so many characters."""
BEHIND_A_GROUP = re.compile(r"(?<=[.,’\s])")
WIDEST_FIGURE = 18
"""Characters of a figure in a column; a longer one goes on below."""


def layout(document: PrintedDocument) -> dict[str, object]:
    """The template's input: texts, lists and booleans, the same for the same document."""
    language = language_of(document.language, document.currency)
    words = language.words
    note = document.kind is DocumentKind.CREDIT_NOTE
    country = document.seller.address.country if document.seller.address else None
    return {
        "right_to_left": language.is_right_to_left,
        "lang": language.locale.language,
        "region": language.locale.territory,
        "paper": "us-letter" if country in LETTER_COUNTRIES else "a4",
        "date": [document.issue_date.year, document.issue_date.month, document.issue_date.day],
        "title": title(document, language),
        "number": document.number,
        "void": words.void if document.is_void else None,
        "page": words.page,
        "seller": _party(document.seller, language),
        "buyer": _party(document.buyer, language),
        "seller_head": words.seller,
        "buyer_head": words.buyer,
        "facts": facts(document, language),
        "headline": _headline(document, language),
        "reference": reference(document, language),
        "columns": [
            words.description,
            "" if note else words.quantity,
            "" if note else words.unit_price,
            f"{words.amount} ({document.currency})",
        ],
        "lines": [_line(line, document, language) for line in document.lines],
        "totals": [
            {"label": _breakable(row.label), "value": row.value, "kind": row.weight}
            for row in totals(document, language)
        ],
        "notes": [
            {"head": head, "body": _breakable(body)}
            for head, body in (
                (words.how_to_pay, instructions(document)),
                (words.memo, document.memo),
            )
            if body
        ],
        "appendix": [
            _appendix(line, line.breakdown, language)
            for line in document.lines
            if line.breakdown is not None
        ],
    }


def instructions(document: PrintedDocument) -> str | None:
    """Nobody is to pay what is void, paid from elsewhere or given back."""
    owed = document.amount_due > 0 and not document.is_void
    return document.payment_instructions if owed else None


def _party(party: PrintedParty, language: Language) -> dict[str, object]:
    return {
        "name": _breakable(party.name),
        "lines": [_breakable(line) for line in party_lines(party, language)],
    }


def _headline(document: PrintedDocument, language: Language) -> list[tuple[str, bool]]:
    """What the reader is to do, in one sentence; its parts, and whether each is a figure."""
    words = language.words
    if document.kind is DocumentKind.CREDIT_NOTE and not document.is_void:
        return fill_parts(words.credited, amount=language.amount(document.total))
    if document.is_void:
        return [(f"{words.void} · {words.nothing_due}", False)]
    if document.amount_due == 0 or document.due_date is None:
        return [(words.nothing_due, False)]
    amount = language.amount(document.amount_due)
    parts = fill_parts(words.due_by, amount=amount, date=language.day(document.due_date))
    return [(text, text == amount) for text, _ in parts]


def _line(line: PrintedLine, document: PrintedDocument, language: Language) -> dict[str, object]:
    return {
        "name": _breakable(line.name),
        "notes": [_breakable(note) for note in line_notes(line, document, language)],
        "quantity": [] if line.quantity is None else _folded(language.number(line.quantity)),
        "unit": (
            []
            if line.unit_amount is None
            else _folded(language.figure(line.unit_amount, exact=True))
        ),
        "amount": _folded(language.figure(line.amount)),
        "steps": [_step(step, language) for step in shown_steps(line)],
    }


def _step(step: PrintedStep, language: Language) -> dict[str, object]:
    unit = step_price(step, language)
    return {
        "text": _breakable(step.description),
        "quantity": _folded(language.number(step.quantity)),
        "unit": _folded(unit, WIDEST_FIGURE + len(language.words.flat)),
        "amount": _folded(language.figure(step.amount, exact=True)),
    }


def _appendix(
    line: PrintedLine, breakdown: PrintedBreakdown, language: Language
) -> dict[str, object]:
    words = language.words
    keys = [key.removeprefix("properties.") for key in breakdown.keys]
    rows: list[list[object]] = [
        [
            _breakable(" · ".join(words.none if one is None else one for one in group.values)),
            _folded(language.number(group.usage)),
            _folded(language.figure(group.cost)),
        ]
        for group in breakdown.groups
    ]
    if breakdown.others:
        others = fill(words.others, count=language.number(Decimal(breakdown.others)))
        rows.append([others, [], _folded(language.figure(breakdown.others_cost))])
    return {
        "title": _breakable(fill(words.breakdown, line=line.name, keys=", ".join(keys))),
        "columns": [
            _breakable(" · ".join(keys)),
            words.usage,
            f"{words.amount} ({language.currency})",
        ],
        "rows": rows,
    }


def _folded(figure: str, widest: int = WIDEST_FIGURE) -> list[str]:
    """The figure in as many rows as it needs, cut between groups of digits where it can be."""
    rows = [""]
    for group in BEHIND_A_GROUP.split(figure):
        for piece in (group[at : at + widest] for at in range(0, len(group), widest)):
            if len(rows[-1]) + len(piece) > widest:
                rows.append("")
            rows[-1] += piece
    return [row.strip() for row in rows if row]


def _breakable(text: str) -> str:
    """The text with places inside its longest words where a line may end: best behind a mark."""

    def pieces(match: re.Match[str]) -> str:
        marked = [piece for piece in BEHIND_A_MARK.split(match[0]) if piece]
        cut = [one[at : at + PIECE] for one in marked for at in range(0, len(one), PIECE)]
        return "\u200b".join(cut)

    return LONG_WORD.sub(pieces, text)
