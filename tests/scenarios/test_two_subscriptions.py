"""Stories of two subscriptions that price one feature: every event is billed exactly once."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.invoices.metered import (
    all_invoices,
    breakdown,
    call,
    call_plan,
    costs,
    line_of,
    send,
    total_cost,
)
from tests.support import Api, Json


async def two(api: Api, first: str, second: str, **customer: object) -> Json:
    """A customer whose older subscription starts at `first`, the younger at `second`."""
    made = await api.customer(**customer)
    plan = await call_plan(api, flat=None)
    await api.subscription(made, plan, externalId="older", startedAt=first)
    await api.subscription(made, plan, externalId="younger", startedAt=second)
    return made


async def quantities(api: Api) -> dict[tuple[str, str], str]:
    """The quantity of each invoice by its subscription and month."""
    invoices = await all_invoices(
        api, "periodEnd subscription { externalId } lineItems { name quantity }"
    )
    return {
        (one["subscription"]["externalId"], one["periodEnd"][:7]): line_of(one, "Calls")["quantity"]
        for one in invoices
    }


async def test_unnamed_events_are_billed_by_the_older_and_named_ones_by_the_named(
    api: Api,
) -> None:
    await two(api, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    await send(
        api,
        *(call(f"unnamed-{n}", f"2026-01-1{n}T00:00:00Z") for n in range(5)),
        *(
            call(f"older-{n}", f"2026-01-1{n}T00:00:00Z", externalSubscriptionId="older")
            for n in range(3)
        ),
        *(
            call(f"younger-{n}", f"2026-01-1{n}T00:00:00Z", externalSubscriptionId="younger")
            for n in range(2)
        ),
    )
    await api.advance("2026-02-01T00:00:00Z")
    assert await quantities(api) == {("older", "2026-02"): "8", ("younger", "2026-02"): "2"}


@pytest.mark.parametrize(
    ("first", "second", "older", "younger"),
    [
        # The older starts later: until then the younger has what is unnamed.
        ("2026-01-15T10:00:00Z", "2026-01-01T00:00:00Z", "17", "14"),
        ("2026-01-01T00:00:00Z", "2026-01-15T10:00:00Z", "31", "0"),
        ("2026-01-31T00:00:00Z", "2026-01-30T00:00:00Z", "1", "1"),
    ],
)
async def test_a_day_is_billed_by_the_oldest_that_lives_on_it(
    api: Api, first: str, second: str, older: str, younger: str
) -> None:
    await two(api, first, second)
    await send(api, *(call(f"{day}", f"2026-01-{day:02}T00:00:00Z") for day in range(1, 32)))
    await api.advance("2026-02-01T00:00:00Z")
    assert await quantities(api) == {("older", "2026-02"): older, ("younger", "2026-02"): younger}
    for invoice in await all_invoices(api):
        found = await breakdown(api, invoice["id"])
        assert total_cost(found) == Decimal(line_of(invoice, "Calls")["amount"])


async def test_over_months_nothing_is_billed_twice_or_lost(api: Api) -> None:
    await two(api, "2026-02-10T00:00:00Z", "2026-01-05T00:00:00Z", timezone="America/New_York")
    names = [None, "older", "younger"]
    events = [
        call(
            f"{month}-{day}-{number}",
            f"2026-{month:02}-{day:02}T04:30:00Z",
            **({} if name is None else {"externalSubscriptionId": name}),
        )
        for month in (1, 2, 3)
        for day in range(1, 29)
        for number, name in enumerate(names)
    ]
    payload = await api.ingest(*events)
    # What names a subscription before its first day is told, not kept and never billed.
    early = [
        str(place)
        for place, event in enumerate(events)
        if "externalSubscriptionId" in event and event["externalSubscriptionId"] not in alive(event)
    ]
    assert [error["field"][1] for error in payload["userErrors"]] == early
    assert payload["acceptedCount"] == len(events) - len(early)
    await api.advance("2026-04-05T00:00:00Z")
    assert await quantities(api) == counted_by_hand(events)


def local_time(event: Json) -> datetime:
    """By the calendar of New York, where 04:30 UTC is the evening before until 8 March."""
    local = datetime.fromisoformat(event["timestamp"]) - timedelta(hours=5)
    return local + timedelta(hours=event["timestamp"] >= "2026-03-08T07:00:00Z")


def alive(event: Json) -> list[str]:
    """The subscriptions that had started by the event's day, the older first."""
    starts = {"older": date(2026, 2, 9), "younger": date(2026, 1, 4)}
    return [name for name in ("older", "younger") if starts[name] <= local_time(event).date()]


def counted_by_hand(events: list[Json]) -> dict[tuple[str, str], str]:
    """For each subscription and month of billing, the events that are its own."""
    counts = dict.fromkeys(
        [
            ("younger", "2026-02"),
            ("younger", "2026-03"),
            ("younger", "2026-04"),
            ("older", "2026-03"),
            ("older", "2026-04"),
        ],
        0,
    )
    for event in events:
        named = event.get("externalSubscriptionId")
        owners = [named] if named else alive(event)[:1]
        for owner in owners:
            if owner in alive(event):
                counts[owner, f"2026-{local_time(event).month + 1:02}"] += 1
    return {key: str(count) for key, count in counts.items()}


async def test_each_line_breaks_down_into_its_own_events(api: Api) -> None:
    await two(api, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    await send(
        api,
        call("1", "2026-01-02T00:00:00Z", source="unnamed"),
        call("2", "2026-01-03T00:00:00Z", source="named", externalSubscriptionId="younger"),
        call("3", "2026-01-04T00:00:00Z", source="named", externalSubscriptionId="older"),
    )
    await api.advance("2026-02-01T00:00:00Z")
    for invoice in await all_invoices(api, "id subscription { externalId }"):
        wanted = {("named",): "1.00"}
        if invoice["subscription"]["externalId"] == "older":
            wanted |= {("unnamed",): "1.00"}
        for forced in (False, True):
            assert costs(await breakdown(api, invoice["id"], forced=forced)) == wanted


async def test_a_subscription_made_later_takes_nothing_that_was_billed(api: Api) -> None:
    customer = await api.customer()
    plan = await call_plan(api, flat=None)
    await api.subscription(customer, plan, externalId="older", startedAt="2026-01-10T00:00:00Z")
    await send(api, call("1", "2026-01-05T00:00:00Z"), call("2", "2026-01-20T00:00:00Z"))
    await api.advance("2026-02-10T00:00:00Z")
    assert await quantities(api) == {("older", "2026-02"): "1"}
    await api.subscription(customer, plan, externalId="younger", startedAt="2026-01-01T00:00:00Z")
    await api.advance("2026-02-10T00:00:00Z")
    assert await quantities(api) == {("older", "2026-02"): "1", ("younger", "2026-02"): "1"}
