"""What was stored is counted exactly once, exactly, however it came."""

import asyncio
import json
import random
from decimal import Decimal

import pytest

from billing_gql.store.database import Database
from tests.support import Api, Json, new_organization
from tests.usage.events import (
    counted_from_events,
    counts,
    event,
    meter,
    rolled_up,
    rows,
    stored,
    totals,
)


@pytest.fixture
async def metered(api: Api) -> Api:
    """A customer, and two features of the same events."""
    return await meter(api)


async def send_raw(api: Api, *numbers: str) -> Json:
    """Ingests one event a number; the numbers are written into the JSON as they are."""
    events = [
        json.dumps(event(f"t{place}", properties={"bytes": "@"})).replace('"@"', number)
        for place, number in enumerate(numbers)
    ]
    query = """mutation ($input: UsageEventsIngestInput!) { usageEventsIngest(input: $input) {
      acceptedCount duplicateCount unmatchedCount userErrors { code message field } } }"""
    body = (
        f'{{"query": {json.dumps(query)}, "variables": {{"input": {{"events": '
        f"[{', '.join(events)}]}}}}}}"
    )
    headers = {**api.headers, "Content-Type": "application/json"}
    response = await api.http.post("/graphql", content=body, headers=headers)
    assert response.headers["content-type"].startswith("application/json")
    answer: Json = response.json()
    return answer


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        (["0.1", "0.2"], "0.3"),
        (["0.100000000001", "0.000000000002"], "0.100000000003"),
        (['"0.1"', "0.2", "3"], "3.3"),
        (["-5", "2.50"], "-2.5"),
        (["999999999999999999", "999999999999999999"], "1999999999999999998"),
        (["99999999999999999.999999999999", "0.000000000001"], "100000000000000000"),
        (["1e3", "1E-3"], "1000.001"),
        (["9007199254740993"], "9007199254740993"),
        (["0", "-0"], "0"),
    ],
)
async def test_sums_are_exact(metered: Api, numbers: list[str], total: str) -> None:
    payload = (await send_raw(metered, *numbers))["data"]["usageEventsIngest"]
    assert counts(payload) == (len(numbers), 0, 0)
    assert (await totals(metered))["bytes"] == (total, len(numbers))


# Larger than the limit, than a float, than the server's numeric, than Decimal's own exponent.
UNSUMMED = [
    *("1e18", "-1e18", "9" * 30, "1e400", "1e999999999", "1e-999999999"),
    *("1e-13", "0.0000000000001", "0." + "1" * 99),
]


@pytest.mark.parametrize("number", UNSUMMED)
async def test_a_number_that_cannot_be_summed_is_refused_alone(metered: Api, number: str) -> None:
    payload = (await send_raw(metered, "1", number))["data"]["usageEventsIngest"]
    assert counts(payload) == (1, 0, 1)
    assert payload["userErrors"][0]["field"] == ["events", "1", "properties", "bytes"]
    assert await totals(metered) == {"transfers": ("1", 1), "bytes": ("1", 1)}


@pytest.mark.parametrize("number", ["1e400", "1e999999999", "-1e-999999999", "9" * 102])
async def test_a_number_that_nothing_meters_is_bounded_too(api: Api, number: str) -> None:
    await api.customer()
    payload = (await send_raw(api, "1", number))["data"]["usageEventsIngest"]
    assert counts(payload) == (1, 0, 1)
    assert "between 10^-100 and 10^100" in payload["userErrors"][0]["message"]
    assert await stored(api) == ["t0"]


@pytest.mark.parametrize("number", ["9" * 5_000, "1e99999999999999999999"])
async def test_a_number_beyond_every_bound_refuses_the_request(api: Api, number: str) -> None:
    await api.customer()
    (error,) = (await send_raw(api, "1", number))["errors"]
    assert error["extensions"]["code"] == "MALFORMED_JSON"
    assert "out of range" in error["message"]
    assert await stored(api) == []


