"""`usageEventsIngest`: every event is accepted, a duplicate or refused, alone."""

from collections.abc import Mapping

import pytest

from tests.support import Api, Json
from tests.usage.events import (
    counted_from_events,
    counts,
    event,
    meter,
    only_error,
    rolled_up,
    rows,
    stored,
    totals,
    without,
)


@pytest.fixture
async def metered(api: Api) -> Api:
    """A customer, and two features of the same events."""
    return await meter(api)


async def test_the_same_event_again_is_a_duplicate(metered: Api) -> None:
    sent = event(source="eu", properties={"bytes": 5, "region": "north", "deep": {"a": [1, 2.50]}})
    assert counts(await metered.ingest(sent)) == (1, 0, 0)
    assert counts(await metered.ingest(sent)) == (0, 1, 0)
    assert counts(await metered.ingest(sent, sent, event("t2"))) == (1, 2, 0)
    moved = {**sent, "timestamp": "2026-01-10T11:30:00+01:00"}
    same_number = {**sent, "properties": {**sent["properties"], "bytes": 5.0}}
    assert counts(await metered.ingest(moved, same_number)) == (0, 2, 0)
    assert await stored(metered) == ["t1", "t2"]
    assert await totals(metered) == {"transfers": ("2", 2), "bytes": ("10", 2)}


async def test_an_event_by_id_and_by_external_id_is_the_same(api: Api) -> None:
    customer = await api.customer()
    by_id = {**without("externalCustomerId"), "customerId": customer["id"]}
    assert counts(await api.ingest(event(), by_id)) == (1, 1, 0)
    assert counts(await api.ingest(by_id)) == (0, 1, 0)


async def test_an_event_without_timestamp_happens_now_and_can_be_sent_again(metered: Api) -> None:
    sent = without("timestamp")
    assert counts(await metered.ingest(sent, sent)) == (1, 1, 0)
    await metered.advance("2026-01-05T00:00:00Z")
    assert counts(await metered.ingest(sent)) == (0, 1, 0)
    (row,) = await rows(
        metered,
        "SELECT to_char(timestamp, 'YYYY-MM-DD HH24:MI') FROM usage_events"
        " WHERE organization_id = :organization",
    )
    assert row == ("2026-01-01 00:00",)


OTHER_BODIES: dict[str, Mapping[str, object]] = {
    "another customer": {"externalCustomerId": "globex"},
    "another name": {"eventName": "upload"},
    "another time": {"timestamp": "2026-01-10T10:30:00.000001Z"},
    "another source": {"source": "us"},
    "a subscription": {"externalSubscriptionId": "s1"},
    "another number": {"properties": {"bytes": 6}},
    "one property more": {"properties": {"bytes": 5, "a": None}},
    "the number as text": {"properties": {"bytes": "5"}},
}


@pytest.mark.parametrize("name", OTHER_BODIES)
@pytest.mark.parametrize("together", [True, False])
async def test_another_body_under_the_same_id_is_refused_alone(
    metered: Api, name: str, together: bool
) -> None:
    await metered.customer("globex")
    plan = await metered.plan("p", [{"name": "x", "model": {"flat": {"amount": "1"}}}])
    acme = (await metered.query('{ customer(externalId: "acme") { id } }'))["customer"]
    await metered.subscription(acme, plan, externalId="s1")
    if not together:
        assert counts(await metered.ingest(event())) == (1, 0, 0)
    other = event("t1", **OTHER_BODIES[name])
    payload = await metered.ingest(event(), other, event("t2"))
    assert counts(payload) == ((2, 0, 1) if together else (1, 1, 1))
    error = only_error(payload)
    assert (error["code"], error["__typename"]) == ("ALREADY_EXISTS", "AlreadyExistsError")
    assert error["field"] == ["events", "1", "transactionId"]
    assert await stored(metered) == ["t1", "t2"]
    assert await totals(metered) == {"transfers": ("2", 2), "bytes": ("10", 2)}


