"""`documents register`, `list` and `remove`."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import pytest

from billing_gql.cli.documents import check
from billing_gql.cli.read_documents import read_documents
from billing_gql.graph.limits import Limits
from billing_gql.graph.read_document import Documents
from billing_gql.graph.schema import make_schema
from billing_gql.kernel.problems import InvalidInput
from billing_gql.store.database import Database
from billing_gql.store.trusted_documents import find_text
from tests.cli.conftest import Cli, Done

FILE = """# {unique}
query Names($n: Int = 2) {{
  customers(first: $n) {{ nodes {{ ...Name }} }}
}}

mutation Rename {{
  organizationUpdate(input: {{name: "New"}}) {{ organization {{ name }} }}
}}

fragment Name on Customer {{ name }}
"""


def unique(text: str = "{ organization { name } }") -> str:
    """The text as no other test has it."""
    return f"{text} # {uuid4().hex}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def lines(ran: Done) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in ran.stdout.splitlines()]


def written(file: Path, content: object) -> str:
    """The file's name; what is not text or bytes goes as JSON."""
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def apollo(*operations: Mapping[str, object]) -> dict[str, object]:
    return {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": list(operations),
    }


async def test_files_and_manifests(cli: Cli, tmp_path: Path) -> None:
    text = FILE.format(unique=uuid4().hex) + "# ü€𝄞\r\n"
    relay, codegen = unique(), unique("query One { __typename }")
    named = unique("query Two { a: __typename }")
    old = hashlib.md5(relay.encode(), usedforsecurity=False).hexdigest()
    new = hashlib.sha1(codegen.encode(), usedforsecurity=False).hexdigest()
    operation = {"id": sha256(named), "name": "Two", "type": "query", "body": named}
    files = [
        written(tmp_path / "names.graphql", text.encode()),
        written(tmp_path / "relay.json", {old: relay}),
        written(tmp_path / "persisted-documents.json", {new: codegen}),
        written(tmp_path / "manifest.json", apollo(operation)),
    ]
    first = cli.done("documents", "register", *files)
    ids = [f"sha256:{sha256(text)}", old, new, sha256(named)]
    assert [(one["id"], one["isNew"]) for one in lines(first)] == [(one, True) for one in ids]
    assert [str(one["from"]).split(",")[0] for one in lines(first)] == files
    assert first.stderr.strip() == "4 registered, 0 there already."
    again = cli.done("documents", "register", *files, files[0])
    assert [one["isNew"] for one in lines(again)] == [False] * 5
    assert again.stderr.strip() == "0 registered, 4 there already."
    there = {one["id"]: one for one in lines(cli.done("documents", "list"))}
    assert [there[one]["operations"] for one in ids] == [["Names", "Rename"], [], ["One"], ["Two"]]
    assert [there[one]["characters"] for one in ids] == [*map(len, (text, relay, codegen, named))]
    changed = written(tmp_path / "changed.json", {new: unique()})
    assert f"The id '{new}' has another text" in cli.refused("documents", "register", changed)
    removed = cli.done("documents", "remove", *ids[:3])
    assert "3 removed." in removed.stderr
    assert "for 60 seconds more" in removed.stderr
    left = cli.refused("documents", "remove", sha256(named), "nobody")
    assert left == "There is no document 'nobody'."


