"""Stories of calendars: where periods are cut, in months of any length and zones of any clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from billing_gql.store.database import Database
from tests.invoices.metered import all_invoices, call, send
from tests.scenarios.lives import (
    active,
    calls_feature,
    fee,
    heads,
    life,
    per_call,
    settle,
    subscribe,
    turn,
)
from tests.support import Api, Json, new_organization

CREATE = "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED"


async def totals_by_period(api: Api) -> list[tuple[str, str]]:
    """The period and the total of each invoice."""
    return [(head.split()[3], head.split()[4]) for head in await heads(api)]


@pytest.mark.parametrize(
    ("start", "days"),
    [
        # 31 January is followed by the last day of February and by 31 March.
        ("2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", ["2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        ("2028-01-30", ["2028-02-29", "2028-03-30", "2028-04-30", "2028-05-30"]),
        ("2028-01-29", ["2028-02-29", "2028-03-29", "2028-04-29", "2028-05-29"]),
        ("2026-12-31", ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
    ],
)
async def test_a_month_ends_on_the_start_day_or_the_last_one(
    api: Api, start: str, days: list[str]
) -> None:
    await api.advance(f"{start}T10:00:00Z")
    plan = await api.plan("base", [fee("31.00", cadence="ARREARS")])
    one = await subscribe(api, await api.customer(), plan, billingAnchor="ANNIVERSARY")
    await api.advance(f"{days[-1]}T00:00:00Z")
    # Every month is a whole one, however many days it has.
    edges = [start, *days]
    wanted = [(f"{a}/{b}", "31.00") for a, b in pairwise(edges)]
    assert await totals_by_period(api) == wanted
    following = (await life(api, one))["currentPeriodEnd"]
    assert following > days[-1]


async def test_a_year_from_a_leap_day(api: Api) -> None:
    await api.advance("2028-02-29T10:00:00Z")
    plan = await api.plan("base", [fee("366.00", cadence="ARREARS")], billingPeriod="YEARLY")
    await subscribe(api, await api.customer(), plan, billingAnchor="ANNIVERSARY")
    await api.advance("2032-02-29T00:00:00Z")
    edges = ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]
    assert await totals_by_period(api) == [(f"{a}/{b}", "366.00") for a, b in pairwise(edges)]


async def test_a_leap_year_has_a_day_more_to_divide(api: Api) -> None:
    await api.advance("2028-02-15T10:00:00Z")
    plan = await api.plan("base", [fee("366.00")], billingPeriod="YEARLY")
    await subscribe(api, await api.customer(), plan)
    # 31 + 14 days of 366 have passed: 321 are left.
    assert await totals_by_period(api) == [("2028-02-15/2029-01-01", "321.00")]


@pytest.mark.parametrize(
    ("anchor", "edges", "first"),
    [
        # 1 January 2026 is a Thursday: to Monday it is 4 of 7 days.
        ("CALENDAR", ["2026-01-01", "2026-01-05", "2026-01-12"], "4.00"),
        ("ANNIVERSARY", ["2026-01-01", "2026-01-08", "2026-01-15"], "7.00"),
    ],
)
async def test_a_week_starts_on_monday_or_on_the_start_day(
    api: Api, anchor: str, edges: list[str], first: str
) -> None:
    plan = await api.plan("base", [fee("7.00")], billingPeriod="WEEKLY")
    one = await subscribe(api, await api.customer(), plan, billingAnchor=anchor)
    start, second, third = edges
    assert await heads(api) == [f"{CREATE} {start}/{second} {first}"]
    assert (await turn(api, one, f"{second}T00:00:00Z"))[0][1] == (
        f"FIXED Base 1 7.00 {second}/{third}"
    )


def every_half_hour(first: str, last: str) -> list[Json]:
    """A call each half an hour."""
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    half_hours = int((end - start) / timedelta(minutes=30))
    instants = [start + n * timedelta(minutes=30) for n in range(half_hours)]
    return [call(at.isoformat(), at.isoformat()) for at in instants]


@pytest.mark.parametrize(
    ("zone", "first", "edges", "hours"),
    [
        # Clocks go back at 06:00 UTC on 3 November 2013, and forward at 07:00 on 10 March.
        (
            "America/New_York",
            "2013-11-02",
            ["2013-11-02T04", "2013-11-03T04", "2013-11-04T05", "2013-11-05T05"],
            [24, 25, 24],
        ),
        (
            "America/New_York",
            "2013-03-09",
            ["2013-03-09T05", "2013-03-10T05", "2013-03-11T04", "2013-03-12T04"],
            [24, 23, 24],
        ),
        # Back on 7 April 2013 and forward on 29 September.
        (
            "Pacific/Auckland",
            "2013-04-06",
            ["2013-04-05T11", "2013-04-06T11", "2013-04-07T12", "2013-04-08T12"],
            [24, 25, 24],
        ),
        (
            "Pacific/Auckland",
            "2013-09-28",
            ["2013-09-27T12", "2013-09-28T12", "2013-09-29T11", "2013-09-30T11"],
            [24, 23, 24],
        ),
    ],
)
async def test_a_day_of_more_or_fewer_hours_is_billed_once(
    http: httpx.AsyncClient,
    database: Database,
    zone: str,
    first: str,
    edges: list[str],
    hours: list[int],
) -> None:
    api = await new_organization(http, database, clock=datetime(2013, 3, 1, tzinfo=UTC))
    calls = await calls_feature(api)
    prices = [fee("24.00"), per_call(calls, "1.00")]
    plan = await api.plan("base", prices, billingPeriod="DAILY")
    customer = await api.customer(timezone=zone)
    at = [f"{edge}:00:00Z" for edge in edges]
    await api.advance(at[0])
    await subscribe(api, customer, plan)
    await send(api, *every_half_hour(at[0], at[-1]))
    await api.advance(at[-1])
    found = await all_invoices(api, "periodStart periodEnd lineItems { name quantity amount }")
    spans = list(pairwise(at))
    # The fee of each day is whole, and every half hour is on exactly one invoice.
    assert [(one["periodStart"], one["periodEnd"]) for one in found] == [spans[0], *spans]
    assert [
        [line["quantity"] for line in one["lineItems"] if line["name"] == "Calls"] for one in found
    ] == [[], *([str(2 * count)] for count in hours)]
    fees = [line["amount"] for one in found for line in one["lineItems"] if line["name"] == "Base"]
    assert fees == ["24.00"] * 4


async def test_a_zone_of_quarter_hours(api: Api) -> None:
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("31.00"), per_call(calls, "1.00")])
    # In Kathmandu, 5:45 ahead, 18:14:59 on 14 January is the last second of that day.
    await api.advance("2026-01-14T18:15:00Z")
    one = await subscribe(api, await api.customer(timezone="Asia/Kathmandu"), plan)
    await send(
        api,
        call("before", "2026-01-14T18:14:59.999999Z"),
        call("first", "2026-01-14T18:15:00Z"),
        call("last", "2026-01-31T18:14:59.999999Z"),
        call("after", "2026-01-31T18:15:00Z"),
    )
    edges = ("2026-01-14T18:15:00Z", "2026-01-31T18:15:00Z", "2026-02-28T18:15:00Z")
    # 15 to 31 January are 17 days.
    assert await heads(api) == [f"{CREATE} {edges[0]}/{edges[1]} 17.00"]
    assert await turn(api, one, edges[1]) == [
        (
            f"SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT {edges[0]}/{edges[1]} 33.00",
            f"USAGE Calls 2 2.00 {edges[0]}/{edges[1]}",
            f"FIXED Base 1 31.00 {edges[1]}/{edges[2]}",
        )
    ]
    assert await life(api, one) == active("base", edges[1], edges[2])


async def test_a_month_of_auckland_in_which_clocks_go_back(api: Api) -> None:
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("30.00", cadence="ARREARS"), per_call(calls, "1.00")])
    # On 5 April 2026 Auckland goes from 13 to 12 hours ahead: 30 days and an hour.
    edges = ("2026-03-31T11:00:00Z", "2026-04-30T12:00:00Z")
    await api.advance("2026-03-31T11:00:00Z")
    one = await subscribe(api, await api.customer(timezone="Pacific/Auckland"), plan)
    await send(
        api,
        call("before", "2026-03-31T10:59:59Z"),
        call("first", edges[0]),
        call("last", "2026-04-30T11:59:59Z"),
        call("after", edges[1]),
    )
    assert await turn(api, one, edges[1]) == [
        (
            f"SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT {edges[0]}/{edges[1]} 32.00",
            f"FIXED Base 1 30.00 {edges[0]}/{edges[1]}",
            f"USAGE Calls 2 2.00 {edges[0]}/{edges[1]}",
        )
    ]
    await settle(api)
