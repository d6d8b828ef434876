"""Documents out of files: GraphQL as it stands, and the manifests that front ends' tools write."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from billing_gql.kernel.problems import InvalidInput, TooManyItems
from billing_gql.store.trusted_documents import MAX_DOCUMENTS, SHA256, checked_id, hash_id

GRAPHQL = (".graphql", ".gql")
MAX_FILE_BYTES = 100_000_000
APOLLO = "apollo-persisted-query-manifest"
APOLLO_VERSION = 1


@dataclass(frozen=True, slots=True)
class Given:
    """A document and where it stands."""

    place: str
    id: str
    text: str
    operation: str | None = None
    """The operation that the manifest says is in it."""


def read_documents(file: Path) -> list[Given]:
    """The documents of a file; raises InvalidInput, TooManyItems or OSError.

    A GraphQL file is one document, byte for byte, and its id is its hash. JSON is a manifest:
    {"id": "text", …} of Relay and of GraphQL Code Generator, or Apollo's.
    """
    with file.open("rb") as opened:
        read = opened.read(MAX_FILE_BYTES + 1)
    if len(read) > MAX_FILE_BYTES:
        raise InvalidInput(f"{file}: has more than {MAX_FILE_BYTES:,} bytes.")
    try:
        text = read.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: is not UTF-8: {error.reason}, byte {error.start}.") from None
    if file.suffix in GRAPHQL:
        return [Given(str(file), hash_id(text), text)]
    if file.suffix != ".json":
        raise InvalidInput(
            f"{file}: must be a document, .graphql or .gql, or a manifest, .json, by its name."
        )
    found = list(_manifest(file, _parsed(file, text)))
    if len(found) > MAX_DOCUMENTS:
        raise TooManyItems(f"{file}: has {len(found):,} documents; at most {MAX_DOCUMENTS:,}.")
    return found


def _parsed(file: Path, text: str) -> dict[str, object]:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            ((often, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise InvalidInput(f"{file}: has {often!r} more than once.")
        return members

    try:
        parsed = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{file}, line {error.lineno}: is not JSON: {error.msg}.") from None
    except RecursionError:
        raise InvalidInput(f"{file}: is no manifest: its JSON is nested too deep.") from None
    if not isinstance(parsed, dict):
        raise InvalidInput(f'{file}: must be a JSON object: {{"id": "text", …}}.')
    return parsed


def _manifest(file: Path, parsed: dict[str, object]) -> Iterator[Given]:
    if "format" in parsed or "operations" in parsed:
        yield from _apollo(file, parsed)
        return
    for id_, text in parsed.items():
        yield _given(file, id_, text, None)


def _apollo(file: Path, parsed: dict[str, object]) -> Iterator[Given]:
    if parsed.get("format") != APOLLO or parsed.get("version") != APOLLO_VERSION:
        raise InvalidInput(
            f"{file}: `format` must be {APOLLO!r} and `version` {APOLLO_VERSION}, not"
            f" {parsed.get('format')!r} and {parsed.get('version')!r}."
        )
    operations = parsed.get("operations")
    if not isinstance(operations, list):
        raise InvalidInput(f"{file}: `operations` must be a list.")
    for index, one in enumerate(operations):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise InvalidInput(
                f"{file}: operation {index} must have `id`, `name`, `type` and `body`."
            )
        yield _given(file, one.get("id"), one.get("body"), one["name"])


def _given(file: Path, id_: object, text: object, operation: str | None) -> Given:
    place = f"{file}, {id_!r}"
    try:
        checked = checked_id(id_)
    except InvalidInput as problem:
        raise InvalidInput(f"{place}: {problem.message}") from None
    if not isinstance(text, str):
        raise InvalidInput(f"{place}: the document must be text.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{place}: the text has half of a surrogate pair.") from None
    if checked.startswith(SHA256) and checked != hash_id(text):
        raise InvalidInput(f"{place}: is not the hash of the text, which is {hash_id(text)}.")
    return Given(place, checked, text, operation)