BAD = [
    ("a.graphql", "{", "a.graphql: line 1: Syntax Error: Expected Name, found <EOF>."),
    ("a.graphql", "", "a.graphql: line 1: Syntax Error: Unexpected <EOF>."),
    (
        "a.graphql",
        "query A {\n  organization {\n    nam\n  }\n}",
        "a.graphql: line 3: Cannot query field 'nam' on type 'Organization'.",
    ),
    ("a.graphql", "fragment F on Query { __typename }", "a.graphql: line 1: Fragment 'F' is never"),
    ("a.graphql", "{ __typename } query B { __typename }", "a.graphql: line 1: This anonymous"),
    ("a.graphql", "{ customers(first: 99999) { nodes { id } } }", "a.graphql: The operation costs"),
    ("a.graphql", "{ __typename } #" + "x" * 50_000, "a.graphql: has 50,016 characters; at most"),
    ("a.graphql", b"{ __typename } # \xff", "a.graphql: is not UTF-8: invalid start byte, byte 17"),
    ("a.graphql", b"{ __typename } # \x00", "a.graphql: must not contain the character U+0000."),
    ("a.txt", "{ __typename }", "a.txt: must be a document, .graphql or .gql, or a manifest"),
    ("a.json", "{\n,", "a.json, line 2: is not JSON: Expecting property name"),
    ("a.json", "[" * 100_000, "a.json: is no manifest: its JSON is nested too deep."),
    ("a.json", [], "a.json: must be a JSON object"),
    ("a.json", '{"b": "1", "a": "1", "a": "2"}', "a.json: has 'a' more than once."),
    ("a.json", {"a b": "{ __typename }"}, "a.json, 'a b': An id of a document is"),
    ("a.json", {"a": 5}, "a.json, 'a': the document must be text."),
    ("a.json", '{"a": "# \\ud800"}', "a.json, 'a': the text has half of a surrogate pair."),
    ("a.json", {"a": "{\n  b\n}"}, "a.json, 'a': line 2: Cannot query field 'b' on type 'Query'."),
    ("a.json", {"sha256:" + "0a" * 32: "{ __typename }"}, "is not the hash of the text, which is"),
    ("a.json", {"format": "x", "version": 1}, "a.json: `format` must be 'apollo-persisted-query-m"),
    (
        "a.json",
        {**apollo(), "version": 2},
        "and `version` 1, not 'apollo-persisted-query-manifest'",
    ),
    ("a.json", {**apollo(), "operations": {}}, "a.json: `operations` must be a list."),
    ("a.json", apollo({}), "a.json: operation 0 must have `id`, `name`, `type` and `body`."),
    ("a.json", apollo({"id": "a", "name": "A"}), "a.json, 'a': the document must be text."),
    (
        "a.json",
        apollo({"id": "a", "name": "A", "type": "query", "body": "query B { __typename }"}),
        "a.json, 'a': the text has no operation 'A', as the manifest says it has.",
    ),
]


def test_what_is_wrong(tmp_path: Path) -> None:
    documents = Documents(make_schema()._schema, Limits(), introspection=True)
    for name, content, words in BAD:
        file = Path(written(tmp_path / name, content))
        with pytest.raises(InvalidInput) as refused:
            check(documents, read_documents(file))
        told = refused.value.message
        assert words in told, told
        assert len(told) < 1_000


async def test_one_that_is_wrong_stores_none(cli: Cli, database: Database, tmp_path: Path) -> None:
    good = unique()
    files = [
        written(tmp_path / "good.graphql", good),
        written(tmp_path / "many.json", {f"a{n}": f"{{ b{n} }}" for n in range(30)}),
    ]
    told = cli.refused("documents", "register", *files).splitlines()
    assert told[0] == "Nothing was registered."
    assert told[1].endswith("many.json, 'a0': line 1: Cannot query field 'b0' on type 'Query'.")
    assert len(told) == 1 + 20 + 1
    assert told[-1] == "… and 10 more."
    assert "No such file" in cli.refused("documents", "register", files[0], "none.graphql")
    # The limits are those of the settings.
    strict = cli.refused("documents", "register", files[0], BILLING_GQL_MAX_DEPTH="1")
    assert "The operation is 2 levels of fields deep; at most 1 are allowed." in strict
    async with database.snapshot() as session:
        assert await find_text(session, sha256(good)) is None


async def test_registered_by_many_processes_at_once(cli: Cli, tmp_path: Path) -> None:
    texts = {f"app-{uuid4().hex}": unique() for _ in range(30)}
    file = written(tmp_path / "all.json", texts)
    ran = await asyncio.gather(
        *(asyncio.to_thread(cli.done, "documents", "register", file) for _ in range(2))
    )
    assert sorted(sum(one["isNew"] is True for one in lines(each)) for each in ran) == [0, 30]


def test_a_service_that_runs_knows_it_at_once(cli: Cli, tmp_path: Path) -> None:
    key = cli.organization()["apiKey"]
    text = unique()
    serving = Cli({**cli.environment, "BILLING_GQL_TRUSTED_DOCUMENTS_ONLY": "true"})
    with serving.running("serve", "--port=0", says="Serving on.*") as service:
        client = httpx.Client(
            base_url=service.url,
            headers={"Authorization": f"Bearer {key}"},
            transport=httpx.HTTPTransport(retries=20),
            timeout=30,
        )
        with client:
            asked = {"documentId": f"sha256:{sha256(text)}"}
            assert client.post("/graphql", json=asked).status_code == 404
            plain = client.post("/graphql", json={"query": "{ organization { name } }"})
            assert plain.status_code == 403
            cli.done("documents", "register", written(tmp_path / "a.graphql", text))
            answer = client.post("/graphql", json=asked).json()
            assert answer["data"] == {"organization": {"name": "Acme"}}
