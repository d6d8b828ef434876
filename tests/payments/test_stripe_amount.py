"""Amounts as Stripe counts them."""

from decimal import Decimal

import pytest

from billing_gql.kernel.money import currency_decimals, known_currencies, zero
from billing_gql.kernel.problems import AmountOutOfRange
from billing_gql.payments.providers.stripe_amount import (
    THREE_DECIMALS,
    WHOLE_ONLY,
    ZERO_DECIMALS,
    stripe_amount,
)


@pytest.mark.parametrize(
    ("currency", "amount", "units"),
    [
        ("USD", "12.34", 1234),
        ("USD", "0.01", 1),
        ("USD", "999999.99", 99999999),
        ("EUR", "10", 1000),
        # The currency's own precision decides nothing: here it has none, and Stripe has two.
        ("COP", "5000", 500000),
        ("HUF", "10.45", 1045),
        ("HUF", "10", 1000),
        ("TWD", "800.45", 80045),
        ("JPY", "500", 500),
        ("KRW", "1", 1),
        ("MGA", "100", 100),
        ("XPF", "7", 7),
        ("KWD", "5.120", 5120),
        ("BHD", "0.010", 10),
        ("ISK", "5", 500),
        ("UGX", "5", 500),
    ],
)
def test_units_of_stripe(currency: str, amount: str, units: int) -> None:
    assert stripe_amount(currency, Decimal(amount)) == units


@pytest.mark.parametrize(
    ("currency", "amount", "words"),
    [
        ("USD", "0.001", "multiples of 0.01"),
        ("JPY", "0.5", "multiples of 1,"),
        ("KWD", "5.124", "multiples of 0.010"),
        ("TND", "0.001", "multiples of 0.010"),
        ("ISK", "0.50", "multiples of 1.00"),
        ("UGX", "5.01", "multiples of 1.00"),
        ("LYD", "1.250", "no payments in LYD"),
    ],
)
def test_what_stripe_has_no_unit_for(currency: str, amount: str, words: str) -> None:
    with pytest.raises(AmountOutOfRange, match=words):
        stripe_amount(currency, Decimal(amount))


def test_every_amount_of_every_currency_has_its_worth_or_is_refused() -> None:
    assert known_currencies() > (ZERO_DECIMALS | THREE_DECIMALS | WHOLE_ONLY)
    for currency in known_currencies():
        least = Decimal(1).scaleb(-currency_decimals(currency))
        for amount in (least, Decimal(1) + zero(currency), Decimal(123456) + least):
            try:
                units = stripe_amount(currency, amount)
            except AmountOutOfRange:
                assert currency in THREE_DECIMALS or currency_decimals(currency) > 2
                continue
            decimals = 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
            assert Decimal(units).scaleb(-decimals) == amount
