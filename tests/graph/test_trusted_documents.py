"""Registered documents, run by their ids; and a service on which nothing else runs."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from billing_gql.graph.bodies import HttpProblem
from billing_gql.graph.limits import Limits
from billing_gql.graph.persisted import TRUSTED_SECONDS, PersistedDocuments
from billing_gql.graph.read_document import Documents
from billing_gql.graph.schema import make_schema
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.trusted_documents import remove
from tests.graph.persisting import (
    NAME,
    RESPONSE_TYPE,
    data,
    get,
    hashed,
    refused,
    send,
    service,
    sha256,
    trust,
    unique,
)
from tests.serving import nobodys_context
from tests.support import Api, counted

ACME = {"organization": {"name": "Acme"}}


@pytest.fixture
async def strict(api: Api, database: Database) -> AsyncIterator[Api]:
    """The organization at a service that runs registered documents only."""
    async with service(api, database, trusted_documents_only=True) as found:
        yield found


async def test_by_id_in_a_post_and_in_a_get(api: Api, other: Api, database: Database) -> None:
    text = unique()
    name = f"app~1.0~{uuid4().hex}"
    await trust(database, text)
    await trust(database, text, name)
    for document_id in (f"sha256:{sha256(text)}", sha256(text), name):
        for accept in ("application/json", RESPONSE_TYPE):
            response = await send(api, {"documentId": document_id}, Accept=accept)
            assert data(response) == ACME
            assert response.headers["content-type"].startswith(accept)
        assert data(await get(api, documentId=document_id)) == ACME
    # One text is everybody's; what it reads is the key's.
    assert data(await send(other, {"documentId": name})) == {"organization": {"name": "Other"}}
    unknown = await api.http.post("/graphql", json={"documentId": name})
    refused(unknown, 401, "UNAUTHENTICATED")


async def test_variables_and_the_name_of_an_operation(api: Api, database: Database) -> None:
    await api.customer("one")
    await api.customer("two")
    text = unique(
        "query Few($n: Int) { customers(first: $n) { nodes { externalId } } }"
        ' mutation Rename { organizationUpdate(input: {name: "New"}) { organization { name } } }'
    )
    asked = {"documentId": await trust(database, text)}
    few = {**asked, "operationName": "Few", "variables": {"n": 1}}
    assert len(data(await send(api, few))["customers"]["nodes"]) == 1
    assert len(data(await get(api, **{**few, "variables": {"n": 2}}))["customers"]["nodes"]) == 2
    refused(await send(api, asked), 400, "BAD_REQUEST", "say which by operationName")
    refused(await get(api, **asked, operationName="Rename"), 405, "METHOD_NOT_ALLOWED")
    renamed = data(await send(api, {**asked, "operationName": "Rename"}))
    assert renamed["organizationUpdate"]["organization"] == {"name": "New"}


async def test_limits_hold_when_it_is_run(api: Api, database: Database) -> None:
    text = unique(
        "query ($n: Int) { customers(first: $n) { nodes { subscriptions(first: $n) { nodes { id } }"
        " invoices(first: $n) { nodes { id } } } } }"
    )
    asked = {"documentId": await trust(database, text)}
    assert data(await send(api, {**asked, "variables": {"n": 3}})) == {"customers": {"nodes": []}}
    with counted(database) as statements:
        response = await send(api, {**asked, "variables": {"n": 100}}, Accept=RESPONSE_TYPE)
    refused(response, 400, "QUERY_TOO_COMPLEX")
    assert len(statements) == 1


@pytest.mark.parametrize("accept", ["application/json", RESPONSE_TYPE])
async def test_an_unknown_id(api: Api, database: Database, accept: str) -> None:
    text = unique()
    for document_id in (f"sha256:{sha256(text)}", sha256(text), "nobody", "x-mine:nobody"):
        response = await send(api, {"documentId": document_id}, Accept=accept)
        refused(response, 404, "PERSISTED_DOCUMENT_NOT_FOUND", f"'{document_id}'")
    # It is known from the moment that it is registered.
    await trust(database, text)
    assert data(await send(api, {"documentId": f"sha256:{sha256(text)}"})) == ACME


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": ""},
        {"documentId": 5},
        {"documentId": []},
        {"documentId": {"sha256": "x"}},
        {"documentId": False},
        {"documentId": "a b"},
        {"documentId": "sha256:x"},
        {"documentId": "sha256:" + "AB" * 32},
        {"documentId": "md5:" + "ab" * 16},
        {"documentId": "a\u0000"},
        {"documentId": "𝄞"},
        {"documentId": "a" * 256},
        {"documentId": "a" * 1_500_000},
        {"documentId": "nobody", "query": NAME},
        {"documentId": "nobody", "extensions": hashed("ab" * 32)},
        {"documentId": "nobody", "operationName": 5},
        {"documentId": "nobody", "variables": []},
        {"documentId": "nobody", "extensions": "x"},
        {"documentId": None},
        {"documentId": None, "query": ""},
    ],
)
async def test_what_is_no_request(api: Api, database: Database, body: object) -> None:
    with counted(database) as statements:
        error = refused(await send(api, body), 400, "BAD_REQUEST")
    assert len(statements) == 1
    assert len(error["message"]) < 300


async def test_a_get_that_is_no_request(api: Api) -> None:
    refused(await get(api, documentId=""), 400, "BAD_REQUEST", "`documentId`")
    refused(await get(api, documentId="nobody", query=NAME), 400, "BAD_REQUEST", "not two of them")
    refused(await get(api), 400, "BAD_REQUEST", "No GraphQL query")


async def test_no_statement_once_it_is_known(api: Api, database: Database) -> None:
    asked = {"documentId": await trust(database, unique())}
    with counted(database) as first:
        data(await send(api, asked))
    with counted(database) as second:
        data(await send(api, asked))
    with counted(database) as plain:
        data(await send(api, {"query": NAME}))
    assert len(first) == len(second) + 1
    assert len(second) == len(plain) == 1


async def test_many_at_once(api: Api, database: Database) -> None:
    ids = [await trust(database, unique()) for _ in range(10)]
    responses = await asyncio.gather(*(send(api, {"documentId": one}) for one in ids * 5))
    assert all(data(one) == ACME for one in responses)


async def test_a_removed_one_runs_for_a_minute_at_most(api: Api, database: Database) -> None:
    now = 1_000.0
    schema = make_schema()._schema
    documents = Documents(schema, Limits.of(Settings()), introspection=True)
    persisted = PersistedDocuments(documents, trusted_only=True, clock=lambda: now)
    text = unique()
    document_id = await trust(database, text)

    async def found(query: str | None, document_id: str | None) -> str:
        context = nobodys_context(database)
        try:
            return await persisted.text_of(context, query, document_id, None)
        finally:
            await context.close()

    for sent in ((None, document_id), (text, None)):
        assert await found(*sent) == text
    await database.work(lambda session: remove(session, [document_id]))
    now += TRUSTED_SECONDS - 0.1
    for sent in ((None, document_id), (text, None)):
        assert await found(*sent) == text
    now += 0.1
    with pytest.raises(HttpProblem, match="There is no registered document"):
        await found(None, document_id)
    with pytest.raises(HttpProblem, match="Only registered documents run here"):
        await found(text, None)


async def test_only_registered_documents(strict: Api, database: Database) -> None:
    text, name = unique(), f"app-{uuid4().hex}"
    refused(await send(strict, {"query": text}), 403, "PERSISTED_DOCUMENT_REQUIRED")
    refused(await get(strict, query=text), 403, "PERSISTED_DOCUMENT_REQUIRED")
    await trust(database, text, name)
    # Its id, its hash either way, and the very text: all name it.
    for body in (
        {"documentId": name},
        {"documentId": f"sha256:{sha256(text)}"},
        {"extensions": hashed(sha256(text))},
        {"extensions": hashed(name)},
        {"query": text},
        {"query": text, "extensions": hashed(sha256(text))},
    ):
        assert data(await send(strict, body)) == ACME
        assert data(await get(strict, **body)) == ACME
    for near in (text + " ", text.upper(), text[:-1]):
        refused(await send(strict, {"query": near}), 403, "PERSISTED_DOCUMENT_REQUIRED")
    with counted(database) as statements:
        data(await send(strict, {"query": text}))
        data(await send(strict, {"documentId": name}))
    assert len(statements) == 2


async def test_nothing_else_is_remembered_there(strict: Api) -> None:
    text = unique()
    sent = {"query": text, "extensions": hashed(sha256(text))}
    for _ in range(2):
        refused(await send(strict, sent), 403, "PERSISTED_DOCUMENT_REQUIRED")
        # Not PersistedQueryNotFound, at which a client sends the text.
        unknown = await send(strict, {"extensions": hashed(sha256(text))})
        refused(unknown, 404, "PERSISTED_DOCUMENT_NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        "{",
        "{ nothing }",
        'mutation { organizationUpdate(input: {name: "Hacked"}) { organization { name } } }',
        "{ organization { name } } #" + "x" * 1_500_000,
    ],
)
async def test_what_is_not_registered_is_not_even_read(strict: Api, query: str) -> None:
    refused(await send(strict, {"query": query}), 403, "PERSISTED_DOCUMENT_REQUIRED")


async def test_graphiql_is_off_there(strict: Api) -> None:
    html = {"Accept": "text/html"}
    refused(await strict.http.get("/graphql", headers=html), 401, "UNAUTHENTICATED")
    refused(await strict.http.get("/graphiql/page.js", headers=html), 404, "NOT_FOUND")
    keyed = await strict.http.get("/graphql", headers={**html, **strict.headers})
    refused(keyed, 400, "BAD_REQUEST", "No GraphQL query")


async def test_a_page_is_for_browsers_that_ask_nothing(api: Api, database: Database) -> None:
    html = {"Accept": "text/html", **api.headers}
    page = await api.http.get("/graphql", headers=html)
    assert page.headers["content-type"].startswith("text/html")
    document_id = await trust(database, unique())
    asked = await api.http.get("/graphql", params={"documentId": document_id}, headers=html)
    assert data(asked) == ACME


async def test_without_introspection_a_registered_one_is_none_either(
    api: Api, database: Database
) -> None:
    """Registration holds it against the settings then; execution against those now."""
    document_id = await trust(database, unique("{ __schema { description } }"))
    assert data(await send(api, {"documentId": document_id}))
    async with service(api, database, introspection=False) as quiet:
        refused(await send(quiet, {"documentId": document_id}), 200, "BAD_REQUEST")
