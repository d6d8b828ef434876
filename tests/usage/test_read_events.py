"""Files of events: NDJSON and CSV, packed or not, each line good or told with its number."""

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from billing_gql.kernel.problems import InvalidInput, Problem
from billing_gql.usage.ingest import NewEvent
from billing_gql.usage.read_events import CsvMapping, read_event, read_file

LINE = '{"transactionId": "t1", "eventName": "e", "externalCustomerId": "acme"}'


def test_an_event_is_read_with_every_member_and_exact_numbers() -> None:
    found = read_event(
        b'{"transactionId": "t1", "eventName": "e", "customerId": "cus_1", "source": "eu",'
        b' "externalSubscriptionId": "s", "timestamp": "2026-01-31T12:00:00+02:00",'
        b' "properties": {"a": 0.1, "b": {"c": [1, 1e2, null, true]}}}'
    )
    assert found == NewEvent(
        transaction_id="t1",
        event_name="e",
        customer_id="cus_1",
        source="eu",
        external_subscription_id="s",
        timestamp=datetime(2026, 1, 31, 10, tzinfo=UTC),
        properties={"a": Decimal("0.1"), "b": {"c": [1, Decimal("1e2"), None, True]}},
    )
    assert found.properties is not None
    assert isinstance(found.properties["a"], Decimal)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("", ()),
        ("[]", ()),
        ("null", ()),
        ('{"eventName": "e"}', ("transactionId",)),
        ('{"transactionId": "t1"}', ("eventName",)),
        ('{"transactionId": 5, "eventName": "e"}', ("transactionId",)),
        (LINE[:-1] + ', "nope": 1}', ("nope",)),
        (LINE[:-1] + ', "timestamp": "yesterday"}', ("timestamp",)),
        (LINE[:-1] + ', "properties": []}', ("properties",)),
        (LINE[:-1] + ', "properties": {"a": NaN}}', ()),
        (LINE[:-1] + ', "properties": {"a": 1e99999999999999999999}}', ("properties",)),
        (LINE + LINE, ()),
    ],
)
def test_what_is_no_event_is_refused_at_its_member(line: str, field: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_event(line.encode())
    assert refused.value.field == field
    assert refused.value.message.endswith(".")


def summary(
    path: Path, mapping: CsvMapping | None = None
) -> list[tuple[int, str | tuple[str, ...]]]:
    """The line numbers with the ids, or with where the line is wrong."""
    return [
        (number, read.field if isinstance(read, Problem) else read.transaction_id)
        for number, read in read_file(path, mapping or CsvMapping())
    ]


@pytest.mark.parametrize("name", ["events.ndjson", "events.JSONL.gz", "events"])
def test_a_file_of_lines_is_read_with_line_numbers(tmp_path: Path, name: str) -> None:
    text = "\n".join([LINE, "", '{"eventName": "e"}', LINE.replace("t1", "t2") + "\r", ""])
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert summary(path) == [(1, "t1"), (3, ("transactionId",)), (4, "t2")]


CSV = """transactionId,event_name,when,kind,source
t1,e,2026-01-01T00:00:00Z,"a,
b",eu
t2,,2026-01-02T00:00:00Z,c,
t3,e,never,d,eu
t4,e,2026-01-03T00:00:00Z
t5,e,2026-01-04T00:00:00Z,d,eu,extra
t6,e,,d,
"""
MAPPING = CsvMapping({"when": "timestamp"}, {"externalCustomerId": "acme"})


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["events.csv", "EVENTS.CSV.GZ"])
def test_a_csv_file_is_read_by_its_header(tmp_path: Path, name: str, bom: bytes) -> None:
    path = tmp_path / name
    content = bom + CSV.encode()
    path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
    read = list(read_file(path, MAPPING))
    assert [number for number, _ in read] == [3, 4, 5, 6, 7, 8]
    first, *bad, last = [one for _, one in read]
    assert first == NewEvent(
        transaction_id="t1",
        event_name="e",
        external_customer_id="acme",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        source="eu",
        properties={"kind": "a,\nb"},
    )
    assert all(isinstance(one, InvalidInput) for one in bad)
    assert isinstance(last, NewEvent)
    assert (last.timestamp, last.source, last.properties) == (None, None, {"kind": "d"})


@pytest.mark.parametrize(
    ("header", "columns", "constants", "says"),
    [
        ("a,b", {}, {}, "eventName, transactionId"),
        ("transactionId,b", {}, {}, "No column for eventName"),
        ("", {}, {}, "No column"),
        ("transactionId,eventName", {"transactionId": "nope"}, {}, "nope: not a member"),
        ("transactionId,eventName", {}, {"nope": "x"}, "nope: not a member"),
    ],
)
def test_a_header_that_makes_no_events_is_refused(
    tmp_path: Path,
    header: str,
    columns: Mapping[str, str],
    constants: Mapping[str, str],
    says: str,
) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"{header}\n1,2\n")
    with pytest.raises(InvalidInput) as refused:
        list(read_file(path, CsvMapping(columns, constants)))
    assert says in refused.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_file(tmp_path / "nope.ndjson", CsvMapping()))
