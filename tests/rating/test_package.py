"""PACKAGE: each started package beyond the free units."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings

from billing_gql.rating.models import Package
from billing_gql.rating.rate import Rated, rate
from tests.rating.working import PRICES, QUANTITIES, SMALL, cost, steps_of

HUGE = "999999999999999999.999999999999"


@pytest.mark.parametrize(
    ("free", "quantity", "packages", "costs"),
    [
        ("0", "0.000000000001", "1", "5"),
        ("0", "1", "1", "5"),
        ("0", "100", "1", "5"),
        ("0", "100.000000000001", "2", "10"),
        ("0", "101", "2", "10"),
        ("0", "200", "2", "10"),
        ("0", "200.5", "3", "15"),
        ("0", HUGE, "10000000000000000", "50000000000000000"),
        ("50", "1", "0", "0"),
        ("50", "50", "0", "0"),
        ("50", "50.1", "1", "5"),
        ("50", "150", "1", "5"),
        ("50", "151", "2", "10"),
        ("0.5", "100.5", "1", "5"),
        ("0.5", "100.6", "2", "10"),
    ],
)
def test_by_hand(free: str, quantity: str, packages: str, costs: str) -> None:
    rated = rate(Package(Decimal(5), Decimal(100), Decimal(free)), Decimal(quantity))
    assert f"{rated.exact_amount:f}" == costs
    assert rated.quantity == Decimal(quantity)
    words = "Packages of 100" if free == "0" else f"Packages of 100 beyond {free} free"
    assert steps_of(rated) == [(words, packages, "5", "0", costs)]


@pytest.mark.parametrize("quantity", ["0", "-0.1", "-500"])
def test_no_units_have_no_steps(quantity: str) -> None:
    rated = rate(Package(Decimal(5), Decimal(100)), Decimal(quantity))
    assert rated == Rated(Decimal(0), Decimal(0), ())


@pytest.mark.parametrize(
    ("size", "quantity", "packages"),
    [
        ("0.1", "0.3", "3"),
        ("0.3", "1", "4"),
        ("3", "1E+17", "33333333333333334"),
        ("7E+1", "7", "1"),
    ],
)
def test_a_size_need_not_be_whole(size: str, quantity: str, packages: str) -> None:
    (step,) = rate(Package(Decimal(1), Decimal(size)), Decimal(quantity)).steps
    assert f"{step.quantity:f}" == packages
    assert step.description == f"Packages of {Decimal(size):f}"


@settings(deadline=None, max_examples=300)
@given(amount=PRICES, size=SMALL.filter(bool) | PRICES.filter(bool), free=SMALL, units=QUANTITIES)
def test_every_started_package_is_paid(
    amount: Decimal, size: Decimal, free: Decimal, units: Decimal
) -> None:
    packages = ceil(max(Fraction(units) - Fraction(free), Fraction(0)) / Fraction(size))
    assert cost(Package(amount, size, free), units) == packages * Fraction(amount)


@settings(deadline=None, max_examples=300)
@given(size=SMALL.filter(bool), free=SMALL, units=SMALL)
def test_a_package_is_never_paid_before_it_is_started(
    size: Decimal, free: Decimal, units: Decimal
) -> None:
    packages = cost(Package(Decimal(1), size, free), units)
    paid = max(Fraction(units) - Fraction(free), Fraction(0))
    assert packages * Fraction(size) >= paid > (packages - 1) * Fraction(size) or packages == 0
