"""Random invoices and credit notes as they are printed, whose sums come from the real code."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

from billing_gql.documents.printed import (
    DocumentKind,
    PrintedDiscount,
    PrintedDocument,
    PrintedLine,
    PrintedParty,
    PrintedReference,
    PrintedTax,
)
from billing_gql.invoices.totals import (
    CouponTerms,
    LineTerms,
    TaxTerms,
    Totals,
    WalletTerms,
    totals,
)
from billing_gql.kernel.address import Address
from billing_gql.kernel.money import currency_decimals, exactly, to_currency
from billing_gql.ledger.scopes import WalletScope
from tests.documents.samples import TIERS, invoice

RATES = [
    TaxTerms(f"txr_{n}", name, Decimal(rate))
    for n, (name, rate) in enumerate(
        [
            ("VAT", "19"),
            ("VAT, reduced", "7"),
            ("VAT of another kind", "19"),
            ("Sales tax", "8.875"),
            ("Thirds", "33.333333333333"),
            ("All", "100"),
            ("Reverse charge", "0"),
            ("Zero & <rated>", "0"),
        ]
    )
]
NAMES = ["Usage", "Größe", "价格", "a & b <c>", "]]>", "\x01\x02", "\U0001f600 x", " ", "x" * 200]


def random_invoice(random: Random) -> PrintedDocument:
    """An invoice of any kind, with one rate on each line or on none."""
    currency = random.choice(["EUR", "EUR", "USD", "JPY", "HUF"])
    untaxed = random.random() < 0.2
    terms, shapes = [], []
    for _ in range(random.randint(1, 8)):
        quantity, price, amount = _shape(random, currency)
        shapes.append((quantity, price))
        terms.append(
            LineTerms(
                amount=amount,
                is_usage=random.random() < 0.5,
                coupons=_coupons(random, currency, random.choice([0, 0, 1, 2])),
                taxes=() if untaxed else (random.choice(RATES),),
                is_credit=amount < 0 and random.random() < 0.5,
            )
        )
    owed = -sum((one.amount for one in terms), Decimal(0))
    if owed > 0:
        terms.append(replace(terms[0], amount=to_currency(owed, currency), is_credit=False))
        shapes.append((None, None))
    coupons = _coupons(random, currency, random.choice([0, 0, 1, 3]))
    wallets = [
        WalletTerms(f"wal_{n}", _money(random, currency, 0, 5_000), random.choice([*WalletScope]))
        for n in range(random.choice([0, 0, 1, 2]))
    ]
    balance = _money(random, currency, -3_000, 3_000) if random.random() < 0.4 else Decimal(0)
    sums = totals(terms, currency, coupons=coupons, wallets=wallets, balance=balance)
    return _printed(random, currency, terms, shapes, sums)


@exactly
def _shape(random: Random, currency: str) -> tuple[Decimal | None, Decimal | None, Decimal]:
    """A quantity, a price and the amount: one the product of the others, or not."""
    quantity = Decimal(random.randint(0, 10**7)).scaleb(-random.randint(0, 9))
    price = Decimal(random.randint(-(10**6), 10**7)).scaleb(-random.randint(0, 12))
    kind = random.random()
    if kind < 0.6:
        return quantity, price, to_currency(quantity * price, currency)
    amount = _money(random, currency, -500, 9_000)
    return (quantity, price, amount) if kind < 0.8 else (quantity, None, amount)


def _money(random: Random, currency: str, least: int, most: int) -> Decimal:
    units = 10 ** currency_decimals(currency)
    return Decimal(random.randint(least * units, most * units)).scaleb(-currency_decimals(currency))


def _coupons(random: Random, currency: str, count: int) -> tuple[CouponTerms, ...]:
    return tuple(
        CouponTerms(f"cpn_{n}", Decimal(random.choice(["10", "33.3333", "100"])), None)
        if random.random() < 0.6
        else CouponTerms(f"cpn_{n}", None, _money(random, currency, 1, 60))
        for n in range(count)
    )


def _printed(
    random: Random,
    currency: str,
    terms: list[LineTerms],
    shapes: list[tuple[Decimal | None, Decimal | None]],
    sums: Totals,
) -> PrintedDocument:
    lines = tuple(
        PrintedLine(
            id=f"lin_{at}",
            name=random.choice(NAMES),
            description=random.choice([None, *NAMES]),
            quantity=quantity,
            unit_amount=price,
            amount=amounts.amount,
            discount_amount=amounts.discount_amount,
            tax_amount=amounts.tax_amount,
            tax_percentages=tuple(tax.percentage for tax in one.taxes),
            first_day=random.choice([None, date(2026, 1, 1)]),
            last_day=random.choice([None, date(2026, 1, 31), date(2025, 12, 31)]),
            steps=TIERS if price is None else (),
        )
        for at, (one, (quantity, price), amounts) in enumerate(
            zip(terms, shapes, sums.lines, strict=True)
        )
    )
    return invoice(
        *lines,
        currency=currency,
        language=random.choice(["de", "en", "fr", "ja", "ar"]),
        seller=_party(random, "DE"),
        buyer=_party(random, random.choice(["FR", "US", "GR", "CH"])),
        discounts=tuple(
            PrintedDiscount(
                name=random.choice(NAMES),
                percent_off=None,
                amount=one.amount,
                line_item_id=None if one.line is None else lines[one.line].id,
                line_name=None,
            )
            for one in sums.discounts
            if one.amount > 0
        ),
        taxes=tuple(
            PrintedTax(one.terms.name, one.terms.percentage, one.taxable_amount, one.amount)
            for one in sums.taxes
        ),
        subtotal=sums.subtotal,
        total_discount=sums.total_discount,
        total_tax=sums.total_tax,
        prepaid_credits=sums.total_prepaid_credits_applied,
        total=sums.total,
        balance_applied=sums.customer_balance_applied,
        amount_due=sums.amount_due,
        memo=random.choice([None, *NAMES]),
        payment_instructions=random.choice(
            [None, "IBAN DE02 1203 0000 0000 2020 51", "By card", "DE02120300000000202052", *NAMES]
        ),
    )


def _party(random: Random, country: str) -> PrintedParty:
    return PrintedParty(
        name=random.choice(["Acme", "Ünï & <co>", "公司", "A\x0bB"]),
        email=random.choice([None, "a@b.example"]),
        tax_identifier=random.choice(
            ["DE123456789", "12/345/67890", "CHE-123.456.789 MWST", "EL 123456789", "27AAPFU0939"]
        ),
        address=Address(
            line1=random.choice([None, "Street 1", " "]),
            city=random.choice([None, "City"]),
            region=random.choice([None, "XY"]),
            postal_code=random.choice([None, "1000"]),
            country=country,
        ),
    )


def credited(document: PrintedDocument) -> PrintedDocument:
    """A credit note that gives back all of the lines above zero."""
    rates = {tax.percentage for tax in document.taxes}
    lines = tuple(
        replace(
            line,
            quantity=None,
            unit_amount=None,
            amount=line.amount - line.discount_amount,
            discount_amount=line.discount_amount * 0,
            steps=(),
        )
        for line in document.lines
        if line.amount - line.discount_amount > 0
    )
    nothing = document.subtotal * 0
    subtotal = sum((line.amount for line in lines), nothing)
    tax = sum((line.tax_amount for line in lines), nothing)
    return replace(
        document,
        kind=DocumentKind.CREDIT_NOTE,
        number="NOR-CN-1",
        due_date=None,
        lines=lines,
        discounts=(),
        taxes=tuple(
            PrintedTax(
                name="VAT",
                percentage=rate,
                taxable_amount=sum((one.amount for one in on), nothing),
                amount=sum((one.tax_amount for one in on), nothing),
            )
            for rate in sorted(rates)
            if (on := [line for line in lines if line.tax_percentages == (rate,)])
        ),
        subtotal=subtotal,
        total_discount=nothing,
        total_tax=tax,
        prepaid_credits=nothing,
        total=subtotal + tax,
        balance_applied=nothing,
        amount_due=nothing,
        memo=None,
        payment_instructions=None,
        credits=PrintedReference(document.number, document.issue_date, "DUPLICATE", "REFUND"),
    )
