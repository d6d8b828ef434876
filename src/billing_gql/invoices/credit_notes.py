"""Tables of credit notes, with what the database refuses."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from billing_gql.kernel.ids import Kind, new_id
from billing_gql.store.columns import Exact, Id, Instant, Row, choice


class CreditNoteReason(StrEnum):
    """Why something is given back."""

    DUPLICATE = "DUPLICATE"
    PRODUCT_UNSATISFACTORY = "PRODUCT_UNSATISFACTORY"
    ORDER_CHANGE = "ORDER_CHANGE"
    ORDER_CANCELLATION = "ORDER_CANCELLATION"
    FRAUDULENT = "FRAUDULENT"
    OTHER = "OTHER"


class CreditNoteSettlement(StrEnum):
    """Where it goes: off the invoice's due, to the customer's balance, or out of what was paid."""

    OFFSET = "OFFSET"
    BALANCE = "BALANCE"
    REFUND = "REFUND"


class CreditNote(Row, table=True):
    """What is given back of an invoice, in its currency. Never changed or deleted.

    The trigger `credit_note_adds_up` refuses a commit in which a note is not the sum of its lines,
    or in which `credited`, `total_credited` and `refunded` of its invoice are not those of its
    notes.
    """

    __tablename__ = "credit_notes"
    __table_args__ = (
        CheckConstraint(
            "total = subtotal + total_tax AND subtotal > 0 AND total_tax >= 0",
            name="ck_credit_notes_total",
        ),
        Index("uq_credit_notes_number", "organization_id", "number", unique=True),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.CREDIT_NOTE), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    invoice_id: str = Field(foreign_key="invoices.id", index=True, sa_type=Id)
    number: str
    reason: CreditNoteReason = Field(sa_type=choice(CreditNoteReason))
    settlement: CreditNoteSettlement = Field(sa_type=choice(CreditNoteSettlement))
    currency: str
    subtotal: Decimal = Field(sa_type=Exact)
    total_tax: Decimal = Field(sa_type=Exact)
    total: Decimal = Field(sa_type=Exact)
    created_at: datetime = Field(sa_type=Instant)


class CreditNoteLineItem(Row, table=True):
    """What a note gives back of one line of its invoice. Never changed or deleted.

    The trigger `credit_line_item` refuses more than is left of the line, in amount or in tax.
    """

    __tablename__ = "credit_note_line_items"
    __table_args__ = (
        CheckConstraint("amount > 0 AND tax_amount >= 0", name="ck_credit_note_line_items_signs"),
    )

    credit_note_id: str = Field(foreign_key="credit_notes.id", primary_key=True, sa_type=Id)
    line_item_id: str = Field(foreign_key="line_items.id", primary_key=True, index=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    position: int
    currency: str
    amount: Decimal = Field(sa_type=Exact)
    """Before tax."""
    tax_amount: Decimal = Field(sa_type=Exact)
