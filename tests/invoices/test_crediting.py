"""What may be given back of lines, and the tax with it, in whatever steps."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.invoices.crediting import Credited, creditable, tax_of_credit
from billing_gql.invoices.totals import LineAmounts, LineTerms, TaxTerms, totals
from billing_gql.kernel.money import currency_decimals, to_currency, zero

CURRENCIES = st.sampled_from(["JPY", "USD", "KWD"])


def lines(*amounts: tuple[str, str, str]) -> list[LineAmounts]:
    return [LineAmounts(*(Decimal(one) for one in line)) for line in amounts]


@pytest.mark.parametrize(
    ("currency", "given_lines", "wanted"),
    [
        ("USD", [("100.00", "0.00", "8.25")], ["100.00"]),
        ("USD", [("80.00", "20.00", "0"), ("20.00", "20.00", "0")], ["60.00", "0.00"]),
        ("USD", [("62.00", "0.00", "0"), ("-16.00", "0.00", "0")], ["46.00", "0.00"]),
        (
            "USD",
            [("10.00", "0.00", "0"), ("10.00", "0.00", "0"), ("-0.01", "0.00", "0")],
            ["9.99", "10.00", "0.00"],
        ),
        ("JPY", [("100", "50", "0"), ("50", "0", "0"), ("-100", "0", "0")], ["0", "0", "0"]),
        ("KWD", [("0.001", "0.000", "0"), ("0.000", "0.000", "0")], ["0.001", "0.000"]),
        ("USD", [], []),
    ],
)
def test_what_may_be_given_back(
    currency: str, given_lines: list[tuple[str, str, str]], wanted: list[str]
) -> None:
    assert [str(one) for one in creditable(lines(*given_lines), currency)] == wanted


def test_tax_goes_back_in_proportion_and_the_rest_with_the_last() -> None:
    before, taxes = Credited(Decimal("0.00"), Decimal("0.00")), []
    for _ in range(3):
        tax = tax_of_credit(Decimal("1.00"), Decimal("3.00"), before, Decimal("1.00"), "USD")
        before = Credited(before.amount + Decimal("1.00"), before.tax_amount + tax)
        taxes.append(str(tax))
    assert taxes == ["0.33", "0.34", "0.33"]


@settings(deadline=None, max_examples=300)
@given(data=st.data(), currency=CURRENCIES)
def test_any_steps_give_back_exactly_what_the_invoice_billed(
    data: st.DataObject, currency: str
) -> None:
    unit = Decimal(1).scaleb(-currency_decimals(currency))
    amounts = data.draw(st.lists(st.integers(-(10**6), 10**15 // 100), min_size=1, max_size=6))
    if sum(amounts) < 0:
        amounts = [abs(one) for one in amounts]
    rate = TaxTerms("t", "VAT", data.draw(st.decimals(0, 100, places=3)))
    sums = totals([LineTerms(one * unit, taxes=(rate,)) for one in amounts], currency)
    most = creditable(sums.lines, currency)
    assert sum(most, zero(currency)) == sums.subtotal - sums.total_discount
    for line, of in zip(sums.lines, most, strict=True):
        assert 0 <= of <= max(line.amount, Decimal(0))
        before = Credited(zero(currency), zero(currency))
        while before.amount < of:
            left = int((of - before.amount) / unit)
            amount = unit * data.draw(st.one_of(st.just(left), st.integers(1, left)))
            tax = tax_of_credit(line.tax_amount, of, before, amount, currency)
            before = Credited(before.amount + amount, before.tax_amount + tax)
            assert tax >= 0
            assert tax.as_tuple().exponent == -currency_decimals(currency)
            exact = line.tax_amount * before.amount / of
            assert before.tax_amount == to_currency(exact, currency)
        if of > 0:
            assert before == Credited(of, line.tax_amount)
