"""Exact amounts: a currency's precision, the one rounding, and splits that lose nothing.

Amounts are `Decimal` in whole currency units ("12.50" is twelve dollars fifty). An amount that is
stored or shown carries exactly its currency's decimals; a quantity or a unit price is `plain`.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

from babel.core import get_global
from babel.numbers import get_currency_precision

from billing_gql.kernel.problems import AmountOutOfRange

P = ParamSpec("P")
T = TypeVar("T")

# 18 + 12 digits times 18 + 12 digits, summed over any number of lines, fits without rounding.
EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
MAX_UNIT_DECIMALS = 12
"""Decimals that a unit price or a metered value may have."""
MAX_AMOUNT = Decimal(10) ** 15
"""No amount on an invoice reaches this many currency units."""
MAX_QUANTITY = Decimal(10) ** 18
# Splitting by days divides; 20 decimals keep the rounded line right, since a proration of at most
# 366 days of a price with 12 decimals comes no nearer than 1e-15 to a half unit without hitting it.
DIVISION_QUANTUM = Decimal(1).scaleb(-20)


def exactly(function: Callable[P, T]) -> Callable[P, T]:
    """Runs the function's decimal arithmetic with enough digits that only it decides to round."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with localcontext(EXACT):
            return function(*args, **kwargs)

    return run


def exact_number(digits: str) -> Decimal:
    """A JSON number as it was sent; raises ValueError where its exponent is beyond all bounds."""
    try:
        return Decimal(digits)
    except ArithmeticError:
        raise ValueError(f"The number {digits[:30]} is out of range") from None


@lru_cache(maxsize=512)
def currency_decimals(currency: str) -> int:
    """Minor-unit digits of an ISO 4217 currency: JPY 0, USD 2, KWD 3."""
    return get_currency_precision(currency)


@lru_cache(maxsize=1)
def known_currencies() -> frozenset[str]:
    """Every ISO 4217 code that the Unicode CLDR data knows, historical ones included."""
    return frozenset(get_global("all_currencies"))


@exactly
def to_currency(amount: Decimal, currency: str) -> Decimal:
    """Rounds half away from zero to the currency's decimals; raises AmountOutOfRange."""
    if abs(amount) >= MAX_AMOUNT:
        raise AmountOutOfRange(f"An amount must be below {MAX_AMOUNT:f} {currency}.")
    rounded = amount.quantize(Decimal(1).scaleb(-currency_decimals(currency)))
    return rounded + 0  # no negative zero


def zero(currency: str) -> Decimal:
    """Nothing, with the currency's decimals."""
    return Decimal(0).scaleb(-currency_decimals(currency))


@exactly
def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros or exponent: quantities and unit prices."""
    normal = value.normalize()
    exponent = normal.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return normal.quantize(Decimal(1))
    return normal + 0


@exactly
def split(whole: Decimal, weights: Sequence[Decimal], decimals: int) -> list[Decimal]:
    """Splits `whole` in proportion to the weights, by largest remainder, so that parts sum to it.

    `whole` must have at most `decimals` decimals. Equal remainders go to the earlier part. The
    weights may be of either sign but must not sum to zero: then there is no proportion, and the
    caller chooses other weights.
    """
    total = sum(weights, Decimal(0))
    if not weights or total == 0:
        raise ValueError("a split needs weights that do not sum to zero")
    scale = -min(int(weight.as_tuple().exponent) for weight in (*weights, total, Decimal(0)))
    units = int(whole.scaleb(decimals))
    if Decimal(units).scaleb(-decimals) != whole:
        raise ValueError(f"{whole} has more than {decimals} decimals")
    divisor = int(total.scaleb(scale))
    parts = [divmod(units * int(weight.scaleb(scale)), divisor) for weight in weights]
    if divisor < 0:
        parts = [divmod(-units * int(weight.scaleb(scale)), -divisor) for weight in weights]
    left = units - sum(quotient for quotient, _ in parts)
    by_remainder = sorted(range(len(parts)), key=lambda index: (-parts[index][1], index))
    topped_up = set(by_remainder[:left])
    return [
        Decimal(quotient + (index in topped_up)).scaleb(-decimals)
        for index, (quotient, _) in enumerate(parts)
    ]
