"""E-invoices: what they say, term by term, and what stands against them."""

import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from io import BytesIO

import facturx
import pytest
from lxml import etree
from pypdf import PdfReader
from pypdf.generic import ArrayObject, StreamObject

from billing_gql.documents.e_invoice import business_terms, vat_identifier
from billing_gql.documents.factur_x import xml_of
from billing_gql.documents.obstacles import clean, obstacles
from billing_gql.documents.printed import (
    PrintedDiscount,
    PrintedDocument,
    PrintedReference,
    PrintedTax,
)
from billing_gql.kernel.address import Address
from tests.documents.pdfs import pages_of, pdf_of, typesetter
from tests.documents.samples import BUYER, SELLER, TIERS, credit_note, invoice, line
from tests.documents.schematron import rules

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
VAT = PrintedTax("VAT", Decimal(19), Decimal("4.00"), Decimal("0.76"))


def taxed(**values: object) -> PrintedDocument:
    """4.00 and 19 % of it."""
    carried = line(1, tax_percentages=(Decimal(19),), tax_amount=Decimal("0.76"))
    sums = {"total_tax": Decimal("0.76"), "total": Decimal("4.76"), "amount_due": Decimal("4.76")}
    return replace(invoice(carried, taxes=(VAT,), **sums), **values)  # type: ignore[arg-type] # the test says which


def texts(xml: bytes, name: str) -> list[str]:
    """What the elements of a name say."""
    return [one.text or "" for one in etree.fromstring(xml).iter(RAM + name)]


def test_what_an_invoice_says() -> None:
    discounts = (
        PrintedDiscount("Launch", Decimal(25), Decimal("1.00"), "lin_1", "Line 1"),
        PrintedDiscount("Goodwill", None, Decimal("2.00"), None, None),
    )
    lines = (
        line(1, discount_amount=Decimal("1.50"), tax_percentages=(Decimal(19),)),
        line(2, discount_amount=Decimal("1.50"), tax_percentages=(Decimal("7.0"),)),
        line(3, tax_percentages=(Decimal(0),), unit_amount=Decimal("1.1"), amount=Decimal("4.00")),
    )
    taxes = (
        PrintedTax("VAT", Decimal(19), Decimal("2.50"), Decimal("0.48")),
        PrintedTax("VAT, reduced", Decimal(7), Decimal("2.50"), Decimal("0.18")),
        PrintedTax("Reverse charge", Decimal(0), Decimal("4.00"), Decimal("0.00")),
    )
    document = invoice(
        *lines,
        discounts=discounts,
        taxes=taxes,
        total_discount=Decimal("3.00"),
        total_tax=Decimal("0.66"),
        prepaid_credits=Decimal("5.00"),
        total=Decimal("4.66"),
        balance_applied=Decimal("-1.00"),
        amount_due=Decimal("5.66"),
        language="de",
        currency="EUR",
        memo="Danke",
    )
    terms = business_terms(document)
    assert {key: value for key, value in terms.items() if re.match(r"BT-1\d\d", key)} == {
        "BT-106": "11.00",
        "BT-107": "2.00",
        "BT-109": "9.00",
        "BT-110": "0.66",
        "BT-112": "9.66",
        "BT-113": "4.00",
        "BT-115": "5.66",
    }
    assert terms["BG-20"] == [
        {
            "amount": "0.50",
            "reason": "Goodwill",
            "reason_code": "95",
            "vat_category_code": "S",
            "vat_rate": "19",
        },
        {
            "amount": "1.50",
            "reason": "Goodwill",
            "reason_code": "95",
            "vat_category_code": "S",
            "vat_rate": "7",
        },
    ]
    assert terms["BG-23"] == [
        {"BT-116": "2.50", "BT-117": "0.48", "BT-118": "S", "BT-119": "19"},
        {"BT-116": "2.50", "BT-117": "0.18", "BT-118": "S", "BT-119": "7"},
        {
            "BT-116": "4.00",
            "BT-117": "0.00",
            "BT-118": "E",
            "BT-119": "0",
            "BT-120": "Reverse charge",
        },
    ]
    notes = [re.sub(r"\s", " ", one) for one in texts(xml_of(document), "Content")]
    assert notes == [
        "Danke",
        "Vorausbezahltes Guthaben: 5,00 €",
        "Offen aus früheren Rechnungen: 1,00 €",
    ]
    assert (terms["BT-81"], terms["BT-84"]) == ("30", "DE02120300000000202051")
    assert rules().findings(xml_of(document)) == []
    made = terms["BG-25"]
    assert isinstance(made, list)
    assert [(one["BT-129"], one["BT-146"], one["BT-131"]) for one in made] == [
        ("4", "1", "3.00"),
        ("4", "1", "4.00"),
        ("1", "4", "4.00"),
    ]
    assert made[2]["BT-154"] == "4 × 1,10"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ("4", "1", "")),
        ({"quantity": Decimal("0.5"), "unit_amount": Decimal("8.0001")}, ("0.5", "8.0001", "")),
        ({"unit_amount": Decimal(-1), "amount": Decimal("-4.00")}, ("-4", "1", "")),
        ({"quantity": None, "unit_amount": None, "amount": Decimal("-4.00")}, ("-1", "4", "")),
        (
            {"quantity": Decimal(10**18), "unit_amount": Decimal(10)},
            ("1", "4", "1,000,000,000,000,000,000 × 10.00"),
        ),
        ({"unit_amount": Decimal("0.9")}, ("1", "4", "4 × 0.90")),
        (
            {"unit_amount": None, "description": "Calls", "steps": TIERS[:2]},
            (
                "1",
                "4",
                "Calls\nUp to 1000: 1,000 × 0.05 = 50.00\n"
                "1000 to 10000: 9,000 × 0.02 + 10.00 fixed = 190.00",
            ),
        ),
    ],
)
def test_a_price_makes_the_amount(values: dict[str, object], said: tuple[str, str, str]) -> None:
    lines = business_terms(invoice(line(1, **values)))["BG-25"]
    assert isinstance(lines, list)
    (made,) = lines
    assert (made["BT-129"], made["BT-146"], made["BT-154"]) == said


