"""What an event of the outbox is about."""

from enum import StrEnum


class Subject(StrEnum):
    """Events of a wallet are numbered by the wallet, all others by their invoice."""

    INVOICE = "INVOICE"
    PAYMENT = "PAYMENT"
    REFUND = "REFUND"
    CREDIT_NOTE = "CREDIT_NOTE"
    WALLET = "WALLET"
