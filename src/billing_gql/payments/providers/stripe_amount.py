"""Amounts as Stripe counts them, which is not always ISO 4217's minor unit.

The lists are those of Stripe's "Supported currencies": zero-decimal, three-decimal, and the special
cases, by which ISK and UGX are sent with two decimals that are always zero.
"""

from decimal import Decimal

from billing_gql.kernel.money import currency_decimals, exactly
from billing_gql.kernel.problems import AmountOutOfRange

ZERO_DECIMALS = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905 # one a line is a page
)
THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""The last of the three must be zero."""
WHOLE_ONLY = frozenset({"ISK", "UGX"})


@exactly
def stripe_amount(currency: str, amount: Decimal) -> int:
    """The amount in Stripe's units; raises AmountOutOfRange where Stripe has none for it."""
    if currency in ZERO_DECIMALS:
        decimals, step = 0, 1
    elif currency in THREE_DECIMALS:
        decimals, step = 3, 10
    elif currency_decimals(currency) > 2:
        raise AmountOutOfRange(f"Stripe takes no payments in {currency}.")
    else:
        decimals, step = 2, 100 if currency in WHOLE_ONLY else 1
    units = amount.scaleb(decimals)
    if units % step != 0:
        least = Decimal(step).scaleb(-decimals)
        raise AmountOutOfRange(
            f"Stripe takes {currency} in multiples of {least:f}, so not {amount:f}."
        )
    return int(units)
