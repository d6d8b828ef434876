"""Stories of a least amount that a period bills: a shortfall is a line of its own."""

import pytest

from tests.invoices.metered import all_invoices, call, send
from tests.scenarios.lives import (
    bills,
    calls_feature,
    cancel,
    change,
    fee,
    open_credit,
    per_call,
    subscribe,
    turn,
)
from tests.support import Api, Json

STEPS = "lineItems { name description pricingSteps { description amount } }"


async def committed(
    api: Api,
    least: str,
    *fees: Json,
    unit: str = "20.00",
    key: str = "base",
    calls: Json | None = None,
    **values: object,
) -> Json:
    """A plan with a price a call and a minimum commitment."""
    feature = calls or await calls_feature(api)
    prices = [*fees, per_call(feature, unit)]
    return await api.plan(key, prices, minimumCommitment=least, **values)


async def calls_of_january(api: Api, count: int) -> None:
    """So many calls, on the last days of the month."""
    await send(api, *(call(f"{day}", f"2026-01-{31 - day}T12:00:00Z") for day in range(count)))


async def steps(api: Api) -> tuple[str | None, list[tuple[str, str]]]:
    """The description and the working of the only shortfall."""
    (found,) = [
        line
        for one in await all_invoices(api, STEPS)
        for line in one["lineItems"]
        if line["name"] == "Minimum commitment"
    ]
    working = [(step["description"], step["amount"]) for step in found["pricingSteps"]]
    return found["description"], working


async def test_a_shortfall_is_a_line_of_its_own(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await committed(api, "100.00"))
    await calls_of_january(api, 2)
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-01/2026-02-01 100.00",
            "USAGE Calls 2 40.00 2026-01-01/2026-02-01",
            "MINIMUM_COMMITMENT Minimum commitment 1 60.00 2026-01-01/2026-02-01",
        )
    ]
    assert await steps(api) == (
        None,
        [("Minimum commitment", "100"), ("Billed by other lines", "-40.00")],
    )


@pytest.mark.parametrize(("count", "total"), [(5, "100.00"), (6, "120.00")])
async def test_met_or_exceeded_there_is_no_line(api: Api, count: int, total: str) -> None:
    one = await subscribe(api, await api.customer(), await committed(api, "100.00"))
    await calls_of_january(api, count)
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            f"SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-01/2026-02-01 {total}",
            f"USAGE Calls {count} {total} 2026-01-01/2026-02-01",
        )
    ]


async def test_what_comes_in_the_grace_takes_from_the_shortfall(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await committed(api, "100.00"))
    await calls_of_january(api, 4)
    ((_, _, short),) = await turn(api, one, "2026-02-01T00:00:00Z")
    assert short == "MINIMUM_COMMITMENT Minimum commitment 1 20.00 2026-01-01/2026-02-01"
    await send(api, call("late", "2026-01-02T00:00:00Z"))
    await api.advance("2026-02-04T00:00:00Z")
    assert await bills(api) == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-01-01/2026-02-01 100.00",
            "USAGE Calls 5 100.00 2026-01-01/2026-02-01",
        )
    ]


async def test_a_partial_first_period_commits_to_its_days(api: Api) -> None:
    plan = await committed(api, "310.00")
    one = await subscribe(api, await api.customer(), plan, startedAt="2026-01-15T10:00:00Z")
    await calls_of_january(api, 2)
    # 17 of 31 days of 310.00 are 170.00.
    assert (await turn(api, one, "2026-02-01T00:00:00Z"))[0][1:] == (
        "USAGE Calls 2 40.00 2026-01-15/2026-02-01",
        "MINIMUM_COMMITMENT Minimum commitment 1 130.00 2026-01-15/2026-02-01",
    )
    assert await steps(api) == (
        "17 of 31 days",
        [("Minimum commitment, 17 of 31 days", "170"), ("Billed by other lines", "-40.00")],
    )