def test_a_credit_note_refers_to_its_invoice() -> None:
    terms = business_terms(credit_note())
    assert (terms["BT-3"], terms["BT-112"], terms["BT-115"]) == ("381", "50.58", "50.58")
    given = credit_note().credits
    assert isinstance(given, PrintedReference)
    assert terms["BG-3"] == [{"BT-25": given.number, "BT-26": given.issue_date}]
    assert terms["BT-20"] == "Added to your balance."
    assert terms["BG-1"] == [{"BT-22": "Product unsatisfactory"}]


@pytest.mark.parametrize(
    ("given", "country", "expected"),
    [
        ("DE123456789", "US", "DE123456789"),
        ("de 123.456-789", "DE", "DE123456789"),
        ("EL123456789", "GR", "EL123456789"),
        ("CHE-123.456.789 MWST", "CH", "CHE123456789MWST"),
        ("SG12345", "SG", "SG12345"),
        ("SG12345", "DE", None),
        ("SS12345", "SS", None),
        ("12/345/67890", "DE", None),
        ("DE", "DE", None),
        ("DEUTSCHLAND", "DE", None),
        ("", None, None),
    ],
)
def test_what_looks_like_an_identifier_of_vat(
    given: str, country: str | None, expected: str | None
) -> None:
    assert vat_identifier(given, country) == expected


@pytest.mark.parametrize(
    ("instructions", "account"),
    [
        ("IBAN DE02 1203 0000 0000 2020 51, BIC BYLADEM1001", "DE02120300000000202051"),
        ("DE02120300000000202051 BIC BYLADEM1001", "DE02120300000000202051"),
        ("to GB82 WEST 1234 5698 7654 32 PLEASE", "GB82WEST12345698765432"),
        ("DE02120300000000202051 or DE02 1203 0000 0000 2020 51", "DE02120300000000202051"),
        ("DE02120300000000202051 GB82WEST12345698765432", None),
        ("DE02120300000000202052", None),
        ("By card", None),
    ],
)
def test_an_account_is_told_where_there_is_one(instructions: str, account: str | None) -> None:
    document = invoice(payment_instructions=instructions)
    terms = business_terms(document)
    assert (terms["BT-81"], terms.get("BT-84")) == ("30" if account else "1", account)
    assert (terms["BT-82"], terms["BT-83"]) == (instructions, document.number)
    assert rules().findings(xml_of(document)) == []


def test_without_tax_nobody_has_an_identifier_of_vat() -> None:
    taxed_xml, plain_xml = xml_of(taxed()), xml_of(invoice())
    assert b'schemeID="VA">DE123456789<' in taxed_xml and b'"FC"' not in taxed_xml
    assert b'schemeID="FC">DE123456789<' in plain_xml and b'"VA"' not in plain_xml
    assert rules().findings(taxed_xml) == rules().findings(plain_xml) == []


