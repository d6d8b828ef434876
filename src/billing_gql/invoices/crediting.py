"""How much of each line may be given back, and the tax that goes with it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.invoices.totals import LineAmounts
from billing_gql.kernel.money import currency_decimals, exactly, split, to_currency, zero


@dataclass(frozen=True, slots=True)
class Credited:
    """What credit notes have given back of a line so far."""

    amount: Decimal
    """Before tax."""
    tax_amount: Decimal


@exactly
def creditable(lines: Sequence[LineAmounts], currency: str) -> list[Decimal]:
    """What notes may give back of each line before tax, in all: its amount less its discount.

    What a negative line takes off the invoice was never paid: it lowers the others in proportion,
    so that all of them together come to what the invoice bills, subtotal less discount.
    """
    left = [line.amount - line.discount_amount for line in lines]
    billed = [max(one, zero(currency)) for one in left]
    taken = sum(billed, zero(currency)) - sum(left, zero(currency))
    if taken == 0:
        return billed
    parts = split(taken, billed, currency_decimals(currency))
    return [one - part for one, part in zip(billed, parts, strict=True)]


@exactly
def tax_of_credit(
    tax_amount: Decimal, of: Decimal, before: Credited, amount: Decimal, currency: str
) -> Decimal:
    """The tax that goes back with `amount` of a line of which `of` is creditable.

    The tax given back so far is always the line's tax in proportion, rounded once; a note takes it
    from where the notes before have left it. So nothing is lost in whatever steps a line is
    credited, and with the last of the line goes the last of its tax.
    """
    after = to_currency(tax_amount * (before.amount + amount) / of, currency)
    return after - before.tax_amount
