"""The hosted page's content, without a service: states, languages, and names that are markup."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.documents.hosted import HostedDocument
from billing_gql.documents.languages import known_languages, language_of
from billing_gql.documents.page import page_of, refusal_page
from billing_gql.documents.printed import PrintedDiscount, PrintedDocument, PrintedTax
from billing_gql.kernel.address import Address
from tests.documents.html import Page
from tests.documents.samples import (
    BUYER,
    SELLER,
    TIERS,
    credit_note,
    hosted,
    invoice,
    line,
    partly_paid,
    rich,
)

NOTHING = Decimal("0.00")


def shown(content: HostedDocument) -> Page:
    return Page(page_of(content))


@pytest.mark.parametrize(
    ("values", "marks", "words"),
    [
        ({}, ["Due in 16 days"], "Remaining $4.00"),
        ({"today": date(2026, 3, 5)}, ["Due in 1 day"], "IBAN DE02"),
        ({"today": date(2026, 3, 6)}, ["Due today"], "Due March 6, 2026"),
        ({"is_overdue": True, "today": date(2026, 3, 7)}, ["Overdue"], "Remaining $4.00"),
        (
            {
                "is_overdue": True,
                "amount_paid": Decimal("1.50"),
                "amount_remaining": Decimal("2.50"),
            },
            ["Overdue", "Partly paid"],
            "$1.50 of $4.00 paid",
        ),
        ({"is_under_way": True}, ["Due in 16 days"], "A payment is under way"),
        (
            {
                "amount_paid": Decimal("4.00"),
                "amount_remaining": NOTHING,
                "paid_on": date(2026, 2, 9),
            },
            ["Paid"],
            "Paid on February 9, 2026",
        ),
        (
            {
                "amount_due": NOTHING,
                "total_credited": Decimal("4.00"),
                "amount_remaining": NOTHING,
            },
            ["Nothing to pay"],
            "Credited -4.00 Remaining $0.00",
        ),
    ],
)
def test_how_payment_stands(values: dict[str, object], marks: list[str], words: str) -> None:
    page = shown(hosted(invoice(), **values))
    assert [text.strip() for text in page.of("li") if text.strip()] == marks
    assert words in page.words
    owed = values.get("amount_remaining", 1) != 0
    assert ("How to pay" in page.words) == owed


def test_a_void_invoice_is_stamped_and_asks_for_nothing() -> None:
    page = shown(hosted(invoice(is_void=True), amount_remaining=NOTHING))
    assert ("li", "class", "void") in page.values
    assert "Total $4.00 Void Nothing to pay" in page.words
    for word in ("How to pay", "Remaining", "Due"):
        assert word not in page.words


def test_all_that_makes_the_sum_is_there() -> None:
    page = shown(partly_paid(rich()))
    for said in (
        "Remaining $100.00",
        "Total $249.95",
        "API requests 12,345 12,345 269.31",
        "1000 to 10000 9,000 × 0.02 + 10.00 fixed 9,000 0.02 + 10.00 fixed 190.00",
        "Storage Late usage 4 × 1.00 4 1.00 -3.20",
        "Subtotal 354.11 Launch partner (25%) · API requests -67.33 Goodwill -10.00",
        "State tax 6.25% on 280.78 17.55 City tax 2% on 280.78 5.62 Prepaid credit -50.00",
        "Total 249.95 From your balance -20.00 Amount due $229.95",
        "Credited -9.95 Paid -120.00 Remaining $100.00",
        "February 9, 2026 $100.00 February 16, 2026 $20.00",
        "NOR-CN-0003 (PDF) February 12, 2026 · Lowers what is due on the invoice. $9.95",
        "Purchase order 4711",
        "Tax ID: DE123456789",
    ):
        assert said in page.words, said
    assert page.links() == ["../invoices/inv_sample.pdf?x", "../c.pdf?y"]


def test_a_credit_note_says_what_it_is_for() -> None:
    page = shown(HostedDocument(credit_note(), "../c.pdf"))
    for said in ("For invoice NOR-007-0042", "Added to your balance.", "VAT 19% on 42.50 8.08"):
        assert said in page.words
    assert "Quantity" not in page.words and "Remaining" not in page.words


def test_a_page_is_made_of_elements_that_say_what_they_are() -> None:
    page = shown(partly_paid(rich()))
    tags = [tag for tag, _ in page.elements]
    for tag in ("main", "h1", "title"):
        assert tags.count(tag) == 1
    assert tags.count("table") == tags.count("caption") == 3
    assert all("scope" in names for tag, names in page.elements if tag == "th")
    refused = {"script", "style", "form", "iframe", "img", "input", "button"}
    assert refused.isdisjoint(tags)
    for tag, names in page.elements:
        assert not {name for name in names if name.startswith("on") or name == "style"}, tag


@pytest.mark.parametrize("tag", sorted(known_languages()))
def test_each_language_has_its_page(tag: str) -> None:
    words = language_of(tag, "USD").words
    source = page_of(partly_paid(rich(language=tag), is_overdue=True))
    direction = "rtl" if tag == "ar" else "ltr"
    assert f'<html lang="{tag}" dir="{direction}">' in source
    page = Page(source)
    for said in (words.invoice, words.hosted.overdue, words.hosted.partly_paid):
        assert said in page.words
    assert "{" not in page.words
    refusal = Page(refusal_page([tag], expired=True))
    assert refusal.words.endswith(f"{words.hosted.expired} {words.hosted.ask}")


@pytest.mark.parametrize(
    ("wanted", "lang"),
    [
        (["de-AT", "en"], "de"),
        (["tlh", "fr"], "fr"),
        ([], "en"),
        (["*"], "en"),
        (['"><script>', "e" * 300], "en"),
    ],
)
def test_a_refusal_is_in_a_language_of_the_browser(wanted: list[str], lang: str) -> None:
    assert f'<html lang="{lang}"' in refusal_page(wanted, expired=False)


def named(name: str) -> PrintedDocument:
    """The name stands wherever somebody may write one."""
    address = Address(line1=name, city="Berlin", country="DE")
    steps = (replace(TIERS[0], description=name), TIERS[1])
    return invoice(
        line(1, name=name, description=name, steps=steps),
        seller=replace(SELLER, name=name, tax_identifier=name, address=address),
        buyer=replace(BUYER, name=name, email=name),
        discounts=(PrintedDiscount(name, None, Decimal("1.00"), "lin_1", name),),
        taxes=(PrintedTax(name, Decimal(1), Decimal("1.00"), Decimal("0.01")),),
        memo=name,
        payment_instructions=name,
    )


PIECES = (
    *("<script>", "</title>", "<!--", "-->", "<b", "</bdi>", "<img src=x onerror=y>", "<?x", "]]>"),
    *("&lt;", "&", '"', "'", "{{ pdf }}", "{% raw %}", "\u202e", "\u2066", "\r", "é", "漢"),
)
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
MARKUP = st.lists(st.sampled_from(PIECES) | TEXT, min_size=1, max_size=12).map("".join)


@settings(max_examples=30, deadline=None)
@given(name=MARKUP.filter(lambda text: bool(text.strip())))
def test_markup_in_a_name_stays_text(name: str) -> None:
    page, plain = shown(hosted(named(name))), shown(hosted(named("x")))
    assert page.elements == plain.elements
    assert page.values == plain.values
    assert "".join(page.of("title")) == f"Invoice NOR-007-0042 · {name}"
    assert page.of("bdi").count(name) >= 6
    assert [text for text in page.of("p") if text == name] == [name, name]


def test_a_thousand_lines_are_all_there() -> None:
    lines = [line(number, steps=TIERS, unit_amount=None) for number in range(1000)]
    page = shown(hosted(invoice(*lines)))
    assert [tag for tag, _ in page.elements].count("tbody") == 1000
    assert page.of("bdi").count("Line 999") == 1
