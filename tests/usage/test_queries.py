"""`Customer.usage`: quantities by feature, by window of the customer's own clock, and by group."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support import Api, Json, counted
from tests.usage.events import event

QUERY = """query ($start: DateTime!, $end: DateTime!, $features: [ID!], $keys: [String!],
                  $window: UsageWindow, $customer: String = "acme") {
  customer(externalId: $customer) {
    usage(periodStart: $start, periodEnd: $end, featureIds: $features, groupBy: $keys,
          window: $window)
    { feature { key } windowStart windowEnd keys { dimension value } quantity eventCount } } }"""
JANUARY = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}


async def usage(api: Api, **variables: object) -> list[Json]:
    data = await api.query(QUERY, {**JANUARY, **variables})
    found: list[Json] = data["customer"]["usage"]
    return found


async def problem(api: Api, **variables: object) -> tuple[str, list[str]]:
    answer = await api.post(QUERY, {**JANUARY, **variables})
    assert answer["data"] == {"customer": None}
    (error,) = answer["errors"]
    assert error["path"] == ["customer", "usage"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    return error["message"], error["extensions"]["argument"]


def groups(found: Sequence[Json]) -> list[tuple[list[str | None], str, int]]:
    return [
        ([key["value"] for key in one["keys"]], one["quantity"], one["eventCount"]) for one in found
    ]


def windows(found: Sequence[Json]) -> list[tuple[str, str, str]]:
    return [(one["windowStart"], one["windowEnd"], one["quantity"]) for one in found]


async def zoned(api: Api, timezone: str, *times: str) -> None:
    """A customer in the zone with an event at each of the times."""
    await api.customer(timezone=timezone)
    await api.feature("transfer")
    payload = await api.ingest(*[event(f"t{n}", timestamp=at) for n, at in enumerate(times)])
    assert payload["acceptedCount"] == len(times)


# The last is how many hours of the local clock it touches.
DAYS = [
    ("America/New_York", "2026-03-08", 23, 23),
    ("America/New_York", "2026-11-01", 25, 25),
    ("Europe/Paris", "2026-03-29", 23, 23),
    ("Australia/Lord_Howe", "2026-04-05", 24.5, 25),
    ("Asia/Kolkata", "2026-03-08", 24, 24),
]


@pytest.mark.parametrize(("timezone", "day", "hours", "touched"), DAYS)
async def test_a_day_is_the_customers_own(
    api: Api, timezone: str, day: str, hours: float, touched: int
) -> None:
    zone = ZoneInfo(timezone)
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (start + timedelta(days=1)).astimezone(ZoneInfo("UTC"))
    start = start.astimezone(ZoneInfo("UTC"))
    assert end - start == timedelta(hours=hours)
    tick = timedelta(microseconds=1)
    await zoned(
        api,
        timezone,
        *(at.isoformat() for at in (start - tick, start, end - tick, end, end + tick)),
    )
    found = await usage(
        api,
        start=(start - timedelta(hours=5)).isoformat(),
        end=(end + timedelta(hours=5)).isoformat(),
        window="DAY",
    )
    assert [one["quantity"] for one in found] == ["1", "2", "2"]
    assert [datetime.fromisoformat(one["windowStart"]) for one in found[1:]] == [start, end]
    hourly = await usage(api, start=start.isoformat(), end=end.isoformat(), window="HOUR")
    assert len(hourly) == touched
    assert sum(int(one["quantity"]) for one in hourly) == 2


async def test_months_are_the_customers_own_and_the_outer_ones_partial(api: Api) -> None:
    await zoned(
        api,
        "Asia/Kolkata",
        "2026-01-31T18:29:59.999999Z",
        "2026-01-31T18:30:00Z",
        "2026-02-28T18:29:59Z",
        "2026-02-28T18:30:00Z",
        "2026-03-02T00:00:00Z",
    )
    span = {"start": "2026-01-15T10:00:00Z", "end": "2026-03-02T00:00:00Z"}
    assert windows(await usage(api, window="MONTH", **span)) == [
        ("2026-01-15T10:00:00Z", "2026-01-31T18:30:00Z", "1"),
        ("2026-01-31T18:30:00Z", "2026-02-28T18:30:00Z", "2"),
        ("2026-02-28T18:30:00Z", "2026-03-02T00:00:00Z", "1"),
    ]
    (whole,) = await usage(api, **span)
    assert (whole["windowStart"], whole["windowEnd"]) == (None, None)
    assert (whole["quantity"], whole["eventCount"]) == ("4", 4)


async def test_hours_are_cut_at_whole_hours_and_empty_ones_are_shown(api: Api) -> None:
    await zoned(api, "UTC", "2026-01-01T00:15:00Z", "2026-01-01T00:45:00Z", "2026-01-01T02:00:00Z")
    found = await usage(
        api, start="2026-01-01T00:30:00Z", end="2026-01-01T02:00:00.000001Z", window="HOUR"
    )
    assert windows(found) == [
        ("2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z", "1"),
        ("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", "0"),
        ("2026-01-01T02:00:00Z", "2026-01-01T02:00:00.000001Z", "1"),
    ]


async def test_a_span_is_half_open(api: Api) -> None:
    await zoned(api, "UTC", JANUARY["start"], "2026-01-31T23:59:59.999999Z", JANUARY["end"])
    (january,) = await usage(api)
    assert january["quantity"] == "2"
    (february,) = await usage(api, start=JANUARY["end"], end="2026-03-01T00:00:00Z")
    assert february["quantity"] == "1"


@pytest.fixture
async def grouped(api: Api) -> Api:
    """Five transfers, with a property in the dimensions, one outside, and one below another."""
    await api.customer()
    await api.feature("count", eventName="transfer", dimensions=["region"])
    await api.feature(
        "bytes", "SUM", eventName="transfer", valueProperty="bytes", dimensions=["region"]
    )
    sent = [
        ("eu", {"bytes": 1, "region": "north", "plan": "pro", "engine": {"fuel": "oil"}}),
        ("eu", {"bytes": 2, "region": "north", "plan": "free", "engine": {"fuel": "gas"}}),
        ("us", {"bytes": "4.5", "region": "south", "plan": "pro", "engine": {}}),
        (None, {"bytes": 8, "region": None, "plan": True, "engine": "none"}),
        (None, {"bytes": 16, "plan": 7, "engine": {"fuel": ["a"]}}),
    ]
    payload = await api.ingest(
        *[
            event(f"t{n}", source=source, properties=properties)
            for n, (source, properties) in enumerate(sent)
        ]
    )
    assert payload["acceptedCount"] == 5
    return api


GROUPS: dict[str, tuple[list[str], list[tuple[list[str | None], str, int]]]] = {
    "the source": (["source"], [(["eu"], "3", 2), (["us"], "4.5", 1), ([None], "24", 2)]),
    "a dimension": (
        ["properties.region"],
        [(["north"], "3", 2), (["south"], "4.5", 1), ([None], "24", 2)],
    ),
    "a property outside of the dimensions": (
        ["properties.plan"],
        [(["7"], "16", 1), (["free"], "2", 1), (["pro"], "5.5", 2), (["true"], "8", 1)],
    ),
    "a nested path": (
        ["properties.engine.fuel"],
        [(['["a"]'], "16", 1), (["gas"], "2", 1), (["oil"], "1", 1), ([None], "12.5", 2)],
    ),
    "a missing property": (["properties.nope"], [([None], "31.5", 5)]),
    "two keys": (
        ["source", "properties.region"],
        [(["eu", "north"], "3", 2), (["us", "south"], "4.5", 1), ([None, None], "24", 2)],
    ),
    "two keys, one outside": (
        ["properties.plan", "properties.region"],
        [
            (["7", None], "16", 1),
            (["free", "north"], "2", 1),
            (["pro", "north"], "1", 1),
            (["pro", "south"], "4.5", 1),
            (["true", None], "8", 1),
        ],
    ),
}


@pytest.mark.parametrize("name", GROUPS)
async def test_usage_is_grouped_by(grouped: Api, name: str) -> None:
    keys, expected = GROUPS[name]
    found = await usage(grouped, keys=keys)
    assert {key["dimension"] for one in found for key in one["keys"]} == set(keys)
    by_feature = {
        feature: [one for one in found if one["feature"]["key"] == feature]
        for feature in ("bytes", "count")
    }
    assert groups(by_feature["bytes"]) == expected
    assert groups(by_feature["count"]) == [
        (values, str(count), count) for values, _, count in expected
    ]


async def test_the_feature_is_a_key_and_windows_have_their_own_groups(grouped: Api) -> None:
    (bytes_, count) = (await usage(grouped, keys=["feature_id"]))[:2]
    assert (bytes_["quantity"], count["quantity"]) == ("31.5", "5")
    features = (await grouped.query("{ features { nodes { id } } }"))["features"]["nodes"]
    assert [bytes_["keys"][0]["value"], count["keys"][0]["value"]] == [
        one["id"] for one in features
    ]
    daily = await usage(grouped, keys=["source"], window="DAY", features=[features[0]["id"]])
    assert groups(daily) == [(["eu"], "3", 2), (["us"], "4.5", 1), ([None], "24", 2)]
    assert {one["windowStart"] for one in daily} == {"2026-01-10T00:00:00Z"}


async def test_features_may_be_chosen_and_must_be_known(grouped: Api, other: Api) -> None:
    features = (await grouped.query("{ features { nodes { id key } } }"))["features"]["nodes"]
    ids = [one["id"] for one in features]
    assert [one["feature"]["key"] for one in await usage(grouped)] == ["bytes", "count"]
    chosen = await usage(grouped, features=[ids[1], ids[0], ids[1]])
    assert [one["feature"]["key"] for one in chosen] == ["count", "bytes"]
    assert await usage(grouped, features=[]) == []
    foreign = (await other.feature("theirs"))["id"]
    for unknown in ("fea_1", "", foreign):
        message, at = await problem(grouped, features=[ids[0], unknown])
        assert at == ["featureIds", "1"]
        assert message == f"There is no feature {unknown!r}."


@pytest.mark.parametrize(
    ("variables", "at"),
    [
        ({"end": JANUARY["start"]}, ["periodEnd"]),
        ({"end": "2025-12-31T00:00:00Z"}, ["periodEnd"]),
        ({"end": "2026-12-31T00:00:00Z", "window": "HOUR"}, ["window"]),
        (
            {"start": "1970-01-01T00:00:00Z", "end": "2199-12-31T00:00:00Z", "window": "DAY"},
            ["window"],
        ),
        (
            {"start": "1970-01-01T00:00:00Z", "end": "2199-12-31T00:00:00Z", "window": "MONTH"},
            ["window"],
        ),
    ],
)
async def test_a_span_that_cannot_be_cut_is_refused(
    grouped: Api, variables: Json, at: list[str]
) -> None:
    message, found = await problem(grouped, **variables)
    assert found == at
    assert message


async def test_usage_of_many_customers_takes_one_statement(grouped: Api) -> None:
    query = """query ($first: Int) { customers(first: $first) { nodes { externalId
      usage(periodStart: "2026-01-01T00:00:00Z", periodEnd: "2026-02-01T00:00:00Z",
            groupBy: ["source"], window: DAY) { quantity } } } }"""
    for n in range(9):
        await grouped.customer(f"c{n}", timezone=("UTC", "Asia/Kolkata", "America/New_York")[n % 3])
    taken = []
    for first in (1, 10):
        with counted(grouped.database) as statements:
            nodes = (await grouped.query(query, {"first": first}))["customers"]["nodes"]
        assert len(nodes) == first
        taken.append(len(statements))
    assert taken[0] == taken[1] <= 4
    assert {one["externalId"]: len(one["usage"]) for one in nodes}["acme"] == 6


EVERY: dict[str, tuple[str, str, str, str]] = {
    # Over 10 January, over 11 January, over 12 January, over all three days.
    "COUNT": ("2", "2", "0", "4"),
    "SUM": ("6", "-1.5", "0", "4.5"),
    "MAX": ("4", "1", "0", "4"),
    "UNIQUE_COUNT": ("2", "2", "0", "4"),
    "LATEST": ("4", "-2.5", "0", "-2.5"),
    # 2 from noon on and 4 more from 18:00 on; -2.5 from 12:00 on and 1 more for 6 hours before it.
    "WEIGHTED_SUM": ("2", "5.5", "4.5", "4"),
}
MOVES = [("10T12:00", 2), ("10T18:00", 4), ("11T06:00", 1), ("11T12:00", -2.5)]


@pytest.mark.parametrize("aggregation", EVERY)
async def test_every_aggregation_by_window_and_over_the_span(api: Api, aggregation: str) -> None:
    await api.customer()
    path = {} if aggregation == "COUNT" else {"valueProperty": "bytes"}
    await api.feature("moves", aggregation, eventName="transfer", **path)
    moves = [
        event(f"t{n}", timestamp=f"2026-01-{at}:00Z", properties={"bytes": value})
        for n, (at, value) in enumerate(MOVES)
    ]
    assert (await api.ingest(*moves))["acceptedCount"] == 4
    *days, whole = EVERY[aggregation]
    span = {"start": "2026-01-10T00:00:00Z", "end": "2026-01-13T00:00:00Z"}
    found = await usage(api, window="DAY", **span)
    assert [one["quantity"] for one in found] == days
    assert [one["eventCount"] for one in found] == [2, 2, 0]
    (over_all,) = await usage(api, **span)
    assert (over_all["quantity"], over_all["eventCount"]) == (whole, 4)
    later = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    (holding,) = await usage(api, **later)
    level = "4.5" if aggregation == "WEIGHTED_SUM" else "0"
    assert (holding["quantity"], holding["eventCount"]) == (level, 0)
    grouped_later = await usage(api, keys=["source"], **later)
    assert groups(grouped_later) == ([([None], "4.5", 0)] if level != "0" else [])


async def test_usage_of_every_aggregation_takes_one_statement(api: Api) -> None:
    await api.customer()
    await api.ingest(*[event(f"t{n}", properties={"bytes": n}) for n in range(3)])
    taken = []
    for aggregation in EVERY:
        path = {} if aggregation == "COUNT" else {"valueProperty": "bytes"}
        await api.feature(aggregation, aggregation, eventName="transfer", **path)
        with counted(api.database) as statements:
            found = await usage(api, window="DAY", keys=["source"])
        taken.append(len(statements))
    assert {one["feature"]["key"]: one["quantity"] for one in found if one["eventCount"]} == {
        **{"COUNT": "3", "SUM": "3", "MAX": "2", "UNIQUE_COUNT": "3", "LATEST": "2"},
        "WEIGHTED_SUM": "1.6875",
    }
    assert set(taken) == {taken[0]}
