"""Draws the terms of invoices of any kind."""

from decimal import Decimal

from hypothesis import strategies as st

from billing_gql.invoices.totals import CouponTerms, LineTerms, TaxTerms, WalletTerms
from billing_gql.kernel.money import currency_decimals
from billing_gql.ledger.scopes import WalletScope

RATES = tuple(
    TaxTerms(f"txr_{n}", f"Rate {n}", Decimal(one))
    for n, one in enumerate(("0", "8.25", "19", "0.0001", "33.333333333333", "100"))
)


@st.composite
def coupon_lists(draw: st.DrawFn, decimals: int, name: str) -> tuple[CouponTerms, ...]:
    found = []
    for n in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            off = draw(st.sampled_from(["0.01", "10", "12.5", "33.333333333333", "99.99", "100"]))
            found.append(CouponTerms(f"{name}.{n}", Decimal(off), None))
        else:
            units = draw(st.integers(1, 5_000))
            found.append(CouponTerms(f"{name}.{n}", None, Decimal(units).scaleb(-decimals)))
    return tuple(found)


Invoice = tuple[str, list[LineTerms], tuple[CouponTerms, ...], list[WalletTerms], Decimal]


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    """An invoice of any kind whose lines do not sum below zero."""
    currency = draw(st.sampled_from(["JPY", "USD", "KWD"]))
    decimals = currency_decimals(currency)
    amounts = draw(
        st.lists(st.one_of(st.integers(-3_000, 9_000), st.integers(0, 10**12)), max_size=7)
    )
    if sum(amounts) < 0:
        amounts.append(-sum(amounts) + draw(st.integers(0, 3)))
    lines = [
        LineTerms(
            Decimal(units).scaleb(-decimals),
            draw(st.booleans()),
            draw(coupon_lists(decimals, f"line{n}")),
            tuple(draw(st.lists(st.sampled_from(RATES), unique=True, max_size=3))),
            is_credit=draw(st.integers(0, 3)) == 0,
        )
        for n, units in enumerate(amounts)
    ]
    wallets = [
        WalletTerms(f"wal_{n}", Decimal(units).scaleb(-decimals), scope)
        for n, (units, scope) in enumerate(
            draw(
                st.lists(
                    st.tuples(st.integers(0, 20_000), st.sampled_from(WalletScope)), max_size=4
                )
            )
        )
    ]
    balance = Decimal(draw(st.integers(-20_000, 20_000))).scaleb(-decimals)
    return currency, lines, draw(coupon_lists(decimals, "all")), wallets, balance