async def test_a_value_below_a_path_is_metered_and_grouped(api: Api) -> None:
    await api.customer()
    await api.feature(
        "deep", "SUM", eventName="transfer", valueProperty="a.b.1", dimensions=["c.d", "c.0"]
    )
    good = [{"a": {"b": [7, 2.5]}, "c": {"d": "x"}}, {"a": {"b": {"1": "4"}}, "c": ["y"]}]
    bad = [{"a": {"b": [7]}}, {"a": 5}, {"a.b.1": 5}, {"a": {"b": [7, [5]]}}]
    payload = await api.ingest(
        *[event(f"t{n}", properties=one) for n, one in enumerate([*good, *bad])]
    )
    assert counts(payload) == (2, 0, 4)
    assert {tuple(error["field"][2:]) for error in payload["userErrors"]} == {
        ("properties", "a", "b", "1")
    }
    assert await totals(api) == {"deep": ("6.5", 2)}
    assert await rows(
        api,
        "SELECT dimensions, total FROM hourly_usage WHERE organization_id = :organization"
        " ORDER BY total",
    ) == [(["x", None], Decimal("2.5")), ([None, "y"], Decimal(4))]


async def test_events_that_nothing_meters_are_counted_as_unmatched(metered: Api) -> None:
    payload = await metered.ingest(
        event("t1", eventName="Transfer"), event("t2"), event("t3", eventName="unknown")
    )
    assert (counts(payload), payload["unmatchedCount"]) == ((3, 0, 0), 2)
    again = await metered.ingest(event("t1", eventName="Transfer"), event("t4", eventName="other"))
    assert (counts(again), again["unmatchedCount"]) == ((1, 1, 0), 1)


async def test_a_feature_counts_the_events_that_were_there_before_it(api: Api) -> None:
    await api.customer()
    await api.customer("globex")
    sent = [
        event(
            f"t{n}",
            externalCustomerId=("acme", "globex")[n % 2],
            timestamp=f"2026-01-{n % 28 + 1:02}T{n % 24:02}:59:59.999999Z",
            source=(None, "eu")[n % 3 == 0],
            properties={"bytes": f"{n}.25", "region": ("north", None, "", "south")[n % 4]},
        )
        for n in range(200)
    ]
    assert (await api.ingest(*sent))["unmatchedCount"] == 200
    no_number = event("word", properties={"bytes": "many"})
    assert counts(await api.ingest(no_number)) == (1, 0, 0)
    await api.feature("transfers", eventName="transfer", dimensions=["region"])
    await api.feature(
        "bytes", "SUM", eventName="transfer", valueProperty="bytes", dimensions=["region"]
    )
    for place, customer in enumerate(("acme", "globex")):
        mine = [n + Decimal("0.25") for n in range(200) if n % 2 == place]
        found = await totals(api, customer)
        assert found["transfers"][1] == len(mine) + (customer == "acme")
        assert (Decimal(found["bytes"][0]), found["bytes"][1]) == (sum(mine), len(mine))


def batch(customers: int) -> list[Json]:
    return [
        event(
            f"t{n}",
            externalCustomerId=f"customer-{n % customers}",
            timestamp=f"2026-01-{n % 5 + 1:02}T{n % 3:02}:30:00Z",
            source=("eu", "us", None)[n % 3],
            properties={"bytes": n / 10, "region": ("north", "south")[n % 2]},
        )
        for n in range(500)
    ]


async def test_two_batches_at_once_in_different_orders_are_each_stored_once(
    metered: Api,
) -> None:
    for n in range(7):
        await metered.customer(f"customer-{n}")
    ordered = batch(7)
    shuffled = random.Random(7).sample(ordered, len(ordered))  # noqa: S311 # an order
    payloads = await asyncio.gather(
        *(metered.ingest(*one) for one in (ordered, shuffled, ordered[::-1], shuffled[::-1]))
    )
    assert sum(payload["acceptedCount"] for payload in payloads) == 500
    assert sum(payload["duplicateCount"] for payload in payloads) == 1500
    assert all(payload["userErrors"] == [] for payload in payloads)
    assert len(await stored(metered)) == 500
    summed = await rolled_up(metered)
    assert summed == await counted_from_events(metered)
    for unit in ("hour", "day"):
        mine = [row[5] for row in summed if (row[0], row[-1]) == ("bytes", unit)]
        assert sum(mine) == 500  # type: ignore[arg-type] # counts
    whole = [Decimal((await totals(metered, f"customer-{n}"))["bytes"][0]) for n in range(7)]
    assert sum(whole) == Decimal(sum(range(500))) / 10


