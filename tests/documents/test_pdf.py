"""What the PDFs say and how many pages they take, read back by poppler."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from billing_gql.documents.printed import (
    PrintedBreakdown,
    PrintedDocument,
    PrintedGroup,
)
from billing_gql.documents.typeset import encoded
from tests.documents.pdfs import dark_pixels, pages_of, pdf_of, words_of
from tests.documents.samples import credit_note, invoice, line, rich

PROGRAM = """
import sys, hashlib, msgspec
from billing_gql.documents.printed import PrintedDocument
from billing_gql.documents.typesetter import Typesetter
given = msgspec.json.decode(sys.stdin.buffer.read(), type=PrintedDocument)
print(hashlib.sha256(Typesetter().pdf(given)).hexdigest())
"""


def test_one_line_takes_one_page() -> None:
    (page,) = pages_of(pdf_of(invoice()))
    for said in (
        "Northwind Metering GmbH",
        "Tax ID: DE123456789",
        "10119 Berlin",
        "San Francisco, CA 94105",
        "NOR-007-0042",
        "$4.00 due by March 6, 2026",
        "Jan 1, 2026 – Jan 31, 2026",
        "IBAN DE02 1203 0000 0000 2020 51",
        "Page 1 of 1",
    ):
        assert said in page
    assert re.search(r"Line 1 +4 +1\.00 +4\.00", page)
    assert "Subtotal" not in page


def test_24_lines_with_all_that_an_invoice_may_have() -> None:
    pages = pages_of(pdf_of(rich()))
    assert len(pages) == 2
    text = "\n".join(pages)
    for row in (
        r"API requests +12,345 +269\.31",
        r"Up to 1000 +1,000 +0\.05 +50\.00",
        r"1000 to 10000 +9,000 +0\.02 \+ 10\.00 fixed +190\.00",
        r"Above 10000 +2,345 +0\.0125 +29\.3125",
        r"Storage +4 +1\.00 +-3\.20",
        r"Subtotal +354\.11",
        r"Launch partner \(25%\) · API requests +-67\.33",
        r"Goodwill +-10\.00",
        r"State tax 6\.25% on 280\.78 +17\.55",
        r"City tax 2% on 280\.78 +5\.62",
        r"Prepaid credit +-50\.00",
        r"Total +249\.95",
        r"From your balance +-20\.00",
        r"Amount due +\$229\.95",
    ):
        assert re.search(row, text), row
    assert "Purchase order 4711" in text


def test_1000_lines_repeat_their_heads_and_count_their_pages() -> None:
    pages = pages_of(pdf_of(invoice(*(line(number) for number in range(1, 1001)))))
    assert 20 <= len(pages) <= 40
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Invoice NOR-007-0042" in page
        if re.search(r"Line \d", page):
            assert re.search(r"Description +Quantity +Unit price +Amount \(USD\)", page)
    lines = re.findall(r"Line (\d+) +4 +1\.00 +4\.00", "\n".join(pages))
    assert lines == [str(number) for number in range(1, 1001)]
    assert "$4,000.00" in pages[-1]


def test_a_debt_is_added_and_a_full_balance_leaves_nothing() -> None:
    owed = words_of(pdf_of(invoice(balance_applied=Decimal("-3.00"), amount_due=Decimal("7.00"))))
    assert "Owed from before 3.00" in owed and "$7.00 due by" in owed
    paid = words_of(pdf_of(invoice(balance_applied=Decimal("4.00"), amount_due=Decimal("0.00"))))
    assert "From your balance -4.00" in paid and "Nothing to pay" in paid
    assert "IBAN" not in paid


def test_a_void_is_stamped_on_every_page_and_asks_for_nothing(tmp_path: Path) -> None:
    pages = pages_of(pdf_of(rich(is_void=True)))
    assert "due by" not in pages[0] and "Void · Nothing to pay" in pages[0]
    assert "IBAN" not in "".join(pages)
    for page in range(1, 3):
        plain, void = (
            dark_pixels(pdf_of(rich(is_void=one)), tmp_path, page) for one in (False, True)
        )
        middle = [(x, y) for x, y in void if 130 < x < 280 and 200 < y < 300]
        assert len(middle) > len([one for one in middle if one in set(plain)]) + 200


def test_ink_stays_inside_the_margins(tmp_path: Path) -> None:
    """A4 at 50 dots an inch is 413 by 585; the margin is 21 mm, 41 dots."""
    huge = "W" * 255
    wide = line(
        1,
        name=huge,
        quantity=Decimal("123456789012345678.123456789012"),
        unit_amount=Decimal("123456789012345.123456789012"),
        amount=Decimal("999999999999999.99"),
    )
    for made in (
        rich(),
        rich(language="ar"),
        invoice(wide, buyer=replace(invoice().buyer, name=huge)),
    ):
        columns = [x for x, _ in dark_pixels(pdf_of(made), tmp_path)]
        assert min(columns) >= 38 and max(columns) <= 375


@pytest.mark.parametrize(
    ("tag", "currency", "said"),
    [
        ("de", "EUR", ["Rechnung", "Fällig", "4,00 € fällig am 6. März 2026", "Seite 1 von 1"]),
        ("el", "EUR", ["Τιμολόγιο", "4,00 € πληρωτέα έως 6 Μαρτίου 2026"]),
        ("ru", "RUB", ["Счёт", "4,00 ₽ к оплате до 6 марта 2026"]),
        ("ja", "JPY", ["請求書", "2026年3月6日までに ￥4 をお支払いください", "金額 (JPY)"]),
        ("zh", "CNY", ["发票", "请于2026年3月6日前支付 ¥4.00", "第 1 页，共 1 页"]),
        ("ar", "USD", ["NOR-007-0042", "4.00 US$", "Globex Corporation"]),
        ("sv", "SEK", ["Invoice", "SEK4.00 due by March 6, 2026"]),
    ],
)
def test_languages(tag: str, currency: str, said: list[str]) -> None:
    text = words_of(pdf_of(invoice(language=tag, currency=currency))).replace("\u00a0", " ")
    for one in said:
        assert one in text or one in text.replace("SEK ", "SEK"), text


def test_a_credit_note_names_its_invoice() -> None:
    text = words_of(pdf_of(credit_note()))
    for said in (
        "Credit note",
        "NOR-CN-0003",
        "$50.58 credited",
        "For invoice NOR-007-0042 of February 4, 2026 · Product unsatisfactory"
        " · Added to your balance.",
        "API requests 40.00",
        "VAT 19% on 42.50 8.08",
        "Total $50.58",
    ):
        assert said in text
    assert "Quantity" not in text and "Amount due" not in text


def test_the_appendix_has_the_largest_groups_and_the_sum_of_the_others() -> None:
    groups = tuple(
        PrintedGroup((f"region-{number}", None), Decimal(number), Decimal("1.00"))
        for number in range(200)
    )
    breakdown = PrintedBreakdown(("properties.region", "source"), groups, 7, Decimal("3.50"))
    text = words_of(pdf_of(invoice(line(1, name="Egress", breakdown=breakdown))))
    assert "Egress by region, source" in text
    assert "region-199 · none 199 1.00" in text
    assert "7 more 3.50" in text


def sample(name: str) -> PrintedDocument:
    return {"rich": rich(), "ar": rich(language="ar"), "note": credit_note()}[name]


@pytest.mark.parametrize("name", ["rich", "ar", "note"])
def test_the_same_document_is_the_same_bytes_in_any_process(name: str) -> None:
    import hashlib

    made = sample(name)
    mine = pdf_of(made)
    assert pdf_of(made) == mine
    other = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=encoded(made),
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )
    assert other.stdout.decode().strip() == hashlib.sha256(mine).hexdigest()
    assert pdf_of(replace(made, number="NOR-007-0043")) != mine


def test_it_is_pdf_a_3_with_its_fonts_in_it(tmp_path: Path) -> None:
    pdf = pdf_of(rich(language="zh"))
    assert re.search(rb"pdfaid:part>3<", pdf) and re.search(rb"pdfaid:conformance>B<", pdf)
    (tmp_path / "in.pdf").write_bytes(pdf)
    ran = subprocess.run(["pdffonts", tmp_path / "in.pdf"], capture_output=True, check=True)
    rows = ran.stdout.decode().splitlines()[2:]
    assert {re.split(r"\+|-", row.split()[0])[1] for row in rows} >= {"Inter", "NotoSansCJKjp"}
    assert all(re.search(r" yes yes yes +\d+", row) for row in rows)
