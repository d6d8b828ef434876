"""Stories of moving to a plan that is not dearer: it holds from the next period on."""

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
    per_call,
    settle,
    subscribe,
    turn,
    upcoming,
)
from tests.support import Api, Json


async def large_and_small(api: Api) -> tuple[Json, Json]:
    """62.00 and 31.00 a month."""
    large = await api.plan("large", [fee("62.00", "Large")])
    return large, await api.plan("small", [fee("31.00", "Small")])


@pytest.mark.parametrize(
    "at", ["2026-01-11T15:00:00Z", "2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z"]
)
async def test_the_present_plan_runs_to_its_periods_end(api: Api, at: str) -> None:
    large, small = await large_and_small(api)
    one = await subscribe(api, await api.customer(), large)
    await api.advance(at)
    pending = active("large", "2026-01-01", "2026-02-01", pendingPlan="small")
    assert await change(api, one, small) == pending
    await turn(api, one, "2026-02-01T00:00:00Z")
    assert await bills(api) == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-01/2026-02-01 62.00",
            "FIXED Large 1 62.00 2026-01-01/2026-02-01",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-02-01/2026-03-01 31.00",
            "FIXED Small 1 31.00 2026-02-01/2026-03-01",
        ),
    ]
    assert await life(api, one) == active("small", "2026-02-01", "2026-03-01")


async def test_a_plan_of_the_same_price_waits_too(api: Api) -> None:
    large, _ = await large_and_small(api)
    yearly = await api.plan("yearly", [fee("744.00", "Yearly")], billingPeriod="YEARLY")
    one = await subscribe(api, await api.customer(), large)
    # 12 x 62.00 = 744.00
    assert (await change(api, one, yearly))["pendingPlan"] == "yearly"


async def test_the_boundary_closes_with_the_old_plan_and_opens_with_the_new(api: Api) -> None:
    calls = await calls_feature(api)
    large = await api.plan("large", [fee("62.00", "Large"), per_call(calls, "0.50")])
    small = await api.plan("small", [fee("31.00", "Small"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), large)
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, one, small)
    await send(
        api,
        call("1", "2026-01-05T00:00:00Z"),
        call("2", "2026-01-31T23:59:59.999999Z"),
        call("3", "2026-02-01T00:00:00Z"),
    )
    (first,) = await turn(api, one, "2026-02-01T00:00:00Z")
    # 2 x 0.50 + 31.00
    assert first == (
        "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-01/2026-02-01 32.00",
        "USAGE Calls 2 1.00 2026-01-01/2026-02-01",
        "FIXED Small 1 31.00 2026-02-01/2026-03-01",
    )
    # The grace is the old plan's: what comes late costs what it cost then.
    await send(api, call("late", "2026-01-20T00:00:00Z"))
    assert await turn(api, one, "2026-03-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-02-01/2026-03-01 32.00",
            "USAGE Calls 1 1.00 2026-02-01/2026-03-01",
            "FIXED Small 1 31.00 2026-03-01/2026-04-01",
        )
    ]
    assert (await bills(api))[1] == (
        "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-01-01/2026-02-01 32.50",
        "USAGE Calls 3 1.50 2026-01-01/2026-02-01",
        "FIXED Small 1 31.00 2026-02-01/2026-03-01",
    )


async def test_a_coming_change_is_taken_back_by_the_present_plan(api: Api) -> None:
    large, small = await large_and_small(api)
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, small)
    assert await change(api, one, large) == active("large", "2026-01-01", "2026-02-01")
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-02-01/2026-03-01 62.00",
            "FIXED Large 1 62.00 2026-02-01/2026-03-01",
        )
    ]


async def test_the_last_of_two_changes_on_one_day_holds(api: Api) -> None:
    large, small = await large_and_small(api)
    tiny = await api.plan("tiny", [fee("3.10", "Tiny")])
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, tiny)
    assert (await change(api, one, small))["pendingPlan"] == "small"
    assert (await turn(api, one, "2026-02-01T00:00:00Z"))[0][1:] == (
        "FIXED Small 1 31.00 2026-02-01/2026-03-01",
    )


