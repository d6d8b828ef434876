"""Whatever a name has in it, its document is set: what no font has becomes a box."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.documents.fonts import BOX, LEVELS, Coverage
from tests.documents.pdfs import pdf_of, typesetter, words_of
from tests.documents.samples import BUYER, invoice, line, rich


def fitted(text: str, level: int = 0) -> str:
    coverage: Coverage = typesetter().coverage
    return coverage.fit(text, level)


@pytest.mark.parametrize(
    "name",
    [
        "Ελληνικά Ἀθῆναι",
        "Россия Ўзбекистон",
        "شركة الأفق",
        "פתח תקווה",
        "中文公司 株式会社 한국어",
        "ไทย จำกัด",
        "हिन्दी कंपनी",
        "Łódź Þór Ağaç Việt",
        "₽ ₴ ₹ ₺ € £ ¥",
    ],
)
def test_scripts_that_the_fonts_have_stay_as_they_are(name: str) -> None:
    assert fitted(name) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoe 🎉", f"Zoe {BOX}"),
        ("👍🏽", BOX),
        ("👨\u200d👩", f"{BOX}\u200d{BOX}"),
        ("⚡\ufe0f", None),
        ("\u202eevil\u202c", "evil"),
        ("\u2066a\u2069\u200e\u200f\u061c", "a"),
        ("a\x01b\x7f\x85c", "abc"),
        ("a\tb\r\nc\u2028d", "a b\nc\nd"),
        ("𝐁𝐨𝐥𝐝 ﬁ", None),
        ("soft\u00adhyphen", "softhyphen"),
        ("\ue000\U000f0000\ufffe\u0378", BOX * 4),
        ("ꦗꦮ", None),
        ("e\u0301", "é"),
    ],
)
def test_what_cannot_be_shown_is_left_out_or_boxed(text: str, shown: str | None) -> None:
    found = fitted(text)
    if shown is not None:
        assert found == shown
    assert fitted(found) == found


def test_a_letter_in_a_mathematical_script_is_the_letter() -> None:
    assert fitted("𝐁𝐨𝐥𝐝") == "Bold"


def test_each_level_is_plainer() -> None:
    text = "נִקּוּד क्ष中"
    assert fitted(text, 0) == text
    assert fitted(text, 1) == "נקוד कष中"
    assert set(fitted(text, LEVELS - 1)) == {BOX, " "}


@given(st.lists(st.text(max_size=60), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_any_text_anywhere_is_set(texts: list[str]) -> None:
    name, item, note, memo = texts
    made = invoice(line(1, name=item, description=note), buyer=replace(BUYER, name=name), memo=memo)
    assert pdf_of(made).startswith(b"%PDF-")


@given(st.text(alphabet=st.characters(categories=["M", "L", "Cf"]), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_any_marks_on_any_letters_are_set(name: str) -> None:
    assert pdf_of(invoice(buyer=replace(BUYER, name=name))).startswith(b"%PDF-")


def test_markup_in_a_name_stays_text() -> None:
    hostile = '#image("x") *bold* <b>hi</b> $x$ #{1+1} [a] // c \\ `d` @ref = h'
    made = invoice(
        line(1, name=hostile, description=hostile), buyer=replace(BUYER, name=hostile), memo=hostile
    )
    assert words_of(pdf_of(made)).replace(" ", "").count(hostile.replace(" ", "")) >= 3


def test_names_of_every_script_are_read_back() -> None:
    said = words_of(pdf_of(rich(buyer=replace(BUYER, name="Ελλάς 中文 Россия 🎉"))))
    assert f"Ελλάς 中文 Россия {BOX}" in said


def test_the_longest_texts_are_set() -> None:
    huge = "W" * 255
    made = invoice(
        line(1, name=huge, description="d" * 5000),
        buyer=replace(BUYER, name=huge),
        memo="m" * 5000,
    )
    assert pdf_of(made).startswith(b"%PDF-")
