"""Stories of trials: nothing is billed in them, and the periods start when they end."""

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

TRIAL = {
    "status": "TRIALING",
    "plan": "base",
    "trialEndsAt": "2026-01-15",
    "currentPeriodStart": "2026-01-01",
    "currentPeriodEnd": "2026-01-15",
}


async def trial_plan(api: Api, **values: object) -> Json:
    """14 days for nothing, then 31.00 in advance and 1.00 a call."""
    calls = await calls_feature(api)
    prices = [fee("31.00"), per_call(calls, "1.00")]
    return await api.plan("base", prices, **{"trialDays": 14, **values})


async def test_the_first_period_starts_when_the_trial_ends(api: Api) -> None:
    plan = await trial_plan(api)
    one = await subscribe(api, await api.customer(), plan, startedAt="2026-01-01T10:00:00Z")
    await api.advance("2026-01-14T23:59:59Z")
    assert await life(api, one) == TRIAL
    assert await heads(api) == []
    # 15 to 31 January are 17 days at 1.00.
    assert await turn(api, one, "2026-01-15T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-15/2026-02-01 17.00",
            "FIXED Base 1 17.00 2026-01-15/2026-02-01",
        )
    ]
    assert await life(api, one) == active(
        "base", "2026-01-15", "2026-02-01", trialEndsAt="2026-01-15"
    )


async def test_usage_in_the_trial_is_metered_and_on_no_invoice(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await trial_plan(api))
    await send(
        api,
        call("1", "2026-01-01T00:00:00Z"),
        call("2", "2026-01-14T23:59:59.999999Z", externalSubscriptionId=one["externalId"]),
        call("3", "2026-01-15T00:00:00Z"),
    )
    await api.advance("2026-01-15T00:00:00Z")
    await send(api, call("late", "2026-01-10T00:00:00Z"))
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-15/2026-02-01 32.00",
            "USAGE Calls 1 1.00 2026-01-15/2026-02-01",
            "FIXED Base 1 31.00 2026-02-01/2026-03-01",
        )
    ]
    data = await api.query(
        """{ customer(externalId: "acme") { usage(periodStart: "2026-01-01T00:00:00Z"
             periodEnd: "2026-01-15T00:00:00Z") { quantity } } }"""
    )
    assert data["customer"]["usage"] == [{"quantity": "3"}]


async def test_anniversary_periods_count_from_the_trials_end(api: Api) -> None:
    plan = await trial_plan(api, trialDays=30)
    one = await subscribe(api, await api.customer(), plan, billingAnchor="ANNIVERSARY")
    # 1 January and 30 days are 31 January.
    assert [
        made[0].split()[3:]
        for made in await turn(
            api, one, "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"
        )
    ] == [
        ["2026-01-31/2026-02-28", "31.00"],
        ["2026-01-31/2026-02-28", "31.00"],
        ["2026-02-28/2026-03-31", "31.00"],
    ]


async def test_a_trial_ends_at_the_customers_midnight(api: Api) -> None:
    # Two days over the change of clocks on 8 March: 47 hours.
    plan = await trial_plan(api, trialDays=2)
    customer = await api.customer(timezone="America/New_York")
    one = await subscribe(api, customer, plan, startedAt="2026-03-08T04:00:00Z")
    await api.advance("2026-03-08T04:00:00Z")
    assert (await life(api, one))["trialEndsAt"] == "2026-03-09T04:00:00Z"
    # 9 to 31 March are 23 days at 1.00.
    assert await turn(api, one, "2026-03-09T04:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED"
            " 2026-03-09T04:00:00Z/2026-04-01T04:00:00Z 23.00",
            "FIXED Base 1 23.00 2026-03-09T04:00:00Z/2026-04-01T04:00:00Z",
        )
    ]


async def test_cancelled_at_once_a_trial_bills_nothing(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await trial_plan(api))
    await send(api, call("1", "2026-01-03T00:00:00Z"))
    await api.advance("2026-01-05T12:00:00Z")
    ended = {
        "status": "ENDED",
        "plan": "base",
        "trialEndsAt": "2026-01-15",
        "endedAt": "2026-01-05T12:00:00Z",
    }
    assert await cancel(api, one, "NOW") == ended
    await api.advance("2026-03-01T00:00:00Z")
    assert (await heads(api), await open_credit(api)) == ([], "0.00")


async def test_cancelled_at_its_end_a_trial_runs_out_and_bills_nothing(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await trial_plan(api))
    await api.advance("2026-01-05T12:00:00Z")
    assert await cancel(api, one, "PERIOD_END") == {**TRIAL, "cancelsAt": "2026-01-15"}
    await send(api, call("1", "2026-01-16T00:00:00Z"))
    assert await upcoming(api, one) is None
    await api.advance("2026-03-01T00:00:00Z")
    over = {"status": "ENDED", "plan": "base", "trialEndsAt": "2026-01-15"}
    assert await life(api, one) == {**over, "cancelsAt": "2026-01-15", "endedAt": "2026-01-15"}
    assert (await heads(api), await open_credit(api)) == ([], "0.00")


async def test_within_a_trial_any_plan_takes_the_first_ones_place(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await trial_plan(api))
    dear = await api.plan("dear", [fee("62.00", "Dear")])
    cheap = await api.plan("cheap", [fee("3.10", "Cheap")], trialDays=90)
    await api.advance("2026-01-05T12:00:00Z")
    # Up and down, at once and without an invoice; the trial stays as it was.
    assert await change(api, one, dear) == {**TRIAL, "plan": "dear"}
    assert await change(api, one, cheap) == {**TRIAL, "plan": "cheap"}
    assert await change(api, one, dear) == {**TRIAL, "plan": "dear"}
    assert await heads(api) == []
    assert await turn(api, one, "2026-01-15T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-15/2026-02-01 34.00",
            "FIXED Dear 1 34.00 2026-01-15/2026-02-01",
        )
    ]


async def test_from_advance_to_arrears_within_a_trial(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await trial_plan(api))
    later = await api.plan("later", [fee("62.00", "Later", "ARREARS")])
    await change(api, one, later)
    await api.advance("2026-01-31T00:00:00Z")
    assert await bills(api) == []
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-15/2026-02-01 34.00",
            "FIXED Later 1 34.00 2026-01-15/2026-02-01",
        )
    ]


async def test_cancelled_at_its_end_a_trial_of_arrears_bills_nothing_either(api: Api) -> None:
    prices = [fee("31.00", cadence="ARREARS")]
    plan = await api.plan("base", prices, trialDays=14)
    one = await subscribe(api, await api.customer(), plan)
    assert await cancel(api, one, "PERIOD_END") == {**TRIAL, "cancelsAt": "2026-01-15"}
    await api.advance("2026-03-01T00:00:00Z")
    assert (await life(api, one))["endedAt"] == "2026-01-15"
    assert await heads(api) == []
