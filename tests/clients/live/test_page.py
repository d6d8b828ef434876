"""The examples of "Live updates" in docs/api.md, run as they stand but for address and key.

The clients are those of npm; and how they leave, and what they make of heartbeats.
"""

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from billing_gql.app import make_app
from billing_gql.graph.live import Live
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from tests.clients.conftest import Installed, blocks
from tests.graph.streams import PATIENCE, watching
from tests.needs import program
from tests.serving import serving
from tests.support import Api, Json

WRONG = "sk_test_wrong"


def example(mark: str, language: str) -> str:
    (block,) = blocks(f"live: {mark}", language, page="api.md")
    return block


def script(name: str, url: str, key: str) -> str:
    """The example's JavaScript, for an address and a key."""
    text = example(name, "js")
    there = text.replace("https://billing.example", url)
    there = there.replace("wss://billing.example", url.replace("http", "ws"))
    assert there != text
    return f"const key = {json.dumps(key)};\n{there}"


@asynccontextmanager
async def running(*words: str | Path, folder: Path, **env: str) -> AsyncIterator[Process]:
    """The program, which is ended when it is left."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, env={**os.environ, **env}, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def client(folder: Path, name: str, url: str, key: str) -> AsyncIterator[Process]:
    words = ("node", "--import", "./prepare.mjs", "--input-type=module", "-e")
    async with running(*words, script(name, url, key), folder=folder) as process:
        yield process


async def until(process: Process, what: str) -> str:
    """The first line that has this in it."""
    assert process.stdout is not None
    seen = []
    async with asyncio.timeout(PATIENCE):
        async for line in process.stdout:
            seen.append(line.decode())
            if what in seen[-1]:
                return seen[-1]
        assert process.stderr is not None
        raise AssertionError((seen, (await process.stderr.read()).decode()))


async def change(api: Api, words: str) -> Json:
    """A new invoice, whose making is a change."""
    invoice = await api.one_off(await api.customer(words), "1.00")
    await api.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], memo=words)
    return invoice


async def test_each_sees_what_changes(
    npm_installed: Installed, api: Api, other: Api, service_url: str
) -> None:
    folder = await asyncio.to_thread(npm_installed, "live")
    async with (
        client(folder, "graphql-sse", service_url, api.key) as sse,
        client(folder, "graphql-ws", service_url, api.key) as ws,
    ):
        for one in (sse, ws):
            await until(one, "live")
        theirs = await change(other, "theirs")
        mine = await change(api, "mine")
        for one in (sse, ws):
            line = await until(one, "inv_")
            assert mine["id"] in line
            assert theirs["id"] not in line


@pytest.mark.parametrize(("name", "told"), [("graphql-sse", "401"), ("graphql-ws", "4403")])
async def test_a_wrong_key_is_told(
    npm_installed: Installed, service_url: str, name: str, told: str
) -> None:
    folder = await asyncio.to_thread(npm_installed, "live")
    async with client(folder, name, service_url, WRONG) as process:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert "live" not in out.decode()
    assert told in err.decode()


async def test_curl(api: Api, service_url: str) -> None:
    program("curl")
    words = ("sh", "-c", f"exec {example('curl', 'sh')}")
    async with running(*words, folder=Path.cwd(), API=service_url, KEY=api.key) as curl:
        await until(curl, ": ping")
        mine = await change(api, "mine")
        assert (await until(curl, "event: ")).strip() == "event: next"
        sent = json.loads((await until(curl, "data: ")).removeprefix("data: "))
        sample = example("curl answer", "")
        shown = json.loads(sample[sample.index("{") :])
        assert sent["data"]["invoiceChanged"]["id"] == mine["id"]
        assert set(sent["data"]["invoiceChanged"]) == set(shown["data"]["invoiceChanged"])


@pytest.mark.parametrize("kind", ["sse", "ws"])
async def test_who_leaves_is_forgotten_and_heartbeats_are_no_changes(
    npm_installed: Installed, api: Api, database: Database, kind: str
) -> None:
    folder = await asyncio.to_thread(npm_installed, "live")
    application = make_app(Settings(request_seconds=300, heartbeat_seconds=0.02), database)
    live: Live = application.state.live
    async with serving(application) as url, httpx.AsyncClient(base_url=url) as http:
        words = ("node", "leave.mjs", f"{url}/graphql", kind)
        async with running(*words, folder=folder, BILLING_KEY=api.key) as process:
            assert json.loads(await until(process, "")) == "live"
            async with watching(api, http=http) as events:
                for _ in range(5):
                    await events.comment()
            mine = await change(api, "mine")
            assert json.loads(await until(process, "")) == mine["id"]
            left = [json.loads(await until(process, "")) for _ in range(1 if kind == "sse" else 2)]
            assert left[0] == "left"
            assert left[1:] == [{"code": 1000, "clean": True}][: len(left) - 1]
            async with asyncio.timeout(PATIENCE):
                while live.count(api.organization_id):  # noqa: ASYNC110 # nobody says when it is told
                    await asyncio.sleep(0.01)
            assert process.returncode is None  # it is the client that left, not its process
        await live.stop()
