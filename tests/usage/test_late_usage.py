"""Events for what may have been billed leave a mark by customer, name, day and generation."""

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import text

from tests.support import Api
from tests.usage.events import counts, event, meter, rows

NOON = "2026-01-10T12:00:00Z"


@pytest.fixture
async def billed(api: Api) -> Api:
    """Two customers and two features; what `acme` used before noon of 10 January is billed."""
    await meter(api)
    await api.customer("globex")
    await set_acme(api, "billed_until = :value", datetime.fromisoformat(NOON))
    return api


async def set_acme(api: Api, change: str, value: object) -> None:
    async with api.database.engine.begin() as connection:
        await connection.execute(
            text(
                f"UPDATE customers SET {change}"
                " WHERE organization_id = :organization AND external_id = 'acme'"
            ),
            {"organization": api.organization_id, "value": value},
        )


async def marks(api: Api) -> list[tuple[object, ...]]:
    return await rows(
        api,
        """SELECT c.external_id, l.event_name, to_char(l.day, 'DD HH24:MI'), l.generation
           FROM late_usage l JOIN customers c ON c.id = l.customer_id
           WHERE l.organization_id = :organization ORDER BY 1, 2, 3, 4""",
    )


async def test_what_comes_for_a_billed_day_leaves_one_mark(billed: Api) -> None:
    payload = await billed.ingest(
        event("1", timestamp="2026-01-10T11:59:59.999999Z"),
        event("2", timestamp="2026-01-10T00:00:00Z", source="eu"),
        event("3", timestamp="2026-01-10T05:29:59+05:30"),
        event("4", timestamp="2026-01-10T01:00:00Z", eventName="unmetered"),
        event("5", timestamp=NOON, eventName="not-before"),
        event("6", timestamp="2026-01-10T11:00:00Z", externalCustomerId="globex"),
    )
    assert counts(payload) == (6, 0, 0)
    wanted: list[tuple[object, ...]] = [
        ("acme", "transfer", "09 00:00", 0),
        ("acme", "transfer", "10 00:00", 0),
        ("acme", "unmetered", "10 00:00", 0),
    ]
    assert await marks(billed) == wanted
    await set_acme(billed, "usage_generation = :value", 3)
    await billed.ingest(event("7", timestamp="2026-01-10T03:00:00Z"))
    assert await marks(billed) == [
        wanted[0],
        wanted[1],
        ("acme", "transfer", "10 00:00", 3),
        wanted[2],
    ]


async def test_what_is_not_stored_leaves_none(billed: Api) -> None:
    await set_acme(billed, "billed_until = :value", None)
    early = event("1", timestamp="2026-01-09T00:00:00Z")
    assert counts(await billed.ingest(early)) == (1, 0, 0)
    await set_acme(billed, "billed_until = :value", datetime.fromisoformat(NOON))
    refused = event("2", timestamp="2026-01-09T00:00:00Z", properties={"bytes": "many"})
    other_body = event("1", timestamp="2026-01-08T00:00:00Z")
    assert counts(await billed.ingest(early, refused, other_body)) == (0, 1, 2)
    assert await marks(billed) == []


async def test_two_batches_at_once_leave_each_mark_once(billed: Api) -> None:
    batches = [
        [
            event(f"{batch}-{n}", timestamp=f"2026-01-{n % 9 + 1:02}T0{n % 7}:00:00Z")
            for n in range(100)
        ]
        for batch in range(6)
    ]
    payloads = await asyncio.gather(
        *(billed.ingest(*(one if n % 2 else one[::-1])) for n, one in enumerate(batches))
    )
    assert [counts(payload) for payload in payloads] == [(100, 0, 0)] * 6
    assert await marks(billed) == [("acme", "transfer", f"0{day} 00:00", 0) for day in range(1, 10)]
