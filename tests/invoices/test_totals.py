"""Discounts, taxes, prepaid credit and balance on lines: cases by hand, and what always holds."""

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings

from billing_gql.invoices.crediting import Credited, creditable, tax_of_credit
from billing_gql.invoices.totals import (
    CouponTerms,
    LineTerms,
    TaxTerms,
    Totals,
    WalletTerms,
    totals,
)
from billing_gql.kernel.money import MAX_AMOUNT, currency_decimals, to_currency, zero
from billing_gql.kernel.problems import AmountOutOfRange
from billing_gql.ledger.scopes import WalletScope
from tests.invoices.any_invoice import Invoice, invoices

VAT = TaxTerms("txr_1", "VAT", Decimal("8.25"))
CITY = TaxTerms("txr_2", "City", Decimal("1.5"))
FREE = TaxTerms("txr_3", "Zero", Decimal(0))
USAGE, ALL = WalletScope.USAGE, WalletScope.ALL


def percent(value: str, name: str = "p") -> CouponTerms:
    return CouponTerms(name, Decimal(value), None)


def amount_off(value: str, name: str = "a") -> CouponTerms:
    return CouponTerms(name, None, Decimal(value))


def line(
    amount: str,
    *taxes: TaxTerms,
    usage: bool = False,
    coupons: tuple[CouponTerms, ...] = (),
) -> LineTerms:
    return LineTerms(Decimal(amount), usage, coupons, taxes)


def credit(amount: str) -> LineTerms:
    return LineTerms(Decimal(amount), is_credit=True)


def wallet(balance: str, scope: WalletScope = ALL, name: str = "w") -> WalletTerms:
    return WalletTerms(name, Decimal(balance), scope)


def shown(sums: Totals) -> str:
    """subtotal, discount, tax, prepaid, total, balance, due."""
    return " ".join(
        str(one)
        for one in (
            sums.subtotal,
            sums.total_discount,
            sums.total_tax,
            sums.total_prepaid_credits_applied,
            sums.total,
            sums.customer_balance_applied,
            sums.amount_due,
        )
    )


def test_the_example_of_the_design() -> None:
    sums = totals(
        [line("80.00", VAT, usage=True, coupons=(percent("25", "on line"),)), line("20.00", VAT)],
        "USD",
        coupons=[amount_off("10.00", "on invoice")],
        wallets=[wallet("5.00", USAGE)],
    )
    assert shown(sums) == "100.00 30.00 5.78 5.00 70.78 0.00 70.78"
    assert [(one.application_id, one.line, str(one.amount)) for one in sums.discounts] == [
        ("on line", 0, "20.00"),
        ("on invoice", None, "10.00"),
    ]
    assert [(str(one.taxable_amount), str(one.amount)) for one in sums.taxes] == [("70.00", "5.78")]
    assert [(str(one.discount_amount), str(one.tax_amount)) for one in sums.lines] == [
        ("27.50", "4.34"),
        ("2.50", "1.44"),
    ]


