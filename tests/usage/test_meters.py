"""A value is read alike by ingest, in Python, and by the database, which sums it."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from billing_gql.kernel import checks
from billing_gql.kernel.problems import InvalidInput
from billing_gql.store.columns import to_json
from billing_gql.store.database import Database, run_sql
from billing_gql.usage.meters import metered_number, metered_text

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20),
    st.decimals(allow_nan=False, allow_infinity=False, places=14),
    st.builds(
        lambda n, scale: Decimal(n).scaleb(scale), st.integers(-999, 999), st.integers(-99, 97)
    ),
    st.sampled_from([Decimal("1.0"), Decimal("-0.0"), Decimal("1E+2"), Decimal("0E+30"), 10**18]),
    st.integers(0, 300).map(lambda digits: Decimal("0." + "1" * digits + "1")),
)
STRINGS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.sampled_from(["1", "-1.50", "+1", " 1", "1\n", "1e5", "1.0000000000001", "true", "٣", ""]),
    st.sampled_from(["a", "é", "😀"]).flatmap(
        lambda character: st.integers(253, 257).map(lambda times: character * times)
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS)
NAMES = ["a", "b", "0", "1", "-1", "+1", " 1", "1 ", "٣", "-9", "x" * 3, "99999999999"]
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)


async def agree(
    database: Database,
    function: str,
    read: Callable[[Mapping[str, object], str], object],
    properties: dict[str, object],
    path: str,
) -> None:
    """What Python refuses is null in SQL, and what it takes is the same there."""
    checks.json_value(properties, "properties")
    try:
        wanted: object = read(properties, path)
    except InvalidInput as refused:
        wanted = None
        assert refused.field == ("properties", *path.split("."))
    async with database.snapshot() as session:
        found = await run_sql(
            session,
            text(f"SELECT {function}(CAST(:properties AS jsonb), :path)"),
            {"properties": to_json(properties), "path": path},
        )
        assert found.scalar_one() == wanted


PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(".".join)


@settings(deadline=None, max_examples=300)
@given(value=SCALARS)
async def test_a_scalar_is_read_alike(database: Database, value: object) -> None:
    await agree(database, "metered_text", metered_text, {"a": value}, "a")
    await agree(database, "metered_number", metered_number, {"a": value}, "a")


@settings(deadline=None, max_examples=300)
@given(value=JSON, path=PATHS)
async def test_a_path_is_followed_alike(database: Database, value: object, path: str) -> None:
    for properties in ({"a": value}, {"0": value, "b": [value, [value]]}):
        for at in (path, f"a.{path}", f"b.{path}"):
            await agree(database, "metered_text", metered_text, properties, at)
            await agree(database, "metered_number", metered_number, properties, at)


@pytest.mark.parametrize(
    ("values", "text_"),
    [
        ([1, Decimal("1.0"), Decimal("1.00"), Decimal("10E-1"), "1"], "1"),
        ([100, Decimal("1E+2")], "100"),
        ([0, Decimal("-0.0"), Decimal("0E-5")], "0"),
        ([Decimal("-2.50")], "-2.5"),
        (["1.0"], "1.0"),
        ([True, "true"], "true"),
        ([False], "false"),
        ([""], ""),
        ([" a "], " a "),
        (["x" * 255], "x" * 255),
    ],
)
def test_equal_values_are_equal_texts(values: list[object], text_: str) -> None:
    assert {metered_text({"a": {"b": value}}, "a.b") for value in values} == {text_}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "not nothing"),
        ({}, "not an object or a list"),
        ([1], "not an object or a list"),
        ("x" * 256, "at most 255 characters, not 256"),
        (Decimal("0." + "1" * 254), "at most 255 characters, not 256"),
    ],
)
def test_what_is_no_scalar_is_refused_at_its_place(value: object, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        metered_text({"a": {"b": value}}, "a.b")
    assert refused.value.field == ("properties", "a", "b")
