"""Apollo's client with its link for persisted queries, on the real service."""

import asyncio
import json
import os
from uuid import uuid4

import pytest

from billing_gql.store.database import Database
from tests.clients.conftest import Installed
from tests.graph.persisting import service, trust
from tests.support import Api, Json

SENT_WITH_TEXT = {"method": "POST", "hasText": True, "status": 200, "code": None}


def query() -> tuple[str, str]:
    """The name and the text of a query that no other test has, as Apollo's printer has it."""
    name = f"Name{uuid4().hex}"
    return name, f"query {name} {{\n  organization {{\n    name\n    __typename\n  }}\n}}"


async def run(npm_installed: Installed, api: Api, **what: object) -> Json:
    """What the client made of it."""
    folder = await asyncio.to_thread(npm_installed, "apollo")
    process = await asyncio.create_subprocess_exec(
        "node",
        "client.mjs",
        f"{str(api.http.base_url).rstrip('/')}/graphql",
        json.dumps(what),
        cwd=folder,
        env={**os.environ, "BILLING_KEY": api.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    found: Json = json.loads(out)
    return found


@pytest.mark.parametrize("get", [True, False])
async def test_automatic(npm_installed: Installed, api: Api, get: bool) -> None:
    _, text = query()
    ran = await run(npm_installed, api, queries=[text, text], get=get)
    acme = {"data": {"organization": {"name": "Acme", "__typename": "Organization"}}}
    assert ran["results"] == [acme, acme]
    by_hash = {"method": "GET" if get else "POST", "hasText": False, "status": 200}
    assert ran["wire"] == [
        {**by_hash, "code": "PERSISTED_QUERY_NOT_FOUND"},
        SENT_WITH_TEXT,
        {**by_hash, "code": None},
    ]


async def test_a_manifest_on_a_service_that_runs_nothing_else(
    npm_installed: Installed, api: Api, database: Database
) -> None:
    (name, text), (unknown, refused) = query(), query()
    ids = {name: f"app-{name}", unknown: f"app-{unknown}"}
    await trust(database, text, ids[name])
    async with service(api, database, trusted_documents_only=True) as strict:
        ran = await run(npm_installed, strict, queries=[refused, text], get=False, ids=ids)
    assert ran["results"][0]["error"] == f"There is no registered document '{ids[unknown]}'."
    assert ran["results"][1]["data"]["organization"]["name"] == "Acme"
    # One that is not registered is asked for once, and stops nothing else.
    sent = {"method": "POST", "hasText": False}
    assert ran["wire"] == [
        {**sent, "status": 404, "code": "PERSISTED_DOCUMENT_NOT_FOUND"},
        {**sent, "status": 200, "code": None},
    ]
