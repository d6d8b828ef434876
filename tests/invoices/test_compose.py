"""From prices and usage to lines, and from lines to sums: tables of cases."""

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.invoices.compose import (
    PlanPeriod,
    PlanTerms,
    PriceTerms,
    TakenUsage,
    ToBill,
    compose,
)
from billing_gql.invoices.lines import ComposedLine, LineItemType, UsageScope
from billing_gql.invoices.totals import LineTerms, Totals, totals
from billing_gql.kernel.money import MAX_AMOUNT, currency_decimals
from billing_gql.kernel.period import Period
from billing_gql.kernel.problems import AmountOutOfRange
from billing_gql.rating.models import Flat, PerUnit

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
SCOPE = UsageScope("sub_1", (JANUARY,), 3, JANUARY.end)


def fixed(amount: str) -> PriceTerms:
    return PriceTerms("pri_fixed", "Access", Flat(Decimal(amount)), None)


def metered(unit: str) -> PriceTerms:
    return PriceTerms("pri_metered", "Calls", PerUnit(Decimal(unit)), "fea_calls")


def composed(
    price: PriceTerms,
    *,
    quantity: str = "0",
    events: int = 0,
    currency: str = "USD",
    days: int = 31,
) -> ComposedLine:
    usage = {"pri_metered": TakenUsage(Decimal(quantity), events, SCOPE)}
    part = PlanPeriod(PlanTerms((price,)), JANUARY, days, 31)
    (line,) = compose(ToBill(closing=part, usage=usage), currency)
    return line


@pytest.mark.parametrize(
    ("amount", "days", "currency", "billed", "description"),
    [
        ("310.00", 31, "USD", "310.00", None),
        ("310.00", 17, "USD", "170.00", "17 of 31 days"),
        ("100.00", 1, "USD", "3.23", "1 of 31 days"),
        ("100", 16, "JPY", "52", "16 of 31 days"),
        ("10.000", 30, "KWD", "9.677", "30 of 31 days"),
        ("0.00", 5, "USD", "0.00", "5 of 31 days"),
        ("0.155", 31, "USD", "0.16", None),
        ("0.155", 1, "USD", "0.01", "1 of 31 days"),
    ],
)
def test_a_fixed_price_is_prorated_by_days_and_rounded_once(
    amount: str, days: int, currency: str, billed: str, description: str | None
) -> None:
    line = composed(fixed(amount), currency=currency, days=days)
    assert (str(line.amount), line.description) == (billed, description)
    assert line.type is LineItemType.FIXED
    assert line.quantity == 1
    assert line.price_id == "pri_fixed"
    assert line.unit_amount == (Decimal(amount) if days == 31 else None)
    assert (line.feature_id, line.event_count, line.scope) == (None, None, None)


@pytest.mark.parametrize(
    ("unit", "quantity", "currency", "billed", "shown_quantity"),
    [
        ("0.0173", "1000", "USD", "17.30", "1000"),
        ("0.005", "1", "USD", "0.01", "1"),
        ("0.005", "0.99", "USD", "0.00", "0.99"),
        ("0.5", "3", "JPY", "2", "3"),
        ("0.5", "5", "JPY", "3", "5"),
        ("1.2345", "1", "KWD", "1.235", "1"),
        ("12.50", "0", "USD", "0.00", "0"),
        ("12.50", "-4", "USD", "0.00", "0"),
        ("0", "1000000", "USD", "0.00", "1000000"),
    ],
)
def test_usage_is_rated_whole_never_prorated_and_rounded_once(
    unit: str, quantity: str, currency: str, billed: str, shown_quantity: str
) -> None:
    line = composed(metered(unit), quantity=quantity, events=7, currency=currency, days=3)
    assert (str(line.amount), str(line.quantity)) == (billed, shown_quantity)
    assert line.type is LineItemType.USAGE
    assert line.description is None
    assert line.period == JANUARY
    assert (line.event_count, line.feature_id, line.scope) == (7, "fea_calls", SCOPE)
    assert line.unit_amount == Decimal(unit)
    assert bool(line.steps) == (Decimal(quantity) > 0)


def test_lines_are_in_the_order_of_the_prices() -> None:
    usage = {"pri_metered": TakenUsage(Decimal(2), 2, SCOPE)}
    terms = [metered("1"), fixed("5")]
    for prices in (terms, terms[::-1]):
        part = PlanPeriod(PlanTerms(tuple(prices)), JANUARY, 31, 31)
        lines = compose(ToBill(closing=part, usage=usage), "USD")
        assert [line.name for line in lines] == [price.name for price in prices]


def test_a_line_too_large_is_refused() -> None:
    with pytest.raises(AmountOutOfRange):
        composed(metered("1000000"), quantity="1000000000")


@pytest.mark.parametrize(
    ("currency", "amounts", "subtotal"),
    [
        ("USD", [], "0.00"),
        ("JPY", [], "0"),
        ("USD", ["80.00", "20.00"], "100.00"),
        ("JPY", ["1", "0", "2"], "3"),
        ("KWD", ["0.001", "0.999"], "1.000"),
        ("USD", ["499999999999999.99", "500000000000000.00"], "999999999999999.99"),
    ],
)
def test_lines_add_up(currency: str, amounts: list[str], subtotal: str) -> None:
    sums = totals([LineTerms(Decimal(amount)) for amount in amounts], currency)
    assert str(sums.subtotal) == str(sums.total) == str(sums.amount_due) == subtotal
    assert [str(line.total) for line in sums.lines] == amounts


@settings(deadline=None, max_examples=200)
@given(
    currency=st.sampled_from(["JPY", "USD", "KWD"]),
    units=st.lists(st.integers(0, 10**12), max_size=20),
)
def test_the_sums_hold_each_other(currency: str, units: list[int]) -> None:
    decimals = currency_decimals(currency)
    sums = totals([LineTerms(Decimal(f"{one}E-{decimals}")) for one in units], currency)
    assert sums.subtotal.scaleb(decimals) == sum(units)
    assert sums.subtotal == sum(line.amount for line in sums.lines)
    assert sums.total_discount == sum(line.discount_amount for line in sums.lines)
    assert sums.total_tax == sum(line.tax_amount for line in sums.lines)
    assert sums.total + sums.total_prepaid_credits_applied == sum(line.total for line in sums.lines)
    assert sums.amount_due == sums.total - sums.customer_balance_applied
    for one in fields(Totals):
        if one.type is Decimal:
            assert getattr(sums, one.name).as_tuple().exponent == -decimals


@pytest.mark.parametrize("currency", ["JPY", "USD", "KWD"])
def test_an_invoice_too_large_is_refused(currency: str) -> None:
    half = MAX_AMOUNT / 2
    with pytest.raises(AmountOutOfRange):
        totals([LineTerms(half), LineTerms(half)], currency)
