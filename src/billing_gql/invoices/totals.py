"""From lines to the sums of an invoice. Pure; the same for a draft, a preview and the final one.

The order is: lines, discounts, tax on what is left, prepaid credits, then the customer's balance.
Nothing gives discounts, taxes, credits or balances yet, so those steps see none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.kernel.money import MAX_AMOUNT, exactly, zero
from billing_gql.kernel.problems import AmountOutOfRange


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """A line's amount before and what is taken off and put on it."""

    amount: Decimal
    discount_amount: Decimal
    tax_amount: Decimal

    @property
    def total(self) -> Decimal:
        """What the line makes of the invoice's total."""
        return self.amount - self.discount_amount + self.tax_amount


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of an invoice, all with the currency's decimals; `lines` in the order given."""

    lines: tuple[LineAmounts, ...]
    subtotal: Decimal
    total_discount: Decimal
    total_tax: Decimal
    total_prepaid_credits_applied: Decimal
    total: Decimal
    customer_balance_applied: Decimal
    amount_due: Decimal


@exactly
def totals(amounts: Sequence[Decimal], currency: str) -> Totals:
    """Adds up rounded line amounts; raises AmountOutOfRange where the sum grows too large."""
    nothing = zero(currency)
    subtotal = sum(amounts, nothing)
    if subtotal >= MAX_AMOUNT:
        raise AmountOutOfRange(f"An invoice must stay below {MAX_AMOUNT:f} {currency}.")
    return Totals(
        lines=tuple(LineAmounts(amount, nothing, nothing) for amount in amounts),
        subtotal=subtotal,
        total_discount=nothing,
        total_tax=nothing,
        total_prepaid_credits_applied=nothing,
        total=subtotal,
        customer_balance_applied=nothing,
        amount_due=subtotal,
    )
