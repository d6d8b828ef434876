"""What the hosted page shows: the printed document, and beside it what happened since. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing_gql.documents.printed import PrintedDocument


@dataclass(frozen=True, slots=True)
class ReceivedPayment:
    """Money that came in. Attempts that failed are nobody's business but the seller's."""

    received_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class GivenCredit:
    """A credit note of the invoice, with the address of its PDF."""

    number: str
    issue_date: date
    total: Decimal
    settlement: str
    pdf: str


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """How payment of an invoice stands on `today`, in the document's currency."""

    today: date
    """In the invoice's zone."""
    amount_due: Decimal
    """After what credit notes took off."""
    amount_paid: Decimal
    amount_remaining: Decimal
    total_credited: Decimal
    is_overdue: bool
    is_under_way: bool
    """A payment by the customer's method has not ended yet."""
    paid_on: date | None


@dataclass(frozen=True, slots=True)
class HostedDocument:
    """A page's content."""

    document: PrintedDocument
    pdf: str
    """The address of its PDF."""
    standing: PaymentFacts | None = None
    """None on a credit note, which nobody pays."""
    payments: tuple[ReceivedPayment, ...] = ()
    credit_notes: tuple[GivenCredit, ...] = ()
