"""Automatic persisted queries, as clients of Apollo's protocol speak them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_gql.graph.limits import Limits
from billing_gql.graph.persisted import PersistedDocuments, Texts
from billing_gql.graph.read_document import Documents
from billing_gql.graph.schema import make_schema
from billing_gql.store.database import Database
from tests.graph.persisting import NAME, data, get, hashed, refused, send, sha256, trust, unique
from tests.serving import nobodys_context
from tests.support import Api, counted

ACME = {"organization": {"name": "Acme"}}
RENAME = 'mutation { organizationUpdate(input: {name: "New"}) { organization { name } } }'


async def test_as_a_client_does_it(api: Api, other: Api) -> None:
    text = unique()
    asked = {"extensions": hashed(sha256(text))}
    unknown = await send(api, asked)
    # Clients know it by this spelling; 200, as not all of them read the others.
    error = refused(unknown, 200, "PERSISTED_QUERY_NOT_FOUND")
    assert error["message"] == "PersistedQueryNotFound"
    assert unknown.headers["cache-control"] == "no-store"
    refused(await get(api, **asked), 200, "PERSISTED_QUERY_NOT_FOUND")
    assert data(await send(api, {"query": text, **asked})) == ACME
    assert data(await send(api, asked)) == ACME
    assert data(await get(api, **asked)) == ACME
    assert data(await send(other, asked)) == {"organization": {"name": "Other"}}
    # That one was no registration.
    by_id = await send(api, {"documentId": f"sha256:{sha256(text)}"})
    refused(by_id, 404, "PERSISTED_DOCUMENT_NOT_FOUND")


async def test_all_of_it_by_get(api: Api) -> None:
    text = unique()
    asked = {"extensions": hashed(sha256(text))}
    assert data(await get(api, query=text, **asked)) == ACME
    assert data(await get(api, **asked)) == ACME
    renaming = unique(RENAME)
    asked = {"extensions": hashed(sha256(renaming))}
    refused(await get(api, query=renaming, **asked), 405, "METHOD_NOT_ALLOWED")
    refused(await get(api, **asked), 405, "METHOD_NOT_ALLOWED")
    assert data(await send(api, {"query": NAME})) == ACME
    assert data(await send(api, {"query": renaming, **asked}))
    assert data(await send(api, asked))


async def test_no_statement_for_a_known_hash(api: Api, database: Database) -> None:
    text = unique()
    asked = {"extensions": hashed(sha256(text))}
    counts = []
    for body in (asked, {"query": text, **asked}, asked):
        with counted(database) as statements:
            await send(api, body)
        counts.append(len(statements))
    assert counts == [2, 1, 1]  # an unknown one may be registered: that is looked up


async def test_a_hash_of_something_else(api: Api) -> None:
    text = unique()
    for wrong in (sha256(text + " "), sha256(text).upper(), "x", "", "ab" * 100_000):
        body = {"query": text, "extensions": hashed(wrong)}
        refused(await send(api, body), 400, "BAD_REQUEST", "is not the SHA-256 of `query`")
        refused(await send(api, {"extensions": hashed(wrong)}), 200, "PERSISTED_QUERY_NOT_FOUND")
    refused(await send(api, {"extensions": hashed(sha256(text))}), 200, "PERSISTED_QUERY_NOT_FOUND")


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.5, [], {}])
async def test_another_version(api: Api, version: object) -> None:
    text = unique()
    for body in ({}, {"query": text}):
        response = await send(api, {**body, "extensions": hashed(sha256(text), version)})
        error = refused(response, 200, "PERSISTED_QUERY_NOT_SUPPORTED")
        assert error["message"] == "PersistedQueryNotSupported"


@pytest.mark.parametrize("sent", [5, "x", [], True, {}, {"version": 1}, {"sha256Hash": 5}])
async def test_what_is_no_hash(api: Api, sent: object) -> None:
    body = {"query": unique(), "extensions": {"persistedQuery": sent}}
    refused(await send(api, body), 400, "BAD_REQUEST", "`extensions.persistedQuery` must be")


async def test_half_a_surrogate_pair_is_no_text(api: Api) -> None:
    for query in ('"query": "# \\ud800"', '"documentId": "\\ud800"'):
        body = f'{{{query}, "extensions": {{"persistedQuery": null}}}}'.encode()
        headers = {"Content-Type": "application/json", **api.headers}
        response = await api.http.post("/graphql", content=body, headers=headers)
        assert response.status_code == 400


async def test_other_extensions_are_none_of_ours(api: Api) -> None:
    for extensions in ({}, {"persistedQuery": None}, {"trace": {"id": 1}}, None):
        assert data(await send(api, {"query": unique(), "extensions": extensions})) == ACME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{ nothing }",
        "query ($n: Int!) { organization { name } }",
        "{ customers(first: 100) { nodes { invoices(first: 100) { nodes { id } } } } }",
        "{ " + " ".join(f"a{n}: organization {{ name }}" for n in range(31)) + " }",
        "{ organization { name } } #" + "x" * 50_000,
        " ".join(f"query q{n} {{ organization {{ name }} }}" for n in range(11)),
    ],
)
async def test_what_cannot_run_is_not_remembered(api: Api, text: str) -> None:
    text = unique(text)
    asked = {"extensions": hashed(sha256(text))}
    await send(api, {"query": text, **asked})
    refused(await send(api, asked), 200, "PERSISTED_QUERY_NOT_FOUND")


async def test_what_its_variables_make_too_dear_is_remembered(api: Api) -> None:
    text = unique(
        "query ($n: Int) { customers(first: $n) { nodes {"
        " invoices(first: $n) { nodes { id } } } } }"
    )
    asked = {"extensions": hashed(sha256(text))}
    dear = {"query": text, "variables": {"n": 100}, **asked}
    refused(await send(api, dear), 200, "QUERY_TOO_COMPLEX")
    refused(await send(api, {**asked, "variables": {"n": 100}}), 200, "QUERY_TOO_COMPLEX")
    assert data(await send(api, {**asked, "variables": {"n": 2}}))


async def test_registered_documents_go_by_their_hash(api: Api, database: Database) -> None:
    """Clients with a manifest send a hash, or an id of the manifest's, and never a text."""
    text = unique()
    name = f"app-{sha256(text)}"
    await trust(database, text, name)
    for digest in (sha256(text), name):
        assert data(await send(api, {"extensions": hashed(digest)})) == ACME


