"""What a printed document says, as plain values: what a PDF, a page or an XML is made from. Pure.

Only what is frozen with the invoice is in it, and whether it is void: the same document says the
same for ever. What was paid or credited later is in the invoice's `standing`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from billing_gql.kernel.address import Address


class DocumentKind(StrEnum):
    """What is printed; the value is the folder in its link."""

    INVOICE = "invoices"
    CREDIT_NOTE = "credit-notes"


class DocumentForm(StrEnum):
    """How a document is given; the value is the ending of its link."""

    PDF = "pdf"
    XML = "xml"
    """The e-invoice alone, which the PDF of the same document has inside."""


@dataclass(frozen=True, slots=True)
class PrintedParty:
    """The seller or the buyer, as it was when the invoice was finalized."""

    name: str
    email: str | None
    tax_identifier: str | None
    address: Address | None


@dataclass(frozen=True, slots=True)
class PrintedStep:
    """A step of a line's working: `quantity x unit_amount + flat_amount`, exact."""

    description: str
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PrintedGroup:
    """The part of a usage line's amount that falls on events with these values."""

    values: tuple[str | None, ...]
    usage: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class PrintedBreakdown:
    """A usage line split over groups, largest cost first; those left out are summed up."""

    keys: tuple[str, ...]
    groups: tuple[PrintedGroup, ...]
    others: int
    others_cost: Decimal


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line; of a credit note, what is given back of it. Amounts are in the currency."""

    id: str
    name: str
    description: str | None
    quantity: Decimal | None
    """None on a credit note, which gives back amounts."""
    unit_amount: Decimal | None
    """None where no single unit price holds."""
    amount: Decimal
    discount_amount: Decimal
    tax_amount: Decimal
    tax_percentages: tuple[Decimal, ...]
    """Of the rates that are on it, in the order of `PrintedDocument.taxes`."""
    first_day: date | None
    last_day: date | None
    """Of the service period, both inclusive, in the invoice's zone."""
    steps: tuple[PrintedStep, ...] = ()
    breakdown: PrintedBreakdown | None = None


@dataclass(frozen=True, slots=True)
class PrintedDiscount:
    """What a coupon takes off: off one line, or off the invoice."""

    name: str
    percent_off: Decimal | None
    amount: Decimal
    line_item_id: str | None
    line_name: str | None


@dataclass(frozen=True, slots=True)
class PrintedTax:
    """The tax of one rate, and the sum that it is on."""

    name: str
    percentage: Decimal
    taxable_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PrintedReference:
    """The invoice that a credit note gives back of."""

    number: str
    issue_date: date
    reason: str
    settlement: str


@dataclass(frozen=True, slots=True)
class PrintedDocument:
    """An invoice or a credit note. Every amount is in `currency`, with its decimals."""

    kind: DocumentKind
    id: str
    number: str
    language: str
    """BCP 47; `languages.language_of` says what it is printed in."""
    currency: str
    issued_at: datetime
    issue_date: date
    due_date: date | None
    first_day: date | None
    last_day: date | None
    seller: PrintedParty
    buyer: PrintedParty
    lines: tuple[PrintedLine, ...]
    discounts: tuple[PrintedDiscount, ...]
    taxes: tuple[PrintedTax, ...]
    subtotal: Decimal
    total_discount: Decimal
    total_tax: Decimal
    prepaid_credits: Decimal
    total: Decimal
    balance_applied: Decimal
    """Of the customer's balance: used, or below zero added as debt."""
    amount_due: Decimal
    """When it was issued: total - balance_applied."""
    memo: str | None
    payment_instructions: str | None
    is_void: bool
    credits: PrintedReference | None = None
    """On a credit note."""
