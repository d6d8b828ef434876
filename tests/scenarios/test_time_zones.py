"""Stories of midnights: each customer's month ends at its own, whatever clocks do meanwhile."""

import pytest

from tests.invoices.metered import all_invoices, call, call_plan, line_of, send
from tests.support import Api, Json

CALLS = [
    "2026-01-31T14:59:59Z",  # 23:59:59 of 31 January in Tokyo
    "2026-01-31T15:00:00Z",  # midnight of 1 February in Tokyo
    "2026-01-31T18:30:00Z",  # midnight in Kolkata
    "2026-01-31T23:59:59Z",
    "2026-02-01T00:00:00Z",  # midnight in UTC
    "2026-02-01T04:59:59.999999Z",
    "2026-02-01T05:00:00Z",  # midnight in New York
]


async def test_the_same_events_are_billed_by_each_customers_own_midnight(api: Api) -> None:
    plan = await call_plan(api, flat=None)
    wanted = {
        "tokyo": ("Asia/Tokyo", "2026-01-31T15:00:00Z", "1"),
        "kolkata": ("Asia/Kolkata", "2026-01-31T18:30:00Z", "2"),
        "london": ("Europe/London", "2026-02-01T00:00:00Z", "4"),
        "new-york": ("America/New_York", "2026-02-01T05:00:00Z", "6"),
    }
    for name, (zone, _, _) in wanted.items():
        customer = await api.customer(name, timezone=zone)
        await api.subscription(customer, plan, startedAt="2026-01-10T00:00:00Z")
        await send(api, *(call(f"{name}-{at}", at, name) for at in CALLS))
    await api.advance("2026-02-02T00:00:00Z")
    januarys = await all_invoices(api)
    # In the order in which their months ended.
    assert [one["customer"]["externalId"] for one in januarys] == list(wanted)
    for invoice in januarys:
        _, ends, quantity = wanted[invoice["customer"]["externalId"]]
        assert (invoice["periodEnd"], line_of(invoice, "Calls")["quantity"]) == (ends, quantity)
        assert invoice["createdAt"] == ends
    await api.advance("2026-03-02T00:00:00Z")
    for invoice in await all_invoices(api):
        _, ends, quantity = wanted[invoice["customer"]["externalId"]]
        if invoice["periodStart"] == ends:
            assert line_of(invoice, "Calls")["quantity"] == str(len(CALLS) - int(quantity))


@pytest.mark.parametrize(
    ("month", "starts", "ends", "hours"),
    [
        # Clocks go from 02:00 to 03:00 on 8 March and from 02:00 to 01:00 on 1 November.
        ("2026-03", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z", 31 * 24 - 1),
        ("2026-11", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z", 30 * 24 + 1),
    ],
)
async def test_a_change_of_clocks_in_new_york_loses_and_doubles_no_hour(
    api: Api, month: str, starts: str, ends: str, hours: int
) -> None:
    await api.advance(f"{month}-01T12:00:00Z")
    customer = await api.customer(timezone="America/New_York")
    subscription = await api.subscription(customer, await call_plan(api), startedAt=starts)
    events = [
        call(f"{day}-{hour}", f"{day}T{hour:02}:30:00Z")
        for day in days_around(month)
        for hour in range(24)
    ]
    for start in range(0, len(events), 900):
        await send(api, *events[start : start + 900])
    await api.advance(ends)
    (invoice,) = await all_invoices(api)
    assert (invoice["periodStart"], invoice["periodEnd"]) == (starts, ends)
    assert line_of(invoice, "Calls")["quantity"] == str(hours)
    assert line_of(invoice, "Access")["description"] is None
    assert invoice["subscription"]["id"] == subscription["id"]
    data = await api.query(
        f"""{{ customer(externalId: "acme") {{ usage(periodStart: "{starts}", periodEnd: "{ends}"
              window: DAY) {{ windowStart quantity }} }} }}"""
    )
    days: list[Json] = data["customer"]["usage"]
    assert sum(int(day["quantity"]) for day in days) == hours
    assert sorted({day["quantity"] for day in days}) == sorted(
        {"24", "23" if month == "2026-03" else "25"}
    )


def days_around(month: str) -> list[str]:
    """The days of the month by UTC, and two after it."""
    length = 31 if month == "2026-03" else 30
    following = f"2026-{int(month[5:]) + 1:02}"
    return [f"{month}-{day:02}" for day in range(1, length + 1)] + [
        f"{following}-01",
        f"{following}-02",
    ]


@pytest.mark.parametrize("moves_to", ["America/New_York", "Pacific/Kiritimati"])
async def test_when_a_customer_changes_zone_its_periods_still_tile(api: Api, moves_to: str) -> None:
    customer = await api.customer(timezone="Asia/Tokyo")
    plan = await call_plan(api)
    await api.subscription(customer, plan, startedAt="2026-01-01T00:00:00Z")
    await api.advance("2026-01-20T00:00:00Z")
    await api.done(
        "customerUpdate", "customer { timezone }", customerId=customer["id"], timezone=moves_to
    )
    hours = [
        call(f"{day}-{hour}", f"{day}T{hour:02}:00:00Z")
        for day in ("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01")
        for hour in range(24)
    ]
    await send(api, *hours)
    await api.advance("2026-04-10T00:00:00Z")
    invoices = await all_invoices(api)
    assert [one["periodStart"] for one in invoices] == [
        "2025-12-31T15:00:00Z",
        "2026-01-31T15:00:00Z",
        "2026-02-28T15:00:00Z",
    ]
    assert [one["periodEnd"] for one in invoices] == [
        "2026-01-31T15:00:00Z",
        "2026-02-28T15:00:00Z",
        "2026-03-31T15:00:00Z",
    ]
    quantities = [int(line_of(one, "Calls")["quantity"]) for one in invoices]
    assert quantities == [15, 9 + 24 + 15, 9 + 24]
    assert sum(quantities) == len(hours)
    assert {line_of(one, "Access")["amount"] for one in invoices} == {"310.00"}