async def test_an_upgrade_takes_the_place_of_a_coming_change(api: Api) -> None:
    large, small = await large_and_small(api)
    huge = await api.plan("huge", [fee("93.00", "Huge")])
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, small)
    await api.advance("2026-01-11T15:00:00Z")
    assert await change(api, one, huge) == active("huge", "2026-01-11", "2026-02-01")
    assert (await turn(api, one, "2026-02-01T00:00:00Z"))[0][1:] == (
        "FIXED Huge 1 93.00 2026-02-01/2026-03-01",
    )


async def test_down_again_on_the_day_of_an_upgrade_waits(api: Api) -> None:
    large, small = await large_and_small(api)
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T09:00:00Z")
    await change(api, one, large)
    await api.advance("2026-01-11T10:00:00Z")
    assert await change(api, one, small) == active(
        "large", "2026-01-11", "2026-02-01", pendingPlan="small"
    )
    assert len(await heads(api)) == 2
    assert (await turn(api, one, "2026-02-01T00:00:00Z"))[0][1:] == (
        "FIXED Small 1 31.00 2026-02-01/2026-03-01",
    )


async def test_from_a_month_to_a_cheaper_year(api: Api) -> None:
    large, _ = await large_and_small(api)
    yearly = await api.plan("yearly", [fee("365.00", "Yearly")], billingPeriod="YEARLY")
    one = await subscribe(api, await api.customer(), large)
    assert (await change(api, one, yearly))["pendingPlan"] == "yearly"
    # February to December: 365 - 31 days at 1.00.
    assert await turn(api, one, "2026-02-01T00:00:00Z", "2027-01-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-02-01/2027-01-01 334.00",
            "FIXED Yearly 1 334.00 2026-02-01/2027-01-01",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2027-01-01/2028-01-01 365.00",
            "FIXED Yearly 1 365.00 2027-01-01/2028-01-01",
        ),
    ]


async def test_from_advance_to_arrears_a_boundary_bills_nothing(api: Api) -> None:
    large, _ = await large_and_small(api)
    small = await api.plan("small-later", [fee("31.00", "Small", "ARREARS")])
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, small)
    assert await upcoming(api, one) is None
    await api.advance("2026-02-01T00:00:00Z")
    assert len(await heads(api)) == 1
    assert await life(api, one) == active("small-later", "2026-02-01", "2026-03-01")
    assert await turn(api, one, "2026-03-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-02-01/2026-03-01 31.00",
            "FIXED Small 1 31.00 2026-02-01/2026-03-01",
        )
    ]


async def test_from_a_pure_fee_to_a_plan_with_usage(api: Api) -> None:
    calls = await calls_feature(api)
    large, _ = await large_and_small(api)
    metered = await api.plan("metered", [fee("31.00"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, metered)
    await send(api, call("1", "2026-01-31T00:00:00Z"), call("2", "2026-02-01T00:00:00Z"))
    # No plan priced the call of January.
    assert await turn(api, one, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-02-01/2026-03-01 31.00",
            "FIXED Base 1 31.00 2026-02-01/2026-03-01",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-02-01/2026-03-01 32.00",
            "USAGE Calls 1 1.00 2026-02-01/2026-03-01",
            "FIXED Base 1 31.00 2026-03-01/2026-04-01",
        ),
    ]


async def test_from_arrears_to_advance_a_boundary_bills_both(api: Api) -> None:
    large = await api.plan("large", [fee("62.00", "Large", "ARREARS")])
    small = await api.plan("small", [fee("31.00", "Small")])
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, small)
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-01/2026-02-01 93.00",
            "FIXED Large 1 62.00 2026-01-01/2026-02-01",
            "FIXED Small 1 31.00 2026-02-01/2026-03-01",
        )
    ]


async def test_a_cancellation_takes_a_coming_change_back(api: Api) -> None:
    large, small = await large_and_small(api)
    one = await subscribe(api, await api.customer(), large)
    await change(api, one, small)
    assert await cancel(api, one, "PERIOD_END") == active(
        "large", "2026-01-01", "2026-02-01", cancelsAt="2026-02-01"
    )
    await api.advance("2026-03-01T00:00:00Z")
    await settle(api)
    assert len(await heads(api)) == 1
