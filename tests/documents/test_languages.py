"""Words, amounts and dates of documents, against what each language is known to write."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from billing_gql.documents.languages import (
    Words,
    fill,
    fill_parts,
    known_languages,
    language_of,
)
from billing_gql.invoices.credit_notes import CreditNoteReason, CreditNoteSettlement

N, S = "\u00a0", "\u202f"


@pytest.mark.parametrize(
    ("tag", "currency", "amount", "written"),
    [
        ("en", "USD", "1234.5", "$1,234.50"),
        ("en", "JPY", "1234", "¥1,234"),
        ("en", "KWD", "-1.25", f"-KWD{N}1.250"),
        ("de", "EUR", "1234.5", f"1.234,50{N}€"),
        ("fr", "EUR", "1234567.5", f"1{S}234{S}567,50{N}€"),
        ("ja", "JPY", "123456", "￥123,456"),
        ("ja", "USD", "0.5", "$0.50"),
        ("zh", "CNY", "-12.5", "-¥12.50"),
        ("pl", "PLN", "12345.6", f"12{N}345,60{N}zł"),
        ("ru", "RUB", "1234.5", f"1{N}234,50{N}₽"),
        ("el", "EUR", "1234.5", f"1.234,50{N}€"),
        ("pt-BR", "BRL", "1234.5", f"R${N}1.234,50"),
        ("nl", "EUR", "-1234.5", f"€{N}-1.234,50"),
        ("ar", "USD", "1234.5", f"\u200f1,234.50{N}US$"),
    ],
)
def test_amounts_have_the_currencys_decimals_and_the_languages_form(
    tag: str, currency: str, amount: str, written: str
) -> None:
    found = language_of(tag, currency).amount(Decimal(amount))
    assert found.replace(f"KWD{N}", "KWD") == written.replace(f"KWD{N}", "KWD")


def test_figures_stand_without_currency_and_show_all_of_a_unit_price() -> None:
    german = language_of("de", "EUR")
    assert german.figure(Decimal("1234.5")) == "1.234,50"
    assert german.figure(Decimal("-0.1")) == "-0,10"
    assert german.figure(Decimal("0.000123"), exact=True) == "0,000123"
    assert german.figure(Decimal("12.5"), exact=True) == "12,50"
    assert language_of("ja", "JPY").figure(Decimal(1234567)) == "1,234,567"
    assert german.number(Decimal("1234567.125")) == "1.234.567,125"
    assert german.percent(Decimal("8.25")) == f"8,25{N}%"
    huge = Decimal("123456789012345678.123456789012")
    assert language_of("en", "USD").number(huge) == "123,456,789,012,345,678.123456789012"


def test_dates() -> None:
    first, last = date(2026, 1, 1), date(2026, 1, 31)
    assert language_of("en", "USD").day(first) == "January 1, 2026"
    assert language_of("en-GB", "USD").day(first) == "1 January 2026"
    assert language_of("ja", "USD").day(first) == "2026年1月1日"
    assert language_of("de", "USD").span(first, last) == "01.01.2026 – 31.01.2026"
    assert language_of("de", "USD").span(first, first) == "01.01.2026"
    assert language_of("de", "USD").span(None, None) == ""
    assert language_of("de", "USD").country("US") == "Vereinigte Staaten"
    assert language_of("de", "USD").country("QX") == "QX"


def test_days_ahead_are_told_in_days() -> None:
    assert language_of("en", "USD").in_days(1) == "in 1 day"
    assert language_of("en", "USD").in_days(400) == "in 400 days"
    assert language_of("ru", "USD").in_days(3) == "через 3 дня"


@pytest.mark.parametrize("tag", ["sv", "zh-TW", "zh-Hant-HK", "tlh", "", "x" * 300])
def test_a_language_without_words_is_english_as_a_whole(tag: str) -> None:
    found = language_of(tag, "USD")
    assert (found.words.invoice, found.day(date(2026, 1, 1))) == ("Invoice", "January 1, 2026")


def test_arabic_runs_from_right_to_left_and_no_other_does() -> None:
    backward = {tag for tag in known_languages() if language_of(tag, "USD").is_right_to_left}
    assert backward == {"ar"}


def test_each_language_has_every_word() -> None:
    english = language_of("en", "USD").words
    assert len(known_languages()) == 13
    for tag in known_languages():
        words = language_of(tag, "USD").words
        assert set(words.reasons) == {one.value for one in CreditNoteReason}
        assert set(words.settlements) == {one.value for one in CreditNoteSettlement}
        for spoken, same in ((words, english), (words.hosted, english.hosted)):
            for name in spoken.__struct_fields__:
                said = getattr(spoken, name)
                if isinstance(said, str):
                    assert said.strip() == said != "", (tag, name)
                    assert braces(said) == braces(getattr(same, name)), (tag, name)


def braces(sentence: str) -> set[str]:
    return {part.partition("}")[0] for part in sentence.split("{")[1:]}


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert fill("{a} of {b}", a="{b}", b="{a}") == "{b} of {a}"
    assert fill_parts("pay {a}", a="1") == [("pay ", False), ("1", True)]


def test_an_unknown_word_in_a_table_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(b'surplus = "x"', type=Words)
