"""What may be done with an invoice, as one table that the code and the documents read. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class InvoiceStatus(StrEnum):
    """DRAFT may change; FINALIZED is owed; VOIDED counts for nothing and keeps its number.

    UNCOLLECTIBLE is owed too, though nobody expects the money any more.
    """

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    VOIDED = "VOIDED"
    UNCOLLECTIBLE = "UNCOLLECTIBLE"


OWED = (InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE)
"""The statuses in which an invoice is to be paid."""


class PaymentStatus(StrEnum):
    """Derived from facts, never set."""

    PENDING = "PENDING"
    PAID = "PAID"
    UNPAID = "UNPAID"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    OVERPAID = "OVERPAID"
    FAILED = "FAILED"


class PaymentState(StrEnum):
    """How a payment stands: PROCESSING until its provider has said how it ended."""

    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


class InvoiceType(StrEnum):
    """What made the invoice."""

    SUBSCRIPTION = "SUBSCRIPTION"
    ONE_TIME = "ONE_TIME"
    CREDIT = "CREDIT"
    PRORATION = "PRORATION"


class BillingReason(StrEnum):
    """Why the invoice was made."""

    SUBSCRIPTION_CREATE = "SUBSCRIPTION_CREATE"
    SUBSCRIPTION_CYCLE = "SUBSCRIPTION_CYCLE"
    SUBSCRIPTION_UPDATE = "SUBSCRIPTION_UPDATE"
    SUBSCRIPTION_END = "SUBSCRIPTION_END"
    MANUAL = "MANUAL"
    WALLET_TOP_UP = "WALLET_TOP_UP"


class InvoiceAction(StrEnum):
    """The verbs that the table rules."""

    UPDATE = "UPDATE"
    ADD_LINE_ITEM = "ADD_LINE_ITEM"
    REFRESH = "REFRESH"
    FINALIZE = "FINALIZE"
    VOID = "VOID"
    MARK_UNCOLLECTIBLE = "MARK_UNCOLLECTIBLE"
    RECORD_PAYMENT = "RECORD_PAYMENT"
    RETRY_PAYMENT = "RETRY_PAYMENT"
    CREDIT = "CREDIT"
    DOWNLOAD = "DOWNLOAD"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Standing:
    """The facts of an invoice on which the table and the payment status rest."""

    status: InvoiceStatus
    amount_due: Decimal
    amount_paid: Decimal
    total_credited: Decimal
    overdue_at: datetime | None
    creditable: Decimal = Decimal(0)
    """What its lines come to after discounts, before tax."""
    credited: Decimal = Decimal(0)
    """What credit notes give back of that, however they are settled."""
    last_attempt: PaymentState | None = None
    """Of the last payment that was tried by the customer's method; None before the first."""
    has_payment_method: bool = False
    """The customer has one now."""
    buys_credit: bool = False
    """It is for prepaid credit, which its wallet gets once nothing remains."""

    @property
    def amount_remaining(self) -> Decimal:
        """What is still to be paid: never negative, nothing once voided."""
        nothing = self.amount_due - self.amount_due  # with the currency's decimals
        if self.status is InvoiceStatus.VOIDED:
            return nothing
        return max(self.amount_due - self.amount_paid, nothing)

    @property
    def has_given_credit(self) -> bool:
        """The prepaid credit that it is for is in the wallet, and may be spent."""
        return self.buys_credit and self.status in OWED and self.amount_remaining == 0


Condition = Callable[[Standing], bool]


def _always(_: Standing) -> bool:
    return True


def _nothing_paid_credited_or_under_way(standing: Standing) -> bool:
    return (
        standing.amount_paid == 0
        and standing.total_credited == 0
        and standing.credited == 0
        and standing.last_attempt is not PaymentState.PROCESSING
        and not standing.has_given_credit
    )


def _something_remains(standing: Standing) -> bool:
    return standing.amount_remaining > 0


def _something_remains_a_method_is_set_none_under_way(standing: Standing) -> bool:
    return (
        standing.amount_remaining > 0
        and standing.has_payment_method
        and standing.last_attempt is not PaymentState.PROCESSING
    )


def _something_is_creditable(standing: Standing) -> bool:
    return standing.creditable > standing.credited and not standing.has_given_credit


TRANSITIONS: Mapping[InvoiceAction, Mapping[InvoiceStatus, Condition]] = {
    InvoiceAction.UPDATE: {
        InvoiceStatus.DRAFT: _always,
        InvoiceStatus.FINALIZED: _always,
        InvoiceStatus.UNCOLLECTIBLE: _always,
    },
    InvoiceAction.ADD_LINE_ITEM: {InvoiceStatus.DRAFT: _always},
    InvoiceAction.REFRESH: {InvoiceStatus.DRAFT: _always},
    InvoiceAction.FINALIZE: {InvoiceStatus.DRAFT: _always},
    InvoiceAction.VOID: {
        InvoiceStatus.FINALIZED: _nothing_paid_credited_or_under_way,
        InvoiceStatus.UNCOLLECTIBLE: _nothing_paid_credited_or_under_way,
    },
    InvoiceAction.MARK_UNCOLLECTIBLE: {InvoiceStatus.FINALIZED: _something_remains},
    InvoiceAction.RECORD_PAYMENT: {
        InvoiceStatus.FINALIZED: _always,
        InvoiceStatus.UNCOLLECTIBLE: _always,
    },
    InvoiceAction.RETRY_PAYMENT: {
        InvoiceStatus.FINALIZED: _something_remains_a_method_is_set_none_under_way,
        InvoiceStatus.UNCOLLECTIBLE: _something_remains_a_method_is_set_none_under_way,
    },
    InvoiceAction.CREDIT: {
        InvoiceStatus.FINALIZED: _something_is_creditable,
        InvoiceStatus.UNCOLLECTIBLE: _something_is_creditable,
    },
    InvoiceAction.DOWNLOAD: {
        InvoiceStatus.FINALIZED: _always,
        InvoiceStatus.VOIDED: _always,
        InvoiceStatus.UNCOLLECTIBLE: _always,
    },
    InvoiceAction.DELETE: {InvoiceStatus.DRAFT: _always},
}
"""Where an action has no condition for a status, that status does not allow it.

UPDATE of a FINALIZED or UNCOLLECTIBLE invoice reaches its metadata only.
"""


def available_actions(standing: Standing) -> list[InvoiceAction]:
    """What may be done now, in the table's order."""
    return [
        action
        for action, conditions in TRANSITIONS.items()
        if (condition := conditions.get(standing.status)) is not None and condition(standing)
    ]


def is_overdue(standing: Standing, now: datetime) -> bool:
    """Something remains after the due date has passed in the customer's zone."""
    return (
        standing.status in OWED
        and standing.amount_remaining > 0
        and standing.overdue_at is not None
        and standing.overdue_at <= now
    )


def payment_status(standing: Standing, now: datetime) -> PaymentStatus:
    """The first that holds; `queries` has the same order in SQL."""
    if standing.amount_paid > standing.amount_due:
        return PaymentStatus.OVERPAID
    if standing.status in OWED and standing.amount_remaining == 0:
        return PaymentStatus.PAID
    if standing.amount_paid > 0:
        return PaymentStatus.PARTIALLY_PAID
    if standing.last_attempt is PaymentState.FAILED:
        return PaymentStatus.FAILED
    if is_overdue(standing, now):
        return PaymentStatus.UNPAID
    return PaymentStatus.PENDING