CASES: dict[str, tuple[Totals, str]] = {
    "one coupon after another on what is left": (
        totals([line("100.00")], "USD", coupons=[percent("50", "1"), percent("50", "2")]),
        "100.00 75.00 0.00 0.00 25.00 0.00 25.00",
    ),
    "the order of coupons counts": (
        totals([line("100.00")], "USD", coupons=[amount_off("10.00"), percent("10")]),
        "100.00 19.00 0.00 0.00 81.00 0.00 81.00",
    ),
    "an amount is capped": (
        totals([line("7.00", VAT)], "USD", coupons=[amount_off("10.00"), percent("10")]),
        "7.00 7.00 0.00 0.00 0.00 0.00 0.00",
    ),
    "a line's coupon takes of its line alone": (
        totals([line("7.00", coupons=(amount_off("10.00"),)), line("5.00")], "USD"),
        "12.00 7.00 0.00 0.00 5.00 0.00 5.00",
    ),
    "percent is rounded half away from zero": (
        totals([line("0.01")], "USD", coupons=[percent("50")]),
        "0.01 0.01 0.00 0.00 0.00 0.00 0.00",
    ),
    "yen have no decimals": (
        totals([line("999", VAT)], "JPY", coupons=[percent("33.3")]),
        "999 333 55 0 721 0 721",
    ),
    "dinars have three": (
        totals([line("1.001", VAT)], "KWD", wallets=[wallet("0.001")]),
        "1.001 0.000 0.083 0.001 1.083 0.000 1.083",
    ),
    "rates add and none compounds": (
        totals([line("100.00", VAT, CITY), line("10.00", CITY), line("1.00", FREE)], "USD"),
        "111.00 0.00 9.90 0.00 120.90 0.00 120.90",
    ),
    "each rate is rounded once": (
        totals([line("0.05", CITY)] * 7, "USD"),
        "0.35 0.00 0.01 0.00 0.36 0.00 0.36",
    ),
    "what is given back lowers the base": (
        totals([line("100.00", VAT), line("-40.00", VAT)], "USD"),
        "60.00 0.00 4.95 0.00 64.95 0.00 64.95",
    ),
    "a base never falls below zero": (
        totals([line("100.00"), line("-40.00", VAT)], "USD"),
        "60.00 0.00 0.00 0.00 60.00 0.00 60.00",
    ),
    "a coupon takes no more than a credit has left": (
        totals([line("100.00", coupons=(amount_off("80.00"),)), line("-40.00")], "USD"),
        "60.00 60.00 0.00 0.00 0.00 0.00 0.00",
    ),
    "a coupon is not on what a credit gives back": (
        totals([line("62.00"), credit("-10.50")], "USD", coupons=[percent("50")]),
        "51.50 31.00 0.00 0.00 20.50 0.00 20.50",
    ),
    "nor does it take more than the credit has left": (
        totals([line("20.00"), credit("-15.00")], "USD", coupons=[percent("50")]),
        "5.00 5.00 0.00 0.00 0.00 0.00 0.00",
    ),
    "a wallet for usage pays no fee and no tax": (
        totals(
            [line("10.00", VAT, usage=True), line("90.00", VAT)],
            "USD",
            wallets=[wallet("50.00", USAGE)],
        ),
        "100.00 0.00 8.25 10.00 98.25 0.00 98.25",
    ),
    "a wallet for all pays the tax too": (
        totals([line("10.00", VAT)], "USD", wallets=[wallet("50.00")]),
        "10.00 0.00 0.83 10.83 0.00 0.00 0.00",
    ),
    "two wallets for usage share what usage has left": (
        totals(
            [line("10.00", usage=True), line("5.00")],
            "USD",
            wallets=[wallet("6.00", USAGE, "1"), wallet("6.00", USAGE, "2"), wallet("6.00")],
        ),
        "15.00 0.00 0.00 15.00 0.00 0.00 0.00",
    ),
    "credit lowers what is due": (
        totals([line("10.00")], "USD", wallets=[wallet("4.00")], balance=Decimal("5.00")),
        "10.00 0.00 0.00 4.00 6.00 5.00 1.00",
    ),
    "no more credit is used than is due": (
        totals([line("10.00")], "USD", balance=Decimal("50.00")),
        "10.00 0.00 0.00 0.00 10.00 10.00 0.00",
    ),
    "debt raises what is due": (
        totals([line("10.00")], "USD", balance=Decimal("-5.00")),
        "10.00 0.00 0.00 0.00 10.00 -5.00 15.00",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cases_by_hand(case: str) -> None:
    sums, expected = CASES[case]
    assert shown(sums) == expected


def test_wallets_are_drawn_in_their_order() -> None:
    sums = totals(
        [line("10.00", usage=True), line("5.00")],
        "USD",
        wallets=[wallet("3.00", ALL, "1"), wallet("20.00", USAGE, "2"), wallet("9.00", ALL, "3")],
    )
    assert [(one.wallet_id, str(one.amount)) for one in sums.draws] == [
        ("1", "3.00"),
        ("2", "10.00"),
        ("3", "2.00"),
    ]


def test_tax_makes_an_invoice_too_large() -> None:
    whole = TaxTerms("txr_4", "All", Decimal(100))
    assert totals([line("499999999999999.99", whole)], "USD").total < MAX_AMOUNT
    with pytest.raises(AmountOutOfRange, match="stay below"):
        totals([line("500000000000000.00", whole)], "USD")


def rounded(exact: Fraction, decimals: int) -> Decimal:
    """Half away from zero, by integers alone; `exact` is not below zero."""
    scaled = exact * 10**decimals
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(units).scaleb(-decimals)


def taken(coupon: CouponTerms, room: Decimal, decimals: int) -> Decimal:
    """What the coupon must take where so much is left."""
    if coupon.percent_off is None:
        return min(coupon.amount_off or Decimal(0), room)
    return rounded(Fraction(room) * Fraction(coupon.percent_off) / 100, decimals)


def check_discounts(invoice: Invoice, sums: Totals) -> None:
    """Each coupon, in order, takes what it must of what those before it left."""
    currency, lines, coupons, _, _ = invoice
    decimals = currency_decimals(currency)
    left = sum((one.amount for one in lines), Decimal(0))
    priced = sum((one.amount for one in lines if not one.is_credit), Decimal(0))
    discounts = iter(sums.discounts)
    for index, one in enumerate(lines):
        rest = max(one.amount, Decimal(0))
        for coupon in one.coupons:
            found = next(discounts)
            off = taken(coupon, min(rest, left), decimals)
            assert (found.application_id, found.line) == (coupon.application_id, index)
            assert found.amount == off
            rest, left = rest - off, left - off
            priced -= Decimal(0) if one.is_credit else off
    for coupon in coupons:
        found = next(discounts)
        assert (found.application_id, found.line) == (coupon.application_id, None)
        assert found.amount == min(taken(coupon, max(priced, Decimal(0)), decimals), left)
        left, priced = left - found.amount, priced - found.amount
    assert list(discounts) == []
    assert left == sums.subtotal - sums.total_discount >= 0
    for one, amounts in zip(lines, sums.lines, strict=True):
        assert amounts.amount == one.amount
        assert 0 <= amounts.discount_amount <= max(one.amount, Decimal(0))


def check_taxes(invoice: Invoice, sums: Totals) -> None:
    """Each rate once on the discounted lines that carry it; the shares sum to it."""
    currency, lines, _, _, _ = invoice
    rates = {tax.tax_rate_id for one in lines for tax in one.taxes}
    assert [one.terms.tax_rate_id for one in sums.taxes] == list(
        dict.fromkeys(tax.tax_rate_id for one in lines for tax in one.taxes)
    )
    assert len(rates) == len(sums.taxes)
    for tax in sums.taxes:
        base = sum(
            (
                amounts.amount - amounts.discount_amount
                for one, amounts in zip(lines, sums.lines, strict=True)
                if tax.terms in one.taxes
            ),
            Decimal(0),
        )
        assert tax.taxable_amount == max(base, Decimal(0))
        exact = Fraction(tax.taxable_amount) * Fraction(tax.terms.percentage) / 100
        assert tax.amount == rounded(exact, currency_decimals(currency))
    for one, amounts in zip(lines, sums.lines, strict=True):
        assert amounts.tax_amount >= 0
        if not one.taxes or amounts.amount - amounts.discount_amount <= 0:
            assert amounts.tax_amount == 0


def check_draws(invoice: Invoice, sums: Totals) -> None:
    """No wallet pays twice or more than it may, and none keeps what it could have paid."""
    _, lines, _, wallets, balance = invoice
    draws = {one.wallet_id: one.amount for one in sums.draws}
    assert len(draws) == len(sums.draws)
    order = [one.wallet_id for one in wallets]
    assert [order.index(one) for one in draws] == sorted(order.index(one) for one in draws)
    usage = sum(
        (
            max(amounts.amount - amounts.discount_amount, Decimal(0))
            for one, amounts in zip(lines, sums.lines, strict=True)
            if one.is_usage
        ),
        Decimal(0),
    )
    of_usage = sum((draws.get(one.wallet_id, 0) for one in wallets if one.scope is USAGE), 0)
    assert of_usage <= usage
    for one in wallets:
        drawn = draws.get(one.wallet_id, Decimal(0))
        assert 0 <= drawn <= one.balance
        paid = sums.total == 0 or (one.scope is USAGE and of_usage == usage)
        assert drawn == one.balance or paid
    if balance < 0:
        assert sums.customer_balance_applied == balance
    else:
        assert sums.customer_balance_applied == min(balance, sums.total)


def check_credit_notes(currency: str, sums: Totals) -> None:
    """Two notes that credit everything, of each line a third and then the rest, net to zero.

    Where lines below zero leave nothing of a line, its tax cannot be given back.
    """
    most = creditable(sums.lines, currency)
    amount = tax = Decimal(0)
    for line, of in zip(sums.lines, most, strict=True):
        before = Credited(zero(currency), zero(currency))
        for step in (to_currency(of / 3, currency), of):
            part = step - before.amount
            if part > 0:
                back = tax_of_credit(line.tax_amount, of, before, part, currency)
                assert back >= 0
                before = Credited(before.amount + part, before.tax_amount + back)
        amount += before.amount
        tax += before.tax_amount
    pairs = list(zip(sums.lines, most, strict=True))
    gone = added([line.tax_amount for line, of in pairs if of == 0])
    assert (amount, tax) == (sums.subtotal - sums.total_discount, sums.total_tax - gone)
    if all(line.amount - line.discount_amount >= 0 for line in sums.lines):
        assert gone == 0


def added(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


@settings(deadline=None, max_examples=2000)
@given(invoices())
def test_the_sums_of_any_invoice_hold(invoice: Invoice) -> None:
    currency, lines, coupons, wallets, balance = invoice
    sums = totals(lines, currency, coupons=coupons, wallets=wallets, balance=balance)
    assert sums.subtotal == added([one.amount for one in lines])
    assert sums.total_discount == added([one.amount for one in sums.discounts])
    assert sums.total_discount == added([one.discount_amount for one in sums.lines])
    assert sums.total_tax == added([one.amount for one in sums.taxes])
    assert sums.total_tax == added([one.tax_amount for one in sums.lines])
    assert sums.total_prepaid_credits_applied == added([one.amount for one in sums.draws])
    assert sums.total == (
        sums.subtotal - sums.total_discount + sums.total_tax - sums.total_prepaid_credits_applied
    )
    assert added([one.total for one in sums.lines]) == (
        sums.total + sums.total_prepaid_credits_applied
    )
    assert sums.amount_due == sums.total - sums.customer_balance_applied
    assert min(sums.total, sums.amount_due, sums.total_discount, sums.total_tax) >= 0
    check_discounts(invoice, sums)
    check_taxes(invoice, sums)
    check_draws(invoice, sums)
    check_credit_notes(currency, sums)
    decimals = -currency_decimals(currency)
    shown: list[Any] = [sums, *sums.lines, *sums.taxes, *sums.draws, *sums.discounts]
    for one in shown:
        for value in (getattr(one, field.name) for field in fields(one)):
            if isinstance(value, Decimal):
                assert value.as_tuple().exponent == decimals