async def test_hostile_load_takes_no_more_than_its_room(database: Database) -> None:
    documents = Documents(make_schema()._schema, Limits(), introspection=True)
    room = 200_000
    persisted = PersistedDocuments(documents, trusted_only=False, automatic_bytes=room)
    context = nobodys_context(database)

    def known(digest: str) -> bool:
        return digest in persisted._automatic._texts

    sent = []
    for filler in ("x" * 10, "x" * 3_000, "€" * 3_000, "𝄞" * 3_000):
        for _ in range(60):
            text = unique(f"{{ __typename }} # {filler}")
            sent.append(sha256(text))
            assert await persisted.text_of(context, text, None, hashed(sent[-1])) == text
            assert persisted._automatic.bytes <= room
    kept = [digest for digest in sent if known(digest)]
    assert kept == sent[-len(kept) :]
    assert 5 <= len(kept) <= room // 12_000
    # What no operation is takes nobody's place.
    for _ in range(300):
        text = unique("{ nothing }")
        await persisted.text_of(context, text, None, hashed(sha256(text)))
    assert [digest for digest in sent if known(digest)] == kept
    await context.close()


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.text(max_size=60), st.booleans())))
def test_texts_are_counted_right(calls: list[tuple[str, str, bool]]) -> None:
    texts = Texts(2_500)
    for key, text, put in calls:
        if put:
            texts.put(key, text, 0.0)
            assert texts.find(key) == (text, 0.0)
        else:
            texts.drop(key)
            assert texts.find(key) is None
        assert 0 <= texts.bytes <= texts.most_bytes
    for key in "abcdef":
        texts.drop(key)
    assert texts.bytes == 0
