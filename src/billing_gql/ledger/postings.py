"""What a movement of money posts to which accounts. Pure: every set of postings sums to zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing_gql.kernel.money import exactly


class AccountKind(StrEnum):
    """A customer has one account of each kind and currency, and one WALLET account a wallet.

    BALANCE and WALLET hold what the customer has; the others are where it came from or went to.
    """

    BALANCE = "BALANCE"
    WALLET = "WALLET"
    INVOICES = "INVOICES"
    PAYMENTS = "PAYMENTS"
    CREDIT_NOTES = "CREDIT_NOTES"
    ADJUSTMENTS = "ADJUSTMENTS"
    EXPIRED = "EXPIRED"


class BalanceTransactionReason(StrEnum):
    """Why a customer's balance moved."""

    MANUAL_ADJUSTMENT = "MANUAL_ADJUSTMENT"
    APPLIED_TO_INVOICE = "APPLIED_TO_INVOICE"
    RETURNED_BY_VOID = "RETURNED_BY_VOID"
    CREDIT_NOTE = "CREDIT_NOTE"
    OVERPAYMENT = "OVERPAYMENT"
    EXPIRED_WALLET = "EXPIRED_WALLET"


class WalletTransactionType(StrEnum):
    """Why a wallet moved."""

    TOP_UP = "TOP_UP"
    DRAW = "DRAW"
    RETURN = "RETURN"
    EXPIRY = "EXPIRY"


Reason = BalanceTransactionReason | WalletTransactionType

AGAINST: dict[Reason, AccountKind] = {
    BalanceTransactionReason.MANUAL_ADJUSTMENT: AccountKind.ADJUSTMENTS,
    BalanceTransactionReason.APPLIED_TO_INVOICE: AccountKind.INVOICES,
    BalanceTransactionReason.RETURNED_BY_VOID: AccountKind.INVOICES,
    BalanceTransactionReason.CREDIT_NOTE: AccountKind.CREDIT_NOTES,
    BalanceTransactionReason.OVERPAYMENT: AccountKind.PAYMENTS,
    BalanceTransactionReason.EXPIRED_WALLET: AccountKind.PAYMENTS,
    WalletTransactionType.TOP_UP: AccountKind.PAYMENTS,
    WalletTransactionType.DRAW: AccountKind.INVOICES,
    WalletTransactionType.RETURN: AccountKind.INVOICES,
    WalletTransactionType.EXPIRY: AccountKind.EXPIRED,
}
"""The account that gives what the balance or the wallet gets."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A change of one account; `wallet_id` for a WALLET account."""

    account: AccountKind
    amount: Decimal
    wallet_id: str | None = None


@exactly
def postings(reason: Reason, amount: Decimal, wallet_id: str | None = None) -> Sequence[Posting]:
    """What a movement of `amount`, above or below 0, of a balance or a wallet posts."""
    if amount == 0:
        raise ValueError("a movement of nothing is none")
    if isinstance(reason, WalletTransactionType) != (wallet_id is not None):
        raise ValueError(f"{reason.value} is not of this kind of account")
    own = AccountKind.BALANCE if wallet_id is None else AccountKind.WALLET
    return (Posting(own, amount, wallet_id), Posting(AGAINST[reason], -amount))