def of_lines(*percentages: tuple[int, ...]) -> PrintedDocument:
    """An invoice whose lines carry these rates."""
    return invoice(
        *(
            line(at, tax_percentages=tuple(map(Decimal, carried)))
            for at, carried in enumerate(percentages)
        )
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (invoice(is_void=True), "is void"),
        (invoice(seller=replace(SELLER, tax_identifier=None)), "seller had no tax identifier"),
        (invoice(seller=replace(SELLER, address=None)), "seller had no country"),
        (invoice(buyer=replace(BUYER, address=Address(city="X"))), "buyer had no country"),
        (invoice(buyer=replace(BUYER, address=Address(country="XK"))), "XK, is not in"),
        (invoice(buyer=replace(BUYER, name="\x01 ")), "buyer has no name"),
        (invoice(currency="DEM"), "DEM is not in"),
        (invoice(currency="KWD"), "KWD have 3 decimals; the standard allows 2"),
        (replace(invoice(), lines=()), "no lines"),
        (of_lines((19, 7)), "more than one tax rate, as 'Line 0' does"),
        (of_lines((19,), ()), "Some lines carry a tax rate and some none"),
        (taxed(taxes=(replace(VAT, amount=Decimal("2.00")),)), "not that part"),
        (of_lines((19,), (19,)), "not that part"),
    ],
)
def test_what_stands_against_an_e_invoice(document: PrintedDocument, words: str) -> None:
    (why,) = obstacles(document)
    assert words in why
    assert why.endswith(".")
    pdf = pdf_of(document)
    assert facturx.get_xml_from_pdf(pdf, check_xsd=False) == (False, False)
    assert b"urn:factur-x" not in pdf


def test_all_that_is_missing_is_said_at_once() -> None:
    bare = replace(SELLER, address=None, tax_identifier=None)
    assert len(obstacles(replace(of_lines((19,), ()), seller=bare, currency="DEM"))) == 4


def test_the_pdf_has_the_same_xml_inside_and_says_so() -> None:
    pdf, xml = pdf_of(taxed()), xml_of(taxed())
    assert facturx.get_xml_from_pdf(pdf, check_xsd=True) == ("factur-x.xml", xml)
    assert typesetter().xml(taxed()) == xml
    assert pdf_of(taxed()) == pdf
    reader = PdfReader(BytesIO(pdf), strict=True)
    attached = reader.root_object["/AF"]
    assert isinstance(attached, ArrayObject)
    (one,) = attached
    assert one.get_object()["/AFRelationship"] == "/Alternative"
    metadata = reader.root_object["/Metadata"]
    assert isinstance(metadata, StreamObject)
    xmp = etree.fromstring(metadata.get_data())
    fx = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
    said = {one.tag.removeprefix(fx): one.text for one in xmp.iter(f"{fx}*")}
    assert said == {
        "DocumentType": "INVOICE",
        "DocumentFileName": "factur-x.xml",
        "Version": "1.0",
        "ConformanceLevel": "EN 16931",
    }
    (schemas,) = xmp.iter("{http://www.aiim.org/pdfa/ns/extension/}schemas")
    prefixes = [one.text for one in schemas.iter("{http://www.aiim.org/pdfa/ns/schema#}prefix")]
    assert prefixes.count("fx") == 1 and len(prefixes) == len(schemas[0])
    part = xmp.find(".//{http://www.aiim.org/pdfa/ns/id/}part")
    assert part is not None and part.text == "3"
    assert reader.metadata is not None and reader.metadata.title == "Invoice NOR-007-0042"
    assert pages_of(pdf)[0].count("Amount due") == 1


@pytest.mark.parametrize(
    "text",
    [
        "</ram:Name><ram:Name>x",
        "]]> &amp; <!-- -->",
        ' xsi:nil="true"',
        "&#0; \x00\x08\x0b\ufffe\uffff",
        "a\r\nb\tc",
        "x\u202e\U0010ffff\u0301",
        "%PDF startxref 12 %%EOF",
    ],
)
def test_a_hostile_text_stays_text(text: str) -> None:
    party = replace(SELLER, name=f"S{text}", address=Address(line1=text, city=text, country="DE"))
    document = taxed(
        seller=party,
        buyer=replace(party, name=f"B{text}"),
        memo=f"M{text}",
        payment_instructions=f"P{text}",
        lines=(replace(taxed().lines[0], name=f"L{text}", description=f"D{text}"),),
    )
    xml = xml_of(document)
    assert rules().findings(xml) == []
    for found, first in (("Name", "S"), ("Name", "L"), ("Content", "M"), ("Information", "P")):
        assert clean(first + text) in texts(xml, found)
    assert facturx.get_xml_from_pdf(pdf_of(document), check_xsd=False)[1] == xml


def test_the_service_starts_without_what_writes_e_invoices() -> None:
    program = """
import sys, billing_gql.app
sys.exit(str([one for one in ("facturx", "lxml", "pypdf", "stdnum", "iso4217")
              if one in sys.modules] or ""))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stderr.strip() == ""
