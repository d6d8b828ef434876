"""A link opens what it was made for, until it expires, and nothing else."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from billing_gql.documents.sign import Verdict, key_of, signature, signer, verify

KEY = bytes(range(32))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/invoices/inv_1.pdf"


def parts(link: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(link).query)


def test_a_link_holds_until_its_last_second() -> None:
    link = signer(KEY, "https://bills.example/base/", NOW, 60).link(PATH)
    assert link.startswith("https://bills.example/base/invoices/inv_1.pdf?expires=1767225660&")
    query = parts(link)
    (expires,), (given,) = query["expires"], query["signature"]
    for later, verdict in ((59, Verdict.GOOD), (60, Verdict.EXPIRED)):
        assert verify(KEY, PATH, expires, given, NOW + timedelta(seconds=later)) is verdict


@pytest.mark.parametrize(
    ("path", "expires", "breakdown"),
    [
        ("/invoices/inv_2.pdf", "99", ()),
        ("/credit-notes/inv_1.pdf", "99", ()),
        ("/invoices/inv_1.xml", "99", ()),
        (PATH, "100", ()),
        (PATH, "99", ("source",)),
        (PATH + "99", "", ()),
        (PATH, "", ()),
        (PATH, "9" * 400, ()),
        (PATH, "٩٩", ()),
    ],
)
def test_a_signature_is_of_one_path_one_time_and_one_breakdown(
    path: str, expires: str, breakdown: tuple[str, ...]
) -> None:
    given = signature(KEY, PATH, "99")
    assert verify(KEY, path, expires, given, NOW, breakdown) is Verdict.FORGED
    assert verify(KEY, PATH, "99", given, NOW) is Verdict.EXPIRED


@pytest.mark.parametrize("given", ["", "x", "é" * 43, signature(KEY, PATH, "99")[:-1]])
def test_another_signature_opens_nothing(given: str) -> None:
    assert verify(KEY, PATH, "99", given, NOW) is Verdict.FORGED


def test_breakdowns_cannot_run_into_each_other() -> None:
    assert signature(KEY, PATH, "1", ("a", "b")) != signature(KEY, PATH, "1", ("ab",))
    assert signature(KEY, PATH, "1", ("a", "b")) != signature(KEY, PATH, "1", ("b", "a"))


def test_the_operators_secret_makes_another_key_for_each_organization() -> None:
    assert key_of(None, "org_1", KEY) == KEY
    one, two = (key_of("s" * 32, name, KEY) for name in ("org_1", "org_2"))
    assert len({one, two, KEY}) == 3