REFUSED: dict[str, tuple[Json, list[str], str]] = {
    "no customer": (without("externalCustomerId"), ["externalCustomerId"], "INVALID_INPUT"),
    "both customers": (event(customerId="cus_1"), ["externalCustomerId"], "INVALID_INPUT"),
    "an unknown customer": (
        event(externalCustomerId="nobody"),
        ["externalCustomerId"],
        "NOT_FOUND",
    ),
    "an unknown customer id": (
        {**without("externalCustomerId"), "customerId": "cus_1"},
        ["customerId"],
        "NOT_FOUND",
    ),
    "an unknown subscription": (
        event(externalSubscriptionId="s9"),
        ["externalSubscriptionId"],
        "NOT_FOUND",
    ),
    "a blank id": (event(" "), ["transactionId"], "INVALID_INPUT"),
    "an empty id": (event(""), ["transactionId"], "INVALID_INPUT"),
    "a long id": (event("x" * 256), ["transactionId"], "INVALID_INPUT"),
    "U+0000 in the id": (event("a\0"), ["transactionId"], "INVALID_INPUT"),
    "a blank name": (event(eventName="\t"), ["eventName"], "INVALID_INPUT"),
    "a long name": (event(eventName="x" * 256), ["eventName"], "INVALID_INPUT"),
    "a blank source": (event(source=""), ["source"], "INVALID_INPUT"),
    "a long source": (event(source="x" * 256), ["source"], "INVALID_INPUT"),
    "before 1970": (event(timestamp="1969-12-31T23:59:59Z"), ["timestamp"], "INVALID_INPUT"),
    "after 2199": (event(timestamp="2200-01-01T00:00:00Z"), ["timestamp"], "INVALID_INPUT"),
    "no calendar holds it": (
        event(timestamp="0001-01-01T00:00:00+14:00"),
        ["timestamp"],
        "INVALID_INPUT",
    ),
    "a list for properties": (event(properties=[1]), ["properties"], "INVALID_INPUT"),
    "a text for properties": (event(properties="bytes"), ["properties"], "INVALID_INPUT"),
    "a number for properties": (event(properties=5), ["properties"], "INVALID_INPUT"),
    "large properties": (
        event(properties={"bytes": 5, "a": "x" * 16_384}),
        ["properties"],
        "INVALID_INPUT",
    ),
    "U+0000 in a property": (
        event(properties={"bytes": 5, "a": {"b": ["\0"]}}),
        ["properties", "a", "b", "0"],
        "INVALID_INPUT",
    ),
    "U+0000 in a property's name": (
        event(properties={"bytes": 5, "a\0": 1}),
        ["properties"],
        "INVALID_INPUT",
    ),
    "no properties": (without("properties"), ["properties", "bytes"], "INVALID_INPUT"),
    "null properties": (event(properties=None), ["properties", "bytes"], "INVALID_INPUT"),
}
NO_NUMBERS: dict[str, object] = {
    "nothing": None,
    "a word": "five",
    "an empty text": "",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "1e5": "1e5",
    "1e400": "1e400",
    "13 decimals": "0.1234567890123",
    "19 digits": "1234567890123456789",
    "19 digits as a number": 10**18,
    "a boolean": True,
    "a list": [5],
    "an object": {"bytes": 5},
    "a signed text": "+5",
    "a padded text": " 5",
    "other digits": "٣",
}
REFUSED |= {
    f"for the value {name}": (
        event(properties={"bytes": value}),
        ["properties", "bytes"],
        "INVALID_INPUT",
    )
    for name, value in NO_NUMBERS.items()
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_event_is_refused_at_its_member_and_its_neighbours_are_stored(
    metered: Api, name: str
) -> None:
    bad, at, code = REFUSED[name]
    payload = await metered.ingest(event("before"), bad, event("after"))
    assert counts(payload) == (2, 0, 1)
    error = only_error(payload)
    assert (error["code"], error["field"]) == (code, ["events", "1", *at])
    assert error["message"]
    assert await stored(metered) == ["after", "before"]
    assert await rolled_up(metered) == await counted_from_events(metered)


async def test_what_belongs_to_another_organization_is_unknown(metered: Api, other: Api) -> None:
    theirs = await other.customer("theirs")
    plan = await other.plan("p", [{"name": "x", "model": {"flat": {"amount": "1"}}}])
    await other.subscription(theirs, plan, externalId="their-subscription")
    bad = [
        {**without("externalCustomerId"), "customerId": theirs["id"]},
        event(externalCustomerId="theirs"),
        event(externalSubscriptionId="their-subscription"),
    ]
    payload = await metered.ingest(*bad)
    assert counts(payload) == (0, 0, 3)
    assert {error["code"] for error in payload["userErrors"]} == {"NOT_FOUND"}
    assert await stored(metered) == []
    assert counts(await metered.ingest(event())) == (1, 0, 0)
    assert counts(await other.ingest(event(externalCustomerId="theirs"))) == (1, 0, 0)


async def test_another_customers_subscription_is_unknown(metered: Api) -> None:
    globex = await metered.customer("globex")
    plan = await metered.plan("p", [{"name": "x", "model": {"flat": {"amount": "1"}}}])
    await metered.subscription(globex, plan, externalId="s1")
    error = only_error(await metered.ingest(event(externalSubscriptionId="s1")))
    assert error["field"] == ["events", "0", "externalSubscriptionId"]
    good = event(externalSubscriptionId="s1", externalCustomerId="globex")
    assert counts(await metered.ingest(good)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("count", "code", "words"),
    [(0, "INVALID_INPUT", "at least one"), (1_001, "TOO_MANY_ITEMS", "1 to 1000")],
)
async def test_a_batch_of_none_or_too_many_stores_nothing(
    metered: Api, count: int, code: str, words: str
) -> None:
    payload = await metered.ingest(*[event(f"t{n}") for n in range(count)])
    assert counts(payload) == (0, 0, 1)
    error = only_error(payload)
    assert (error["code"], error["field"]) == (code, ["events"])
    assert words in error["message"]
    assert await stored(metered) == []


@pytest.mark.parametrize("key", ["nope", "customer_id", "Timestamp"])
async def test_an_unknown_key_of_an_event_refuses_the_request(metered: Api, key: str) -> None:
    answer = await metered.post(
        "mutation ($input: UsageEventsIngestInput!) {"
        " usageEventsIngest(input: $input) { acceptedCount } }",
        {"input": {"events": [event("good"), event(**{key: "x"})]}},
    )
    assert (
        f"at .events[1]: Expected value of type 'UsageEventInput' not to include unknown field"
        f" '{key}'" in answer["errors"][0]["message"]
    )
    assert await stored(metered) == []


async def test_an_event_before_its_subscription_starts_is_refused(metered: Api) -> None:
    globex = await metered.customer("globex", timezone="America/New_York")
    plan = await metered.plan("p", [{"name": "x", "model": {"flat": {"amount": "1"}}}])
    start = "2026-01-10T20:00:00-05:00"
    await metered.subscription(globex, plan, externalId="s1", startedAt=start)
    named = {"externalSubscriptionId": "s1", "externalCustomerId": "globex"}
    first = "2026-01-10T05:00:00Z"
    payload = await metered.ingest(
        event("early", timestamp="2026-01-10T04:59:59Z", **named),
        event("first", timestamp=first, **named),
    )
    assert counts(payload) == (1, 0, 1)
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID_INPUT", ["events", "0", "timestamp"])
    assert "2026-01-10T05:00:00+00:00" in error["message"]


async def test_a_repeat_of_a_refused_event_is_refused_too(metered: Api) -> None:
    await metered.ingest(event("t1"))
    changed = event("t1", source="elsewhere")
    payload = await metered.ingest(changed, changed, event("t2"), event("t2"))
    assert counts(payload) == (1, 1, 2)
    assert [error["field"] for error in payload["userErrors"]] == [
        ["events", "0", "transactionId"],
        ["events", "1", "transactionId"],
    ]


@pytest.mark.parametrize("aggregation", ["MAX", "LATEST", "WEIGHTED_SUM", "UNIQUE_COUNT"])
async def test_what_an_aggregation_cannot_read_is_refused_at_the_property(
    api: Api, aggregation: str
) -> None:
    await api.customer()
    await api.feature(aggregation, aggregation, eventName="transfer", valueProperty="user.id")
    values: list[object] = ["1", 1, "ab", True, "x" * 256, None, [1], {"a": 1}]
    payload = await api.ingest(
        *[event(f"t{n}", properties={"user": {"id": value}}) for n, value in enumerate(values)],
        event("none", properties={"user": "ab"}),
    )
    good = 4 if aggregation == "UNIQUE_COUNT" else 2
    assert counts(payload) == (good, 0, 9 - good)
    assert [error["field"] for error in payload["userErrors"]] == [
        ["events", str(n), "properties", "user", "id"] for n in range(good, 9)
    ]
    assert {error["code"] for error in payload["userErrors"]} == {"INVALID_INPUT"}
    used = {"UNIQUE_COUNT": "3", "MAX": "1", "LATEST": "1"}
    if aggregation in used:
        assert await totals(api) == {aggregation: (used[aggregation], good)}
