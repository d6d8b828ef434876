"""A level over many windows is that of each window on its own."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support import Api, Json, counted

START = datetime(2026, 3, 27, 5, 30, tzinfo=UTC)  # Berlin's clocks change two days later


async def seats(api: Api, *, seed: int) -> None:
    """A customer whose level went up and down, before and in the windows, in two regions."""
    pick = random.Random(seed)  # noqa: S311 # a repeatable story, no secret
    await api.feature("seats", "WEIGHTED_SUM", valueProperty="n", dimensions=["region"])
    await api.customer(timezone="Europe/Berlin")
    events: list[Json] = []
    for number in range(60):
        at = START + timedelta(microseconds=pick.randrange(-(10**12), 5 * 86_400 * 10**6))
        region = pick.choice([{"region": "eu"}, {"region": "us"}, {}])
        value = Decimal(pick.randrange(-(10**15), 10**15)).scaleb(-12)
        events.append(
            {
                "transactionId": str(number),
                "externalCustomerId": "acme",
                "eventName": "seats",
                "timestamp": at.isoformat(),
                "properties": {"n": str(value), **region},
            }
        )
    payload = await api.ingest(*events)
    assert payload["acceptedCount"] == len(events)


async def usage(api: Api, start: str, end: str, rest: str) -> list[Json]:
    data = await api.query(
        f"""{{ customer(externalId: "acme") {{
          usage(periodStart: "{start}", periodEnd: "{end}", {rest})
            {{ windowStart windowEnd keys {{ value }} quantity eventCount }} }} }}"""
    )
    found: list[Json] = data["customer"]["usage"]
    return found


@pytest.mark.parametrize("group_by", ["[]", '["properties.region"]', '["properties.n"]'])
@pytest.mark.parametrize("window", ["HOUR", "DAY"])
async def test_each_window_is_what_it_is_alone(api: Api, window: str, group_by: str) -> None:
    await seats(api, seed=7)
    keys = f"groupBy: {group_by}"
    end = (START + timedelta(days=4, hours=7)).isoformat()
    with counted(api.database) as statements:
        found = await usage(api, START.isoformat(), end, f"window: {window}, {keys}")
    reading = [one for one in statements if "_usage" in one or "usage_events" in one]
    assert len(reading) == 1
    windows = sorted({(one["windowStart"], one["windowEnd"]) for one in found})
    assert len(windows) == {"HOUR": 103 + 1, "DAY": 5}[window]
    for start, finish in random.Random(1).sample(windows, 5):  # noqa: S311 # any five
        alone = await usage(api, start, finish, keys)
        together = [one for one in found if one["windowStart"] == start]
        facts = ("keys", "quantity", "eventCount")
        assert [[one[fact] for fact in facts] for one in together] == [
            [one[fact] for fact in facts] for one in alone
        ]