SAME = """
SELECT coalesce(h.feature_id, d.feature_id) FROM (
  SELECT organization_id, feature_id, customer_id, group_hash, generation,
    date_trunc('day', starts_at) AS day, sum(event_count) AS events, sum(total) AS total,
    max(peak) AS peak, sum(moment) AS moment, max(value) AS value,
    (array_agg(latest ORDER BY latest_at DESC, latest_id DESC))[1] AS latest,
    (array_agg(latest_id ORDER BY latest_at DESC, latest_id DESC))[1] AS latest_id
  FROM hourly_usage WHERE organization_id = :organization GROUP BY 1, 2, 3, 4, 5, 6
) AS h FULL JOIN (SELECT * FROM daily_usage WHERE organization_id = :organization) AS d
  ON (d.feature_id, d.customer_id, d.group_hash, d.generation, d.starts_at)
   = (h.feature_id, h.customer_id, h.group_hash, h.generation, h.day)
WHERE (h.events, h.total, h.peak, h.moment, h.value, h.latest, h.latest_id) IS DISTINCT FROM
  (d.event_count, d.total, d.peak, d.moment, d.value, d.latest, d.latest_id)
"""


async def test_every_aggregation_is_kept_at_both_grains_by_batches_at_once(api: Api) -> None:
    for n in range(3):
        await api.customer(f"customer-{n}")
    for aggregation in ("COUNT", "SUM", "MAX", "UNIQUE_COUNT", "LATEST", "WEIGHTED_SUM"):
        path = {} if aggregation == "COUNT" else {"valueProperty": "bytes"}
        dimensions = ["region"]
        await api.feature(
            aggregation, aggregation, eventName="transfer", dimensions=dimensions, **path
        )
    sent = batch(3)
    payloads = await asyncio.gather(
        *(
            api.ingest(*(part if n % 2 else part[::-1]))
            for n, part in enumerate([sent[start : start + 50] for start in range(0, 500, 50)] * 2)
        )
    )
    assert sum(payload["acceptedCount"] for payload in payloads) == 500
    assert await rows(api, SAME) == []
    for n in range(3):
        mine = [one for one in sent if one["externalCustomerId"] == f"customer-{n}"]
        values = [Decimal(str(one["properties"]["bytes"])) for one in mine]
        last = max(mine, key=lambda one: (one["timestamp"], one["transactionId"]))
        found = await totals(api, f"customer-{n}")
        del found["WEIGHTED_SUM"]  # held against events elsewhere
        assert {key: Decimal(quantity) for key, (quantity, _) in found.items()} == {
            "COUNT": len(mine),
            "SUM": sum(values),
            "MAX": max(values),
            "UNIQUE_COUNT": len(set(values)),
            "LATEST": Decimal(str(last["properties"]["bytes"])),
        }


async def test_events_beside_a_new_feature_are_counted_once(api: Api) -> None:
    for n in range(3):
        await api.customer(f"customer-{n}")
    sent = batch(3)
    results = await asyncio.gather(
        *(api.ingest(*sent[start : start + 25]) for start in range(0, 500, 25)),
        api.feature("transfers", eventName="transfer", dimensions=["region"]),
    )
    assert sum(payload["acceptedCount"] for payload in results[:-1]) == 500
    assert await rolled_up(api) == await counted_from_events(api)
    assert sum([(await totals(api, f"customer-{n}"))["transfers"][1] for n in range(3)]) == 500


async def test_the_same_ids_in_two_organizations_are_different_events(
    metered: Api, database: Database
) -> None:
    second = await meter(await new_organization(metered.http, database))
    payloads = await asyncio.gather(
        metered.ingest(*[event(f"t{n}") for n in range(100)]),
        second.ingest(*[event(f"t{n}", properties={"bytes": 7}) for n in range(100)]),
    )
    assert [counts(payload) for payload in payloads] == [(100, 0, 0), (100, 0, 0)]
    assert (await totals(metered))["bytes"] == ("500", 100)
    assert (await totals(second))["bytes"] == ("700", 100)