async def test_fees_of_the_period_count_whenever_they_were_billed(api: Api) -> None:
    fees = (fee("31.00", "Early"), fee("15.50", "Later", "ARREARS"))
    plan = await committed(api, "310.00", *fees)
    one = await subscribe(api, await api.customer(), plan, startedAt="2026-01-15T10:00:00Z")
    await calls_of_january(api, 2)
    # 170.00 - 17.00 of the early fee - 8.50 of the later one - 40.00
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-15/2026-02-01 184.00",
            "FIXED Later 1 8.50 2026-01-15/2026-02-01",
            "USAGE Calls 2 40.00 2026-01-15/2026-02-01",
            "MINIMUM_COMMITMENT Minimum commitment 1 104.50 2026-01-15/2026-02-01",
            "FIXED Early 1 31.00 2026-02-01/2026-03-01",
        )
    ]


async def test_a_plan_in_advance_alone_is_topped_up_at_its_end(api: Api) -> None:
    plan = await api.plan("base", [fee("31.00")], minimumCommitment="50.00")
    one = await subscribe(api, await api.customer(), plan)
    assert (await turn(api, one, "2026-02-01T00:00:00Z"))[0][1:] == (
        "MINIMUM_COMMITMENT Minimum commitment 1 19.00 2026-01-01/2026-02-01",
        "FIXED Base 1 31.00 2026-02-01/2026-03-01",
    )


async def test_yen_have_no_decimals(api: Api) -> None:
    plan = await committed(api, "1000", unit="20", currency="JPY")
    customer = await api.customer(currency="JPY")
    one = await subscribe(api, customer, plan, startedAt="2026-01-15T10:00:00Z")
    await calls_of_january(api, 2)
    # 17 of 31 days of 1000 are 548.387…, which is 548; less 40.
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-15/2026-02-01 548",
            "USAGE Calls 2 40 2026-01-15/2026-02-01",
            "MINIMUM_COMMITMENT Minimum commitment 1 508 2026-01-15/2026-02-01",
        )
    ]
    assert await steps(api) == (
        "17 of 31 days",
        [
            ("Minimum commitment, 17 of 31 days", "548.3870967741935483871"),
            ("Billed by other lines", "-40"),
            ("Rounding", "-0.3870967741935483871"),
        ],
    )


async def test_cancelled_at_once_it_commits_to_the_days_used(api: Api) -> None:
    plan = await committed(api, "310.00", fee("31.00"))
    one = await subscribe(api, await api.customer(), plan)
    await send(api, call("1", "2026-01-05T00:00:00Z"), call("2", "2026-01-20T00:00:00Z"))
    await api.advance("2026-01-11T15:00:00Z")
    await cancel(api, one, "NOW")
    # 11 of 31 days are 110.00, less 11.00 of the fee and one call; 20.00 of the fee are unused.
    ends = "2026-01-01/2026-01-11T15:00:00Z"
    assert (await bills(api))[1] == (
        f"SUBSCRIPTION SUBSCRIPTION_END DRAFT {ends} 79.00",
        f"USAGE Calls 1 20.00 {ends}",
        f"MINIMUM_COMMITMENT Minimum commitment 1 79.00 {ends}",
        "PRORATION Unused Base 1 -20.00 2026-01-12/2026-02-01",
    )
    assert await open_credit(api) == "0.00"


async def test_each_plan_of_a_month_commits_to_its_own_days(api: Api) -> None:
    calls = await calls_feature(api)
    small = await committed(api, "310.00", fee("31.00"), calls=calls)
    large = await committed(api, "620.00", fee("62.00"), calls=calls, key="large")
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, one, large)
    # 10 days: 100.00 less 10.00 of the fee. 21 days: 420.00 less 42.00.
    assert (await bills(api))[2][1:] == (
        "USAGE Calls 0 0.00 2026-01-01/2026-01-11",
        "MINIMUM_COMMITMENT Minimum commitment 1 90.00 2026-01-01/2026-01-11",
    )
    assert (await turn(api, one, "2026-02-01T00:00:00Z"))[0][1:] == (
        "USAGE Calls 0 0.00 2026-01-11/2026-02-01",
        "MINIMUM_COMMITMENT Minimum commitment 1 378.00 2026-01-11/2026-02-01",
        "FIXED Base 1 62.00 2026-02-01/2026-03-01",
    )
