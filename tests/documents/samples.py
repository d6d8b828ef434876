"""Printed documents made up for tests and for the benchmark, without a database."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from billing_gql.documents.hosted import (
    GivenCredit,
    HostedDocument,
    PaymentFacts,
    ReceivedPayment,
)
from billing_gql.documents.printed import (
    DocumentKind,
    PrintedDiscount,
    PrintedDocument,
    PrintedLine,
    PrintedParty,
    PrintedReference,
    PrintedStep,
    PrintedTax,
)
from billing_gql.kernel.address import Address

SELLER = PrintedParty(
    name="Northwind Metering GmbH",
    email="billing@northwind.example",
    tax_identifier="DE123456789",
    address=Address(line1="Torstraße 140", city="Berlin", postal_code="10119", country="DE"),
)
BUYER = PrintedParty(
    name="Globex Corporation",
    email="accounts@globex.example",
    tax_identifier=None,
    address=Address(
        line1="1 Market Street",
        line2="Suite 400",
        city="San Francisco",
        region="CA",
        postal_code="94105",
        country="US",
    ),
)
TIERS = (
    PrintedStep("Up to 1000", Decimal(1000), Decimal("0.05"), Decimal(0), Decimal(50)),
    PrintedStep("1000 to 10000", Decimal(9000), Decimal("0.02"), Decimal(10), Decimal(190)),
    PrintedStep("Above 10000", Decimal(2345), Decimal("0.0125"), Decimal(0), Decimal("29.3125")),
)


def line(number: int, **values: object) -> PrintedLine:
    """A line of 4.00 with nothing on it."""
    made = PrintedLine(
        id=f"lin_{number}",
        name=f"Line {number}",
        description=None,
        quantity=Decimal(4),
        unit_amount=Decimal(1),
        amount=Decimal("4.00"),
        discount_amount=Decimal("0.00"),
        tax_amount=Decimal("0.00"),
        tax_percentages=(),
        first_day=date(2026, 1, 1),
        last_day=date(2026, 1, 31),
    )
    return replace(made, **values)  # type: ignore[arg-type] # the test says which


def invoice(*lines: PrintedLine, **values: object) -> PrintedDocument:
    """An invoice of these lines, due in full unless the values say otherwise."""
    lines = lines or (line(1),)
    total = sum((one.amount for one in lines), Decimal("0.00"))
    made = PrintedDocument(
        kind=DocumentKind.INVOICE,
        id="inv_sample",
        number="NOR-007-0042",
        language="en",
        currency="USD",
        issued_at=datetime(2026, 2, 4, 5, tzinfo=UTC),
        issue_date=date(2026, 2, 4),
        due_date=date(2026, 3, 6),
        first_day=date(2026, 1, 1),
        last_day=date(2026, 1, 31),
        seller=SELLER,
        buyer=BUYER,
        lines=lines,
        discounts=(),
        taxes=(),
        subtotal=total,
        total_discount=Decimal("0.00"),
        total_tax=Decimal("0.00"),
        prepaid_credits=Decimal("0.00"),
        total=total,
        balance_applied=Decimal("0.00"),
        amount_due=total,
        memo=None,
        payment_instructions="IBAN DE02 1203 0000 0000 2020 51, BIC BYLADEM1001\nPlease name the"
        " invoice's number.",
        is_void=False,
    )
    return replace(made, **values)  # type: ignore[arg-type] # the test says which


def rich(**values: object) -> PrintedDocument:
    """24 lines with tiers, two coupons, two taxes, prepaid credit and a balance."""
    lines = [
        line(
            1,
            name="API requests",
            quantity=Decimal(12345),
            unit_amount=None,
            amount=Decimal("269.31"),
            steps=TIERS,
        ),
        line(2, name="Storage", description="Late usage", amount=Decimal("-3.20")),
        line(3, name="Pro plan, seats", description="15 of 31 days", quantity=Decimal(12)),
    ]
    lines += [line(number, name=f"Egress, region {number}") for number in range(4, 25)]
    made = invoice(*lines)
    return replace(
        made,
        discounts=(
            PrintedDiscount(
                "Launch partner", Decimal(25), Decimal("67.33"), "lin_1", "API requests"
            ),
            PrintedDiscount("Goodwill", None, Decimal("10.00"), None, None),
        ),
        taxes=(
            PrintedTax("State tax", Decimal("6.25"), Decimal("280.78"), Decimal("17.55")),
            PrintedTax("City tax", Decimal("2"), Decimal("280.78"), Decimal("5.62")),
        ),
        total_discount=Decimal("77.33"),
        total_tax=Decimal("23.17"),
        prepaid_credits=Decimal("50.00"),
        total=Decimal("249.95"),
        balance_applied=Decimal("20.00"),
        amount_due=Decimal("229.95"),
        memo="Purchase order 4711. Thank you for building with us.",
        **values,  # type: ignore[arg-type] # the test says which
    )


def credit_note(**values: object) -> PrintedDocument:
    """A credit note over two lines."""
    made = invoice(
        line(
            1,
            name="API requests",
            quantity=None,
            unit_amount=None,
            amount=Decimal("40.00"),
            tax_percentages=(Decimal(19),),
        ),
        line(
            2,
            name="Storage",
            quantity=None,
            unit_amount=None,
            amount=Decimal("2.50"),
            tax_percentages=(Decimal(19),),
        ),
    )
    return replace(
        made,
        kind=DocumentKind.CREDIT_NOTE,
        id="crn_sample",
        number="NOR-CN-0003",
        due_date=None,
        taxes=(PrintedTax("VAT", Decimal(19), Decimal("42.50"), Decimal("8.08")),),
        total_tax=Decimal("8.08"),
        total=Decimal("50.58"),
        amount_due=Decimal("0.00"),
        payment_instructions=None,
        credits=PrintedReference(
            "NOR-007-0042", date(2026, 2, 4), "PRODUCT_UNSATISFACTORY", "BALANCE"
        ),
        **values,  # type: ignore[arg-type] # the test says which
    )


def standing(document: PrintedDocument, **values: object) -> PaymentFacts:
    """Nothing paid yet, two weeks after the document was issued."""
    made = PaymentFacts(
        today=date(2026, 2, 18),
        amount_due=document.amount_due,
        amount_paid=Decimal("0.00"),
        amount_remaining=document.amount_due,
        total_credited=Decimal("0.00"),
        is_overdue=False,
        is_under_way=False,
        paid_on=None,
    )
    return replace(made, **values)  # type: ignore[arg-type] # the test says which


def hosted(document: PrintedDocument, **values: object) -> HostedDocument:
    """The page of an invoice, with what of its standing the values say."""
    return HostedDocument(document, "../invoices/inv_sample.pdf?x", standing(document, **values))


def partly_paid(document: PrintedDocument, **values: object) -> HostedDocument:
    """Two payments came in, and a credit note took something off."""
    facts: dict[str, object] = {
        "amount_due": document.amount_due - Decimal("9.95"),
        "amount_paid": Decimal("120.00"),
        "amount_remaining": document.amount_due - Decimal("129.95"),
        "total_credited": Decimal("9.95"),
    }
    note = GivenCredit("NOR-CN-0003", date(2026, 2, 12), Decimal("9.95"), "OFFSET", "../c.pdf?y")
    return replace(
        hosted(document, **{**facts, **values}),
        payments=(
            ReceivedPayment(date(2026, 2, 9), Decimal("100.00")),
            ReceivedPayment(date(2026, 2, 16), Decimal("20.00")),
        ),
        credit_notes=(note,),
    )
