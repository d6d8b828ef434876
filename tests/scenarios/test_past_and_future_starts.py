"""Stories of subscriptions that were made after they started, or before."""

from itertools import pairwise

import pytest

from tests.invoices.metered import call, send
from tests.scenarios.lives import (
    active,
    bills,
    calls_feature,
    cancel,
    change,
    fee,
    heads,
    life,
    open_credit,
    per_call,
    subscribe,
    turn,
    upcoming,
)
from tests.support import Api, Json


async def plan_of_both(api: Api) -> Json:
    """31.00 in advance, 1.00 a call."""
    calls = await calls_feature(api)
    return await api.plan("base", [fee("31.00"), per_call(calls, "1.00")])


async def test_half_a_year_ago_bills_each_period_in_order(api: Api) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    await send(
        api,
        call("before", "2025-07-09T23:59:59Z"),
        *(call(f"{month}", f"2025-{month:02}-20T00:00:00Z") for month in range(7, 13)),
    )
    one = await subscribe(api, customer, plan, startedAt="2025-07-10T08:00:00Z")
    # 10 to 31 July are 22 days. The grace of all but December is over: those are owed at once.
    cycle = "SUBSCRIPTION SUBSCRIPTION_CYCLE"
    edges = ["2025-07-10", *(f"2025-{month:02}-01" for month in range(8, 13)), "2026-01-01"]
    assert await heads(api, one) == [
        "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2025-07-10/2025-08-01 22.00",
        *(f"{cycle} FINALIZED {start}/{end} 32.00" for start, end in pairwise(edges[:-1])),
        f"{cycle} DRAFT 2025-12-01/2026-01-01 32.00",
    ]
    assert (await bills(api, one))[1] == (
        f"{cycle} FINALIZED 2025-07-10/2025-08-01 32.00",
        "USAGE Calls 1 1.00 2025-07-10/2025-08-01",
        "FIXED Base 1 31.00 2025-08-01/2025-09-01",
    )
    assert await life(api, one) == active("base", "2026-01-01", "2026-02-01")


async def test_a_change_at_once_finds_the_past_billed_by_the_first_plan(api: Api) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    dear = await api.plan("dear", [fee("62.00", "Dear")])
    await send(api, call("1", "2025-11-20T00:00:00Z"), call("2", "2025-12-20T00:00:00Z"))
    one = await api.subscription(customer, plan, startedAt="2025-11-01T00:00:00Z")
    assert await change(api, one, dear) == active("dear", "2026-01-01", "2026-02-01")
    assert sorted(bill[0] for bill in await bills(api, one)) == [
        "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-01/2026-02-01 31.00",
        "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2025-11-01/2025-12-01 31.00",
        "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2025-12-01/2026-01-01 32.00",
        "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2025-11-01/2025-12-01 32.00",
    ]


async def test_in_the_future_nothing_is_billed_before(api: Api) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    one = await subscribe(api, customer, plan, startedAt="2026-03-10T00:00:00Z")
    await send(api, call("early", "2026-03-09T23:59:59Z"), call("1", "2026-03-10T00:00:00Z"))
    await api.advance("2026-03-09T23:59:59Z")
    assert await life(api, one) == {"status": "PENDING", "plan": "base"}
    assert await heads(api) == []
    # 10 to 31 March are 22 days.
    assert await turn(api, one, "2026-03-10T00:00:00Z", "2026-04-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-03-10/2026-04-01 22.00",
            "FIXED Base 1 22.00 2026-03-10/2026-04-01",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-03-10/2026-04-01 32.00",
            "USAGE Calls 1 1.00 2026-03-10/2026-04-01",
            "FIXED Base 1 31.00 2026-04-01/2026-05-01",
        ),
    ]


@pytest.mark.parametrize("at", ["NOW", "PERIOD_END"])
async def test_cancelled_before_its_start_it_ends_without_an_invoice(api: Api, at: str) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    one = await subscribe(api, customer, plan, startedAt="2026-03-10T00:00:00Z")
    await api.advance("2026-02-01T12:00:00Z")
    ended = {"status": "ENDED", "plan": "base", "endedAt": "2026-02-01T12:00:00Z"}
    assert await cancel(api, one, at) == ended
    assert await upcoming(api, one) is None
    await api.advance("2026-05-01T00:00:00Z")
    assert (await heads(api), await open_credit(api)) == ([], "0.00")
    assert await life(api, one) == ended


async def test_changed_before_its_start_it_starts_on_the_new_plan(api: Api) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    cheap = await api.plan("cheap", [fee("3.10", "Cheap")])
    one = await subscribe(api, customer, plan, startedAt="2026-03-10T00:00:00Z")
    assert await change(api, one, cheap) == {"status": "PENDING", "plan": "cheap"}
    # 22 days at 0.10
    assert (await turn(api, one, "2026-03-10T00:00:00Z"))[0][1:] == (
        "FIXED Cheap 1 2.20 2026-03-10/2026-04-01",
    )


# A start at 18:00 is billed from midnight on, for its first day counts whole. 21 days at 1.00.
MORNING = (
    "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-11/2026-02-01 21.00",
    "FIXED Base 1 21.00 2026-01-11/2026-02-01",
)


@pytest.mark.parametrize("made_at", ["2026-01-05T00:00:00Z", "2026-01-11T08:00:00Z"])
async def test_cancelled_on_the_morning_before_its_start_it_owes_nothing(
    api: Api, made_at: str
) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    await api.advance(made_at)
    one = await subscribe(api, customer, plan, startedAt="2026-01-11T18:00:00Z")
    await send(api, call("1", "2026-01-11T07:00:00Z"))
    await api.advance("2026-01-11T09:00:00Z")
    assert await bills(api) == [MORNING]
    assert (await cancel(api, one, "NOW"))["endedAt"] == "2026-01-11T09:00:00Z"
    assert (await bills(api), await open_credit(api)) == ([MORNING], "21.00")


@pytest.mark.parametrize("at_once", [True, False])
async def test_changed_on_the_morning_before_its_start_the_first_fee_is_given_back(
    api: Api, at_once: bool
) -> None:
    plan, customer = await plan_of_both(api), await api.customer()
    dear = await api.plan("dear", [fee("62.00", "Dear")])
    await api.advance("2026-01-11T09:00:00Z")
    one = await api.subscription(customer, plan, startedAt="2026-01-11T18:00:00Z")
    if not at_once:
        await api.advance("2026-01-11T10:00:00Z")
    await change(api, one, dear)
    assert await bills(api) == [
        MORNING,
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-11/2026-02-01 21.00",
            "PRORATION Dear 1 42.00 2026-01-11/2026-02-01",
            "PRORATION Unused Base 1 -21.00 2026-01-11/2026-02-01",
        ),
    ]
