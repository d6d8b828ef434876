"""Stories of fees that are billed when a period starts, and of what is billed when it ends."""

import pytest

from tests.invoices.metered import call, grace, send
from tests.scenarios.lives import (
    active,
    bills,
    calls_feature,
    fee,
    life,
    per_call,
    subscribe,
    turn,
    upcoming,
)
from tests.support import Api

CREATE = "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED"
CYCLE = "SUBSCRIPTION SUBSCRIPTION_CYCLE"


async def test_an_advance_fee_is_owed_when_its_period_starts(api: Api) -> None:
    plan = await api.plan("base", [fee("31.00")])
    one = await api.subscription(await api.customer(), plan)
    before = await upcoming(api, one)
    assert before is not None
    assert (before["targetDate"], before["total"]) == ("2026-01-01", "31.00")
    await api.advance("2026-01-01T00:00:00Z")
    january = (
        f"{CREATE} 2026-01-01/2026-02-01 31.00",
        "FIXED Base 1 31.00 2026-01-01/2026-02-01",
    )
    assert await bills(api) == [january]
    assert await life(api, one) == active("base", "2026-01-01", "2026-02-01")
    # Nothing of a pure fee can come late: it has no grace.
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            f"{CYCLE} FINALIZED 2026-02-01/2026-03-01 31.00",
            "FIXED Base 1 31.00 2026-02-01/2026-03-01",
        )
    ]
    assert await life(api, one) == active("base", "2026-02-01", "2026-03-01")


async def test_an_arrears_fee_is_owed_when_its_period_has_ended(api: Api) -> None:
    plan = await api.plan("base", [fee("31.00", cadence="ARREARS")])
    one = await subscribe(api, await api.customer(), plan)
    await api.advance("2026-01-31T23:59:59Z")
    assert await bills(api) == []
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            f"{CYCLE} DRAFT 2026-01-01/2026-02-01 31.00",
            "FIXED Base 1 31.00 2026-01-01/2026-02-01",
        )
    ]
    await api.advance("2026-02-03T23:59:59Z")
    assert (await bills(api))[0][0] == f"{CYCLE} DRAFT 2026-01-01/2026-02-01 31.00"
    await api.advance("2026-02-04T00:00:00Z")
    assert (await bills(api))[0][0] == f"{CYCLE} FINALIZED 2026-01-01/2026-02-01 31.00"


@pytest.mark.parametrize(("days", "status"), [(0, "FINALIZED"), (3, "DRAFT")])
async def test_one_invoice_a_boundary_bills_what_ended_and_what_starts(
    api: Api, days: int, status: str
) -> None:
    await grace(api, days)
    calls = await calls_feature(api)
    prices = [
        fee("31.00", "Seats"),
        fee("15.50", "Support", "ARREARS"),
        per_call(calls, "2.00"),
    ]
    plan = await api.plan("base", prices)
    one = await subscribe(api, await api.customer(), plan, startedAt="2026-01-15T10:00:00Z")
    await send(
        api,
        call("0", "2026-01-14T23:59:59Z"),
        call("1", "2026-01-15T00:00:00Z"),
        call("2", "2026-01-31T23:59:59.999999Z"),
        call("3", "2026-02-01T00:00:00Z"),
    )
    # 17 of 31 days: 17.00 and 8.50.
    await turn(api, one, "2026-01-15T00:00:00Z")
    assert await bills(api) == [
        (
            f"{CREATE} 2026-01-15/2026-02-01 17.00",
            "FIXED Seats 1 17.00 2026-01-15/2026-02-01",
        )
    ]
    assert await turn(api, one, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z") == [
        (
            f"{CYCLE} {status} 2026-01-15/2026-02-01 43.50",
            "FIXED Support 1 8.50 2026-01-15/2026-02-01",
            "USAGE Calls 2 4.00 2026-01-15/2026-02-01",
            "FIXED Seats 1 31.00 2026-02-01/2026-03-01",
        ),
        (
            f"{CYCLE} {status} 2026-02-01/2026-03-01 48.50",
            "FIXED Support 1 15.50 2026-02-01/2026-03-01",
            "USAGE Calls 1 2.00 2026-02-01/2026-03-01",
            "FIXED Seats 1 31.00 2026-03-01/2026-04-01",
        ),
    ]
    # What was drafted is what became owed.
    await api.advance("2026-03-04T00:00:00Z")
    assert [head for head, *_ in await bills(api)] == [
        f"{CREATE} 2026-01-15/2026-02-01 17.00",
        f"{CYCLE} FINALIZED 2026-01-15/2026-02-01 43.50",
        f"{CYCLE} FINALIZED 2026-02-01/2026-03-01 48.50",
    ]


