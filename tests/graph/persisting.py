"""What the tests of persisted documents say, in few words."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import httpx

from billing_gql.app import make_app
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.store.trusted_documents import NewDocument, register
from tests.serving import serving
from tests.support import Api, Json

NAME = "{ organization { name } }"
RESPONSE_TYPE = "application/graphql-response+json"


def unique(text: str = NAME) -> str:
    """The text as no other test has it."""
    return f"{text} # {uuid4().hex}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def hashed(digest: str, version: object = 1) -> Json:
    """The extensions that an Apollo client sends."""
    return {"persistedQuery": {"version": version, "sha256Hash": digest}}


async def trust(database: Database, text: str, document_id: str | None = None) -> str:
    """Registers a text; its id."""
    one = NewDocument(document_id or f"sha256:{sha256(text)}", text)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    await database.work(lambda session: register(session, [one], now))
    return one.id


async def send(api: Api, body: object, **headers: str) -> httpx.Response:
    return await api.http.post("/graphql", json=body, headers={**api.headers, **headers})


async def get(api: Api, **parameters: object) -> httpx.Response:
    """What is not text goes as JSON."""
    written = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
    }
    return await api.http.get("/graphql", params=written, headers=api.headers)


def refused(response: httpx.Response, status: int, code: str, words: str = "") -> Json:
    """The only error of an answer without data."""
    answer: Json = response.json()
    assert (response.status_code, set(answer) - {"extensions"}) == (status, {"errors"}), answer
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == code, error
    assert words in error["message"]
    found: Json = error
    return found


def data(response: httpx.Response) -> Json:
    """The data of an answer without errors."""
    answer: Json = response.json()
    assert (response.status_code, set(answer)) == (200, {"data", "extensions"}), answer
    found: Json = answer["data"]
    return found


@asynccontextmanager
async def service(api: Api, database: Database, **settings: object) -> AsyncIterator[Api]:
    """The organization at a service with settings of its own."""
    made = Settings.model_validate({"request_seconds": 300, **settings})
    async with (
        serving(make_app(made, database)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as http,
    ):
        yield replace(api, http=http)
