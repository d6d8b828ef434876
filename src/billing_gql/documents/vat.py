"""Where an invoice stands with value added tax, as EN 16931 sees it: one category and one rate for
each line, and a sum for each of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing_gql.documents.printed import PrintedDocument, PrintedLine
from billing_gql.kernel.money import exactly, zero


class VatCategory(StrEnum):
    """UNTDID 5305, what of it can be told from rates alone."""

    STANDARD = "S"
    """A rate above 0."""
    EXEMPT = "E"
    """A rate of 0: its name says why."""
    NOT_SUBJECT = "O"
    """No rate on any line."""


@dataclass(frozen=True, slots=True)
class VatGroup:
    """The lines of one category and rate."""

    category: VatCategory
    rate: Decimal | None
    """In percent; None for what is not subject to tax."""
    names: tuple[str, ...]
    """Of its rates of tax."""
    allowance: Decimal
    """What coupons of the whole invoice take off its lines."""
    basis: Decimal
    """What its lines come to, less that."""
    tax: Decimal


def vat_of(line: PrintedLine) -> tuple[VatCategory, Decimal | None]:
    """The category and rate of a line with one rate at most."""
    if not line.tax_percentages:
        return VatCategory.NOT_SUBJECT, None
    (rate,) = line.tax_percentages
    return (VatCategory.STANDARD if rate else VatCategory.EXEMPT), rate


@exactly
def line_allowances(document: PrintedDocument) -> dict[str, Decimal]:
    """What the coupons of each line take off it, by the line's id."""
    taken: dict[str, Decimal] = {}
    for discount in document.discounts:
        if discount.line_item_id is not None:
            before = taken.get(discount.line_item_id, zero(document.currency))
            taken[discount.line_item_id] = before + discount.amount
    return taken


@exactly
def vat_groups(document: PrintedDocument) -> Sequence[VatGroup]:
    """The groups in the order of their first lines; each line has one rate at most."""
    nothing = zero(document.currency)
    own = line_allowances(document)
    lines: dict[tuple[VatCategory, Decimal | None], list[PrintedLine]] = {}
    for line in document.lines:
        lines.setdefault(vat_of(line), []).append(line)
    groups = []
    for (category, rate), carried in lines.items():
        taxes = [tax for tax in document.taxes if tax.percentage == rate]
        discounts = sum((line.discount_amount for line in carried), nothing)
        of_lines = sum((own.get(line.id, nothing) for line in carried), nothing)
        groups.append(
            VatGroup(
                category=category,
                rate=rate,
                names=tuple(dict.fromkeys(tax.name for tax in taxes)),
                allowance=discounts - of_lines,
                basis=sum((line.amount for line in carried), nothing) - discounts,
                tax=sum((tax.amount for tax in taxes), nothing),
            )
        )
    return groups
