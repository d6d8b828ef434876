"""Reads events: one from JSON, or many from a file of NDJSON or CSV, packed or not."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from billing_gql.kernel.money import exact_number
from billing_gql.kernel.problems import InvalidInput, Problem
from billing_gql.usage.ingest import NewEvent

_events = msgspec.json.Decoder(NewEvent, float_hook=exact_number)
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_FIELD = re.compile(r"field `([^`]*)`$")


def read_event(encoded: bytes | msgspec.Raw) -> NewEvent:
    """An event from its JSON object; raises InvalidInput at the member that is wrong.

    Numbers with a fraction are read exactly; NaN, Infinity and unknown members are refused.
    """
    try:
        return _events.decode(encoded)
    except msgspec.ValidationError as error:
        raise _at_its_place(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise InvalidInput(f"Not JSON: {error}.") from None


def _at_its_place(error: msgspec.ValidationError) -> InvalidInput:
    message = str(error)
    place = _PLACE.search(message) or _FIELD.search(message)
    path = [step for step in re.split(r"[.\[\]]", place[1]) if step] if place else []
    return InvalidInput(f"{_PLACE.sub('', message)}.", path)


@dataclass(frozen=True, slots=True)
class CsvMapping:
    """How the columns of a CSV file make an event.

    `columns` names the event's member for a column; a column that is none becomes a property.
    `constants` are members with one value for every row.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


MEMBERS = {
    "transactionId": "transaction_id",
    "eventName": "event_name",
    "customerId": "customer_id",
    "externalCustomerId": "external_customer_id",
    "externalSubscriptionId": "external_subscription_id",
    "timestamp": "timestamp",
    "source": "source",
}
"""The event's members, camel case, and the other way to write a column of that name."""


def read_file(path: Path, mapping: CsvMapping) -> Iterator[tuple[int, NewEvent | Problem]]:
    """The events of a file with their line numbers from 1, or what is wrong with a line.

    `.csv` and `.csv.gz` are CSV with a header, anything else is NDJSON. A file that breaks off
    (a cut gzip, bytes that are no text) ends with a Problem. Raises OSError, or InvalidInput for a
    CSV header that cannot make events.
    """
    name = path.name.lower().removesuffix(".gz")
    with _open(path) as file:
        number = 0
        try:
            for number, read in (  # told below if the next one cannot be read
                _read_csv(io.TextIOWrapper(file, "utf-8-sig", newline=""), mapping)
                if name.endswith(".csv")
                else _read_lines(file)
            ):
                yield number, read
        except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError, csv.Error) as error:
            yield number + 1, InvalidInput(f"From here on the file cannot be read: {error}.")


def _read_lines(file: IO[bytes]) -> Iterator[tuple[int, NewEvent | Problem]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield number, read_event(line)
            except Problem as problem:
                yield number, problem


def _open(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return io.BufferedReader(gzip.open(path, "rb"))
    return path.open("rb")


def _read_csv(
    file: io.TextIOWrapper, mapping: CsvMapping
) -> Iterator[tuple[int, NewEvent | Problem]]:
    rows = csv.DictReader(file, restkey="")
    members = _members(rows.fieldnames or [], mapping)
    for row in rows:
        number = rows.line_num
        if "" in row or None in row.values():
            yield number, InvalidInput("The row has not as many columns as the header.")
            continue
        event: dict[str, object] = dict(mapping.constants)
        properties: dict[str, object] = {}
        for column, value in row.items():
            if column not in members:
                properties[column] = value
            elif value != "":
                event[members[column]] = value
        event["properties"] = properties
        try:
            yield number, msgspec.convert(event, NewEvent)
        except msgspec.ValidationError as error:
            yield number, _at_its_place(error)


def _members(columns: Sequence[str], mapping: CsvMapping) -> dict[str, str]:
    if missing := set(mapping.columns) - set(columns):
        raise InvalidInput(
            f"No column {', '.join(sorted(missing))}. Columns: {', '.join(columns)}."
        )
    other_names = {other: member for member, other in MEMBERS.items()}
    members = {}
    for column in columns:
        member = mapping.columns.get(column) or other_names.get(column, column)
        if member in MEMBERS:
            members[column] = member
    unknown = (set(mapping.columns.values()) | set(mapping.constants)) - set(MEMBERS)
    if unknown:
        raise InvalidInput(
            f"{', '.join(sorted(unknown))}: not a member of an event."
            f" Members: {', '.join(MEMBERS)}."
        )
    wanted = {"transactionId", "eventName"} - set(members.values()) - set(mapping.constants)
    if wanted:
        raise InvalidInput(
            f"No column for {', '.join(sorted(wanted))}. Columns: {', '.join(columns) or 'none'}."
            " Name one with --column COLUMN=MEMBER, or give a value with --set MEMBER=VALUE."
        )
    return members
