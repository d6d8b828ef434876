"""The figures of a process, and who may read them."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import text

from billing_gql.doctor import examine
from billing_gql.observe import metrics
from billing_gql.observe.metrics import OperationNames, Pools, WorkerFigures, may_read
from billing_gql.observe.serve import serve_metrics
from billing_gql.settings import Settings
from billing_gql.store.database import Database, run_sql
from tests.support import Api

TOKEN = "a-token-for-metrics-only"


def test_only_so_many_names_are_told_apart() -> None:
    names = OperationNames(most=2)
    assert names.label("A", ran=False) == "other"
    assert names.label("A", ran=True) == "A"
    assert names.label("B", ran=True) == "B"
    assert names.label("C", ran=True) == "other"
    assert names.label("A", ran=False) == "A"
    assert names.label(None, ran=True) == "anonymous"


async def test_hostile_names_do_not_multiply_the_series(api: Api) -> None:
    before = set(metrics.NAMES._known)
    for number in range(5):
        await api.post(f"query Nope{number} {{ nope }}")
    assert not {one for one in metrics.NAMES._known - before if one.startswith("Nope")}
    await api.query("query Seen { organization { name } }")
    assert "Seen" in metrics.NAMES._known


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {TOKEN} ", True),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        ("Bearer", False),
        ("Bearer é", False),
        (None, False),
    ],
)
def test_a_token_opens_the_figures(header: str | None, allowed: bool) -> None:
    assert may_read(TOKEN, header) is allowed


async def test_without_a_token_there_are_no_figures(api: Api) -> None:
    answer = await api.http.get("/metrics", headers=api.headers)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["extensions"] == {"code": "NOT_FOUND"}
    assert "billing_gql_" not in answer.text


async def test_a_process_without_a_service_serves_them_too() -> None:
    address = serve_metrics("127.0.0.1", 0, SecretStr(TOKEN))
    async with httpx.AsyncClient() as client:
        assert (await client.get(address)).status_code == 401
        elsewhere = await client.get(address.removesuffix("/metrics"))
        assert elsewhere.status_code == 404
        told = await client.get(address, headers={"Authorization": f"Bearer {TOKEN}"})
    assert "billing_gql_tasks" in told.text


async def test_the_doctor_does_not_tell_the_token(database: Database) -> None:
    findings = await examine(Settings(metrics_token=SecretStr(TOKEN)), database)
    assert TOKEN not in repr(findings)


async def test_a_pool_tells_what_is_taken_and_wanted(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    registry, pools = CollectorRegistry(), Pools()
    pools.add(database)
    registry.register(pools)

    def figures() -> tuple[float | None, ...]:
        names = ("connections_most", "connections_open", "connections_in_use", "connections_wanted")
        return tuple(registry.get_sample_value(f"billing_gql_database_{name}") for name in names)

    async def ask() -> None:
        async with database.snapshot() as session:
            await run_sql(session, text("SELECT 1"))

    assert figures() == (1, 0, 0, 0)
    async with database.snapshot() as session:
        await run_sql(session, text("SELECT 1"))
        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0)
        while not database.connections_wanted:  # noqa: ASYNC110 # nothing tells it
            await asyncio.sleep(0.01)
        assert figures() == (1, 1, 1, 1)
    await waiting
    assert figures() == (1, 1, 0, 0)
    assert registry.get_sample_value("billing_gql_database_statements_total") == 2
    await database.close()


def test_how_far_behind_a_worker_is() -> None:
    registry, worker = CollectorRegistry(), WorkerFigures()
    registry.register(worker)
    name = "billing_gql_worker_behind_seconds"
    assert registry.get_sample_value(name) is None
    worker.begin_round()
    worker.met(5.0)
    worker.met(70.0)
    assert registry.get_sample_value(name) == 70
    worker.end_round()
    worker.begin_round()
    assert registry.get_sample_value(name) == 70
    worker.end_round()
    assert registry.get_sample_value(name) == 0


async def test_tasks_are_counted_by_kind_and_outcome(api: Api, database: Database) -> None:
    def tasks(kind: str, outcome: str) -> float:
        labels = {"kind": kind, "outcome": outcome}
        return metrics.REGISTRY.get_sample_value("billing_gql_tasks_total", labels) or 0

    customer = await api.customer()
    feature = await api.feature("gb", "SUM", valueProperty="gb")
    price = {"name": "GB", "featureId": feature["id"], "model": {"perUnit": {"unitAmount": "1"}}}
    await api.subscription(customer, await api.plan("p", [price]))
    before = tasks("draft", "done"), tasks("finalize", "done")
    await api.done("testClockAdvance", "organization { id }", to="2026-02-10T00:00:00Z")
    assert (tasks("draft", "done"), tasks("finalize", "done")) == (before[0] + 1, before[1] + 1)
