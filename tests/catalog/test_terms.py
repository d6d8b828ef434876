"""What plans cost in a year, by which they are compared."""

from decimal import Decimal

import pytest

from billing_gql.catalog.terms import BillingPeriod, yearly_amount


@pytest.mark.parametrize(
    ("billing_period", "times"),
    [
        ("DAILY", 365),
        ("WEEKLY", 52),
        ("MONTHLY", 12),
        ("QUARTERLY", 4),
        ("SEMIANNUAL", 2),
        ("YEARLY", 1),
    ],
)
def test_a_year_has_so_many_periods(billing_period: str, times: int) -> None:
    period = BillingPeriod(billing_period)
    assert yearly_amount(period, [Decimal("10")]) == 10 * times
    assert yearly_amount(period, [Decimal("9.99"), Decimal("0.01")]) == 10 * times
    assert yearly_amount(period, []) == 0


def test_a_yearly_amount_is_exact() -> None:
    tiny = Decimal("0.000000000001")
    huge = Decimal("999999999999999.999999999999")
    assert yearly_amount(BillingPeriod.DAILY, [huge, tiny]) == Decimal("365000000000000000")
