"""From lines to the sums of an invoice. Pure; the same for a draft, a preview and the final one.

The order is: lines, discounts on what is left, tax on the discounted lines, prepaid wallets, then
the customer's balance. Each step sees what those before it have left. What is taken off or put on
the whole is split over the lines by largest remainder, so that lines always add up to the invoice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.kernel.money import (
    MAX_AMOUNT,
    currency_decimals,
    exactly,
    split,
    to_currency,
    zero,
)
from billing_gql.kernel.problems import AmountOutOfRange
from billing_gql.ledger.scopes import WalletScope


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """A coupon where it is applied: either percent off what is left, or an amount."""

    application_id: str
    percent_off: Decimal | None
    amount_off: Decimal | None


@dataclass(frozen=True, slots=True)
class TaxTerms:
    """A rate of tax, in percent."""

    tax_rate_id: str
    name: str
    percentage: Decimal


@dataclass(frozen=True, slots=True)
class LineTerms:
    """A line as the sums need it."""

    amount: Decimal
    is_usage: bool = False
    coupons: tuple[CouponTerms, ...] = ()
    taxes: tuple[TaxTerms, ...] = ()
    is_credit: bool = False
    """It gives a fee back as it was discounted, so no coupon of the invoice is on it."""


@dataclass(frozen=True, slots=True)
class WalletTerms:
    """A prepaid wallet with what is in it."""

    wallet_id: str
    balance: Decimal
    scope: WalletScope


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
class Discount:
    """What a coupon takes off; `line` is its line's index, None for the whole invoice."""

    application_id: str
    line: int | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Tax:
    """Tax of one rate: its base, and the amount rounded once, as EN 16931 sums it."""

    terms: TaxTerms
    taxable_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Draw:
    """What a wallet pays."""

    wallet_id: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of an invoice, all with the currency's decimals; `lines` in the order given."""

    lines: tuple[LineAmounts, ...]
    discounts: tuple[Discount, ...]
    taxes: tuple[Tax, ...]
    draws: tuple[Draw, ...]
    subtotal: Decimal
    total_discount: Decimal
    total_tax: Decimal
    total_prepaid_credits_applied: Decimal
    total: Decimal
    customer_balance_applied: Decimal
    amount_due: Decimal


@exactly
def totals(
    lines: Sequence[LineTerms],
    currency: str,
    *,
    coupons: Sequence[CouponTerms] = (),
    wallets: Sequence[WalletTerms] = (),
    balance: Decimal = Decimal(0),
) -> Totals:
    """Adds up rounded line amounts, whose sum must not be negative.

    `coupons` are those of the whole invoice in order of application, `wallets` in the order in
    which they are drawn, `balance` the customer's: credit above 0, debt below. Raises
    AmountOutOfRange where the sum grows too large.
    """
    nothing = zero(currency)
    subtotal = sum((line.amount for line in lines), nothing)
    _refuse_too_large(subtotal, currency)
    left, discounts = _discount(lines, coupons, currency)
    taxes, line_taxes = _tax(lines, left, currency)
    total_discount = sum((one.amount for one in discounts), nothing)
    total_tax = sum((one.amount for one in taxes), nothing)
    taxed = subtotal - total_discount + total_tax
    _refuse_too_large(taxed, currency)
    usage = sum(
        (rest for line, rest in zip(lines, left, strict=True) if line.is_usage and rest > 0),
        nothing,
    )
    draws = _draw(wallets, taxed, min(usage, taxed))
    prepaid = sum((one.amount for one in draws), nothing)
    total = taxed - prepaid
    applied = min(balance, total) + nothing
    return Totals(
        lines=tuple(
            LineAmounts(line.amount, line.amount - rest, tax)
            for line, rest, tax in zip(lines, left, line_taxes, strict=True)
        ),
        discounts=tuple(discounts),
        taxes=tuple(taxes),
        draws=tuple(draws),
        subtotal=subtotal,
        total_discount=total_discount,
        total_tax=total_tax,
        total_prepaid_credits_applied=prepaid,
        total=total,
        customer_balance_applied=applied,
        amount_due=total - applied,
    )


def _refuse_too_large(amount: Decimal, currency: str) -> None:
    if amount >= MAX_AMOUNT:
        raise AmountOutOfRange(f"An invoice must stay below {MAX_AMOUNT:f} {currency}.")


def _discount(
    lines: Sequence[LineTerms], coupons: Sequence[CouponTerms], currency: str
) -> tuple[list[Decimal], list[Discount]]:
    """What is left of each line, and what each coupon took: those of lines first."""
    left = [line.amount for line in lines]
    discounts: list[Discount] = []
    for index, line in enumerate(lines):
        for coupon in line.coupons:
            room = min(max(left[index], zero(currency)), sum(left, zero(currency)))
            off = _off(coupon, room, currency)
            left[index] -= off
            discounts.append(Discount(coupon.application_id, index, off))
    for coupon in coupons:
        priced = [
            Decimal(0) if line.is_credit else rest for line, rest in zip(lines, left, strict=True)
        ]
        base = max(sum(priced, zero(currency)), zero(currency))
        off = min(_off(coupon, base, currency), sum(left, zero(currency)))
        discounts.append(Discount(coupon.application_id, None, off))
        if off == 0:
            continue
        # A line that gives something back takes no part: its discount would be negative.
        weights = [max(rest, Decimal(0)) for rest in priced]
        parts = split(off, weights, currency_decimals(currency))
        left = [rest - part for rest, part in zip(left, parts, strict=True)]
    return left, discounts


def _off(coupon: CouponTerms, room: Decimal, currency: str) -> Decimal:
    if coupon.percent_off is not None:
        return min(to_currency(room * coupon.percent_off / 100, currency), room)
    return min(coupon.amount_off or zero(currency), room)


def _tax(
    lines: Sequence[LineTerms], left: Sequence[Decimal], currency: str
) -> tuple[list[Tax], list[Decimal]]:
    """Each rate once on the sum of its lines, and each line's part of all of them."""
    rates = {tax.tax_rate_id: tax for line in lines for tax in line.taxes}
    line_taxes = [zero(currency) for _ in lines]
    taxes = []
    for terms in rates.values():
        carried = [
            rest if terms in line.taxes else None for line, rest in zip(lines, left, strict=True)
        ]
        # What is given back beyond what is billed under this rate is not taxed.
        base = max(sum((rest for rest in carried if rest is not None), zero(currency)), Decimal(0))
        amount = to_currency(base * terms.percentage / 100, currency)
        taxes.append(Tax(terms, base + zero(currency), amount))
        if amount == 0:
            continue
        weights = [max(rest or Decimal(0), Decimal(0)) for rest in carried]
        parts = split(amount, weights, currency_decimals(currency))
        line_taxes = [tax + part for tax, part in zip(line_taxes, parts, strict=True)]
    return taxes, line_taxes


def _draw(wallets: Sequence[WalletTerms], total: Decimal, usage: Decimal) -> list[Draw]:
    """What each wallet pays of the total; one of scope USAGE at most what usage has left."""
    draws = []
    for wallet in wallets:
        room = total if wallet.scope is WalletScope.ALL else min(usage, total)
        amount = min(wallet.balance, room)
        if amount <= 0:
            continue
        draws.append(Draw(wallet.wallet_id, amount))
        total -= amount
        usage = min(usage, total) if wallet.scope is WalletScope.ALL else usage - amount
    return draws