@pytest.mark.parametrize(
    ("period", "anchor", "amount", "first", "edges"),
    [
        # Thursday 15 January 2026. A day is whole wherever it is counted from.
        ("DAILY", "CALENDAR", "1.00", "1.00", ["2026-01-15", "2026-01-16", "2026-01-17"]),
        ("DAILY", "ANNIVERSARY", "1.00", "1.00", ["2026-01-15", "2026-01-16", "2026-01-17"]),
        # Thursday to Sunday: 4 of 7 days.
        ("WEEKLY", "CALENDAR", "7.00", "4.00", ["2026-01-15", "2026-01-19", "2026-01-26"]),
        ("WEEKLY", "ANNIVERSARY", "7.00", "7.00", ["2026-01-15", "2026-01-22", "2026-01-29"]),
        ("MONTHLY", "CALENDAR", "31.00", "17.00", ["2026-01-15", "2026-02-01", "2026-03-01"]),
        ("MONTHLY", "ANNIVERSARY", "31.00", "31.00", ["2026-01-15", "2026-02-15", "2026-03-15"]),
        # 90 - 14 of 90 days.
        ("QUARTERLY", "CALENDAR", "90.00", "76.00", ["2026-01-15", "2026-04-01", "2026-07-01"]),
        ("QUARTERLY", "ANNIVERSARY", "90.00", "90.00", ["2026-01-15", "2026-04-15", "2026-07-15"]),
        # 181 - 14 of 181 days.
        ("SEMIANNUAL", "CALENDAR", "181.00", "167.00", ["2026-01-15", "2026-07-01", "2027-01-01"]),
        ("SEMIANNUAL", "ANNIVERSARY", "9.00", "9.00", ["2026-01-15", "2026-07-15", "2027-01-15"]),
        # 365 - 14 of 365 days.
        ("YEARLY", "CALENDAR", "365.00", "351.00", ["2026-01-15", "2027-01-01", "2028-01-01"]),
        ("YEARLY", "ANNIVERSARY", "365.00", "365.00", ["2026-01-15", "2027-01-15", "2028-01-15"]),
    ],
)
async def test_every_period_with_both_anchors(
    api: Api, period: str, anchor: str, amount: str, first: str, edges: list[str]
) -> None:
    """A fee in advance and one in arrears: the boundary bills the first one of the latter."""
    prices = [fee(amount, "Early"), fee(amount, "Later", "ARREARS")]
    plan = await api.plan("base", prices, billingPeriod=period)
    start, second, third = edges
    customer = await api.customer()
    one = await api.subscription(
        customer, plan, startedAt=f"{start}T10:00:00Z", billingAnchor=anchor
    )
    opened, closed = await turn(api, one, f"{start}T00:00:00Z", f"{second}T00:00:00Z")
    assert opened == (
        f"{CREATE} {start}/{second} {first}",
        f"FIXED Early 1 {first} {start}/{second}",
    )
    assert closed[1:] == (
        f"FIXED Later 1 {first} {start}/{second}",
        f"FIXED Early 1 {amount} {second}/{third}",
    )
    assert await life(api, one) == active("base", second, third)
    assert (await turn(api, one, f"{third}T00:00:00Z"))[0][1] == (
        f"FIXED Later 1 {amount} {second}/{third}"
    )


async def test_an_advance_invoice_without_usage_has_no_grace_but_a_closing_one_has(
    api: Api,
) -> None:
    await grace(api, 5)
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("31.00"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(timezone="Asia/Tokyo"), plan)
    # Midnight in Tokyo is 15:00 UTC of the day before.
    edges = "2025-12-31T15:00:00Z/2026-01-31T15:00:00Z"
    assert (await bills(api))[0][0] == f"{CREATE} {edges} 31.00"
    await turn(api, one, "2026-01-31T15:00:00Z")
    await api.advance("2026-02-05T14:59:59Z")
    assert (await bills(api))[1][0] == f"{CYCLE} DRAFT {edges} 31.00"
    await api.advance("2026-02-05T15:00:00Z")
    assert (await bills(api))[1][0] == f"{CYCLE} FINALIZED {edges} 31.00"
