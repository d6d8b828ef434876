"""Late usage that meets finalizing, refreshing and billing runs: all of it is billed, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.store.database import Database
from tests.invoices.metered import grace
from tests.scenarios.late import billed, cancel, finalize, late, months, subscribed, use, used
from tests.support import Api, Json, counted

BATCHES = 12
OF_BATCH = 5


@pytest.fixture(scope="module", autouse=True)
async def warm(database: Database) -> AsyncIterator[None]:
    """Opens the pool, so that calls do not come one after another."""
    async with AsyncExitStack() as stack:
        for _ in range(32):
            await stack.enter_async_context(database.engine.connect())
    yield


def batches(round_: int) -> list[list[Json]]:
    """Events of January and February, of 1 each."""
    return [
        [
            use(f"{round_}-{batch}-{n}", f"2026-0{1 + (batch + n) % 2}-{1 + n:02}")
            for n in range(OF_BATCH)
        ]
        for batch in range(BATCHES)
    ]


async def act(api: Api, mutation: str, invoice: Json) -> None:
    """Does it, unless the invoice is final meanwhile."""
    payload = await api.mutate(mutation, "invoice { id }", invoiceId=invoice["id"])
    assert {error["code"] for error in payload["userErrors"]} <= {"INVALID_STATE", "NOT_FOUND"}


async def assert_all_billed(api: Api, units: int) -> None:
    """Each unit costs 2.00, and each is an event."""
    lines = [line for one in await billed(api) for line in one["lineItems"]]
    assert sum(line["eventCount"] for line in lines) == units
    assert sum(Decimal(line["quantity"]) for line in lines) == units
    assert sum(Decimal(line["amount"]) for line in lines) == 2 * units


async def test_usage_that_meets_drafts_as_they_change_is_billed_once(api: Api) -> None:
    await subscribed(api)
    await months(api, 2, 3)
    await grace(api, 90)
    await months(api, 4, 5)
    drafts = await billed(api)
    assert [one["status"] for one in drafts] == ["FINALIZED", "FINALIZED", "DRAFT", "DRAFT"]
    for round_, draft in enumerate(drafts[2:]):
        calls = [api.ingest(*batch) for batch in batches(round_)]
        changes = [
            *(act(api, "invoiceRefresh", one) for one in drafts[2:] * 2),
            act(api, "invoiceFinalize", draft),
        ]
        runs = [run_due(api.database, api.organization_id, SANDBOX_ONLY) for _ in range(3)]
        payloads, _, _ = await asyncio.gather(
            asyncio.gather(*calls), asyncio.gather(*changes), asyncio.gather(*runs)
        )
        assert [one["acceptedCount"] for one in payloads] == [OF_BATCH] * BATCHES
    await grace(api, 0)
    await months(api, 6)
    await assert_all_billed(api, 2 * BATCHES * OF_BATCH)


async def test_usage_that_meets_the_draft_after_the_end_is_billed_once(api: Api) -> None:
    subscription = await subscribed(api)
    await cancel(api, subscription)
    await months(api, 2)
    await used(api, ("2026-01-10", 1))
    units = 1
    for round_ in range(4):
        reports = await asyncio.gather(
            *(run_due(api.database, api.organization_id, SANDBOX_ONLY) for _ in range(4))
        )
        assert not any(report.failed for report in reports)
        (draft,) = await api.invoices("id")
        calls = [
            api.ingest(*(use(f"{round_}-{n}-{m}", "2026-01-11") for m in range(OF_BATCH)))
            for n in range(BATCHES)
        ]
        await asyncio.gather(
            *calls[:6],
            act(api, "invoiceRefresh", draft),
            act(api, "invoiceFinalize", draft),
            *(run_due(api.database, api.organization_id, SANDBOX_ONLY) for _ in range(4)),
            *calls[6:],
        )
        units += BATCHES * OF_BATCH
        await used(api, (f"2026-01-{20 + round_}", 1))
        units += 1
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    for draft in await api.invoices("id"):
        await finalize(api, draft)
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    assert await api.invoices("id") == []
    await assert_all_billed(api, units)


@pytest.mark.parametrize("attempt", range(5))
async def test_runs_at_once_make_one_draft_of_what_is_late(api: Api, attempt: int) -> None:
    await cancel(api, await subscribed(api))
    await months(api, 2)
    await used(api, ("2026-01-10", 1))

    async def run(place: int) -> int:
        await asyncio.sleep(place * attempt * 0.001)
        report = await run_due(api.database, api.organization_id, SANDBOX_ONLY)
        assert not report.failed
        return report.drafted

    assert sum(await asyncio.gather(*(run(place) for place in range(8)))) == 1
    (draft,) = await api.invoices("id")
    await finalize(api, draft)
    assert late((await billed(api))[-1]) == [("01-01", "1", "2.00", 1)]


async def test_drafting_asks_as_much_after_five_months_as_after_one(api: Api) -> None:
    await subscribed(api, minimumCommitment="50")
    await months(api, 2)
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for month in range(3, 9):
        is_late = month % 2 == 0
        if is_late:
            # One event for each closed month.
            await used(api, *((f"2026-{one:02}-1{month}", 1) for one in range(1, month - 1)))
        with counted(api.database) as statements:
            await months(api, month)
        found[is_late].add(len([one for one in statements if "INSERT INTO line_items" not in one]))
        if is_late:
            assert len(late((await billed(api))[-1])) == 2 * (month - 2)
    assert {is_late: len(counts) for is_late, counts in found.items()} == {True: 1, False: 1}
