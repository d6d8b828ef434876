"""Subscriptions by id and by hash, over server-sent events and WebSockets."""

from uuid import uuid4

import pytest

from billing_gql.store.database import Database
from tests.graph.persisting import hashed, refused, service, sha256, trust, unique
from tests.graph.streams import Events, talking
from tests.support import Api, Json

BRIEF = "subscription ($invoice: ID) { invoiceChanged(invoiceId: $invoice) { id memo } }"


async def memo(api: Api, invoice: Json, words: str) -> None:
    await api.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo=words)


def ways(text: str, document_id: str) -> list[Json]:
    """What may stand in a request for a registered text."""
    return [
        {"documentId": document_id},
        {"documentId": f"sha256:{sha256(text)}"},
        {"extensions": hashed(sha256(text))},
        {"query": text},
    ]


async def test_over_server_sent_events(api: Api, database: Database) -> None:
    invoice = await api.one_off(await api.customer(), "1.00")
    text, name = unique(BRIEF), f"app-{uuid4().hex}"
    await trust(database, text, name)
    headers = {**api.headers, "Accept": "text/event-stream"}
    for n, way in enumerate(ways(text, name)):
        body = {**way, "variables": {"invoice": invoice["id"]}}
        async with api.http.stream("POST", "/graphql", json=body, headers=headers) as response:
            assert response.status_code == 200
            events = Events(response)
            await memo(api, invoice, f"Memo {n}")
            assert (await events.invoice())["memo"] == f"Memo {n}"
    unknown = await api.http.post("/graphql", json={"documentId": "nobody"}, headers=headers)
    refused(unknown, 404, "PERSISTED_DOCUMENT_NOT_FOUND")


async def test_over_a_web_socket(api: Api, database: Database, service_url: str) -> None:
    invoice = await api.one_off(await api.customer(), "1.00")
    text, name = unique(BRIEF), f"app-{uuid4().hex}"
    await trust(database, text, name)
    async with talking(service_url, key=api.key) as talk:
        for n, way in enumerate(ways(text, name)):
            payload = {**way, "variables": {"invoice": invoice["id"]}}
            await talk.send(type="subscribe", id=str(n), payload=payload)
            await talk.send(type="ping")
            await talk.is_live()
            await memo(api, invoice, f"Memo {n}")
            assert (await talk.invoice(str(n)))["memo"] == f"Memo {n}"
            await talk.send(type="complete", id=str(n))
            await talk.send(type="ping")
            await talk.is_live()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"documentId": "nobody"}, "PERSISTED_DOCUMENT_NOT_FOUND"),
        ({"documentId": "a b"}, "BAD_REQUEST"),
        ({"documentId": 5}, "BAD_REQUEST"),
        ({"documentId": "nobody", "query": BRIEF}, "BAD_REQUEST"),
        ({"extensions": hashed("0a" * 32)}, "PERSISTED_QUERY_NOT_FOUND"),
        ({"extensions": hashed("0a" * 32, 2)}, "PERSISTED_QUERY_NOT_SUPPORTED"),
        ({}, "BAD_REQUEST"),
    ],
)
async def test_what_a_web_socket_is_told(
    api: Api, service_url: str, payload: Json, code: str
) -> None:
    async with talking(service_url, key=api.key) as talk:
        await talk.send(type="subscribe", id="a", payload=payload)
        told = await talk.receive()
        assert (told["type"], told["id"]) == ("error", "a")
        assert told["payload"][0]["extensions"]["code"] == code
        await talk.send(type="ping")
        await talk.is_live()


async def test_only_registered_documents_are_streamed(api: Api, database: Database) -> None:
    text = unique(BRIEF)
    async with service(api, database, trusted_documents_only=True) as strict:
        headers = {**api.headers, "Accept": "text/event-stream"}
        sent = await strict.http.post("/graphql", json={"query": text}, headers=headers)
        refused(sent, 403, "PERSISTED_DOCUMENT_REQUIRED")
        async with talking(str(strict.http.base_url).rstrip("/"), key=api.key) as talk:
            await talk.send(type="subscribe", id="a", payload={"query": text})
            told = await talk.receive()
            assert told["payload"][0]["extensions"]["code"] == "PERSISTED_DOCUMENT_REQUIRED"
