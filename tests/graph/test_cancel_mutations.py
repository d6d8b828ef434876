"""subscriptionCancel."""

import pytest

from tests.graph.shop import (
    SUBSCRIPTION,
    billed,
    cancel,
    change,
    fee,
    fee_plan,
    open_credit,
    shown,
    subscribed,
)
from tests.invoices.metered import call, send
from tests.support import Api


async def both_cadences(api: Api, **values: object) -> str:
    """A plan with a fee in advance, one in arrears and calls."""
    calls = await api.feature("calls", eventName="call")
    metered = {
        "name": "Calls",
        "featureId": calls["id"],
        "model": {"perUnit": {"unitAmount": "1"}},
    }
    prices = [fee("310", name="Before"), fee("31", "ARREARS", "After"), metered]
    plan_id: str = (await api.plan("both", prices, **values))["id"]
    return plan_id


async def refused_again(api: Api, subscription_id: str, at: str, words: str) -> None:
    field = ["at"] if "already" in words else ["subscriptionId"]
    values = {"subscriptionId": subscription_id, "at": at}
    await api.refused("subscriptionCancel", SUBSCRIPTION, "INVALID_STATE", field, words, **values)


async def test_now_bills_to_this_instant_and_credits_the_days_after_today(api: Api) -> None:
    subscription_id = await subscribed(api, await both_cadences(api))
    await api.advance("2026-01-16T10:30:00Z")
    await send(api, call("1", "2026-01-16T10:29:59.999999Z"), call("2", "2026-01-16T10:30:00Z"))
    cancelled = await cancel(api, subscription_id, "NOW")
    assert cancelled == {
        "id": subscription_id,
        "status": "ENDED",
        "plan": {"key": "both"},
        "pendingPlan": None,
        "currentPeriodStart": None,
        "currentPeriodEnd": None,
        "trialEndsAt": None,
        "cancelsAt": None,
        "endedAt": "2026-01-16T10:30:00Z",
    }
    first, last = await billed(api)
    assert first["total"] == "310.00"
    assert (last["status"], last["billingReason"], last["invoiceType"]) == (
        "DRAFT",
        "SUBSCRIPTION_END",
        "SUBSCRIPTION",
    )
    assert (last["periodStart"], last["periodEnd"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-16T10:30:00Z",
    )
    # Today is a used day: 16 of 31; 15 unused days of 310 are cut to what there is.
    assert [(line["name"], line["amount"]) for line in last["lineItems"]] == [
        ("After", "16.00"),
        ("Calls", "1.00"),
        ("Unused Before", "-17.00"),
    ]
    assert (last["total"], await open_credit(api)) == ("0.00", "133.00")
    await api.advance("2026-06-01T00:00:00Z")
    assert [one["status"] for one in await billed(api)] == ["FINALIZED"] * 2
    assert await open_credit(api) == "133.00"


@pytest.mark.parametrize(
    ("now", "days", "credit"),
    [
        # At a midnight the day that starts is not used.
        ("2026-01-16T05:00:00Z", "15.00", "160.00"),
        ("2026-01-16T05:00:00.000001Z", "16.00", "150.00"),
        ("2026-01-16T04:59:59.999999Z", "15.00", "160.00"),
        ("2026-01-17T04:59:59.999999Z", "16.00", "150.00"),
    ],
)
async def test_a_last_day_is_counted_in_the_subscriptions_zone(
    api: Api, now: str, days: str, credit: str
) -> None:
    advance = await fee_plan(api, "advance", "310")
    arrears = await fee_plan(api, "arrears", "31", "ARREARS")
    customer = await api.customer(timezone="America/New_York")
    other = await api.customer("other", timezone="America/New_York")
    start = "2026-01-01T05:00:00Z"
    await api.advance(start)
    one = await api.subscription(customer, {"id": advance})
    two = await api.subscription(other, {"id": arrears})
    await api.advance(now)
    for subscription in (one, two):
        await cancel(api, subscription["id"], "NOW")
    assert await open_credit(api) == credit
    assert shown(await billed(api))[1:] == [("END", f"01-01/{now[5:10]}", days)]


async def test_now_in_the_first_instant_bills_nothing_and_credits_all(api: Api) -> None:
    subscription_id = await subscribed(api, await both_cadences(api))
    await cancel(api, subscription_id, "NOW")
    assert shown(await billed(api)) == [("CREATE", "01-01/02-01", "310.00")]
    assert await open_credit(api) == "310.00"


async def test_at_the_periods_end_the_last_invoice_opens_nothing(api: Api) -> None:
    subscription_id = await subscribed(api, await both_cadences(api))
    await api.advance("2026-01-16T10:30:00Z")
    cancelled = await cancel(api, subscription_id, "PERIOD_END")
    assert (cancelled["status"], cancelled["cancelsAt"], cancelled["endedAt"]) == (
        "ACTIVE",
        "2026-02-01T00:00:00Z",
        None,
    )
    assert cancelled["currentPeriodEnd"] == "2026-02-01T00:00:00Z"
    assert len(await billed(api)) == 1
    await api.advance("2026-01-31T23:59:59Z")
    await send(api, call("1", "2026-01-31T00:00:00Z"))
    assert len(await billed(api)) == 1
    await api.advance("2026-06-01T00:00:00Z")
    assert shown(await billed(api))[1:] == [("END", "01-01/02-01", "32.00")]
    data = await api.query('{ subscription(externalId: "sub") { status endedAt cancelsAt } }')
    assert data["subscription"]["status"] == "ENDED"
    assert data["subscription"]["endedAt"] == "2026-02-01T00:00:00Z"
    await refused_again(api, subscription_id, "NOW", "ended at 2026-02-01")
    await refused_again(api, subscription_id, "PERIOD_END", "ended at 2026-02-01")


async def test_a_plan_in_advance_alone_ends_without_a_last_invoice(api: Api) -> None:
    subscription_id = await subscribed(api, await fee_plan(api, "small", "31"))
    await cancel(api, subscription_id, "PERIOD_END")
    await api.advance("2026-06-01T00:00:00Z")
    assert shown(await billed(api)) == [("CREATE", "01-01/02-01", "31.00")]
    assert await open_credit(api) == "0.00"


async def test_now_may_follow_the_periods_end_but_nothing_is_said_twice(api: Api) -> None:
    subscription_id = await subscribed(api, await fee_plan(api, "small", "31", "ARREARS"))
    await api.advance("2026-01-16T12:00:00Z")
    await cancel(api, subscription_id, "PERIOD_END")
    words = "ends at 2026-02-01T00:00:00+00:00 already"
    await refused_again(api, subscription_id, "PERIOD_END", words)
    cancelled = await cancel(api, subscription_id, "NOW")
    assert (cancelled["endedAt"], cancelled["cancelsAt"]) == ("2026-01-16T12:00:00Z", None)
    for at in ("NOW", "PERIOD_END"):
        await refused_again(api, subscription_id, at, "ended at 2026-01-16")
    await api.advance("2026-06-01T00:00:00Z")
    assert shown(await billed(api)) == [("END", "01-01/01-16", "16.00")]


@pytest.mark.parametrize("at", ["NOW", "PERIOD_END"])
async def test_one_that_has_not_started_ends_at_once_without_an_invoice(api: Api, at: str) -> None:
    plan_id = await both_cadences(api)
    subscription_id = await subscribed(api, plan_id, startedAt="2026-01-05T12:00:00Z")
    cancelled = await cancel(api, subscription_id, at)
    assert (cancelled["status"], cancelled["endedAt"], cancelled["cancelsAt"]) == (
        "ENDED",
        "2026-01-01T00:00:00Z",
        None,
    )
    await api.advance("2026-06-01T00:00:00Z")
    assert await billed(api) == []
    await refused_again(api, subscription_id, at, "ended at 2026-01-01")


@pytest.mark.parametrize("at", ["NOW", "PERIOD_END"])
async def test_a_first_day_billed_before_its_start_is_credited(api: Api, at: str) -> None:
    plan_id = await both_cadences(api)
    subscription_id = await subscribed(api, plan_id, startedAt="2026-01-01T18:00:00Z")
    assert len(await billed(api)) == 1
    await cancel(api, subscription_id, at)
    assert await open_credit(api) == "310.00"
    await api.advance("2026-06-01T00:00:00Z")
    assert len(await billed(api)) == 1


@pytest.mark.parametrize("in_advance", [True, False])
async def test_a_trial_that_is_cancelled_bills_nothing(api: Api, in_advance: bool) -> None:
    plan_id = await both_cadences(api, trialDays=14)
    if not in_advance:
        plan_id = await fee_plan(api, "arrears", "31", "ARREARS", trialDays=14)
    customer = await api.customer()
    now = await api.subscription(customer, {"id": plan_id}, externalId="now")
    end = await api.subscription(customer, {"id": plan_id}, externalId="end")
    await api.advance("2026-01-10T12:00:00Z")
    await send(api, call("1", "2026-01-09T00:00:00Z"))
    cancelled = await cancel(api, now["id"], "NOW")
    assert (cancelled["status"], cancelled["endedAt"]) == ("ENDED", "2026-01-10T12:00:00Z")
    cancelled = await cancel(api, end["id"], "PERIOD_END")
    assert (cancelled["status"], cancelled["endedAt"]) == ("TRIALING", None)
    assert cancelled["cancelsAt"] == cancelled["trialEndsAt"] == "2026-01-15T00:00:00Z"
    await refused_again(api, end["id"], "PERIOD_END", "ends at 2026-01-15T00:00:00+00:00 already")
    both = await api.subscription(customer, {"id": plan_id})
    await cancel(api, both["id"], "PERIOD_END")
    assert (await cancel(api, both["id"], "NOW"))["endedAt"] == "2026-01-10T12:00:00Z"
    await api.advance("2026-06-01T00:00:00Z")
    assert await billed(api) == []
    data = await api.query('{ subscription(externalId: "end") { status endedAt } }')
    assert data["subscription"] == {"status": "ENDED", "endedAt": "2026-01-15T00:00:00Z"}


async def test_a_cancellation_drops_a_coming_change_of_plan(api: Api) -> None:
    large, small = await fee_plan(api, "large", "62"), await fee_plan(api, "small", "31")
    subscription_id = await subscribed(api, large)
    await change(api, subscription_id, small)
    cancelled = await cancel(api, subscription_id, "PERIOD_END")
    assert cancelled["pendingPlan"] is None
    await api.advance("2026-06-01T00:00:00Z")
    assert shown(await billed(api)) == [("CREATE", "01-01/02-01", "62.00")]


async def test_past_periods_are_billed_before_a_cancellation(api: Api) -> None:
    plan_id = await fee_plan(api, "small", "31", "ARREARS")
    customer = await api.customer()
    values = {"externalId": "sub", "startedAt": "2025-11-16T00:00:00Z"}
    subscription = await api.subscription(customer, {"id": plan_id}, **values)
    await cancel(api, subscription["id"], "NOW")
    assert shown(await billed(api)) == [
        ("CYCLE", "11-16/12-01", "15.50"),
        ("CYCLE", "12-01/01-01", "31.00"),
    ]


async def test_a_minimum_commitment_holds_for_the_days_that_were_used(api: Api) -> None:
    plan_id = await fee_plan(api, "least", "31", "ARREARS", minimumCommitment="310")
    subscription_id = await subscribed(api, plan_id)
    await api.advance("2026-01-10T12:00:00Z")
    await cancel(api, subscription_id, "NOW")
    (last,) = await billed(api)
    assert [(line["type"], line["amount"]) for line in last["lineItems"]] == [
        ("FIXED", "10.00"),
        ("MINIMUM_COMMITMENT", "90.00"),
    ]


@pytest.mark.parametrize("at", ["NOW", "PERIOD_END"])
async def test_usage_from_the_end_on_cannot_name_the_subscription(api: Api, at: str) -> None:
    subscription_id = await subscribed(api, await both_cadences(api))
    await api.advance("2026-01-16T12:00:00Z")
    await cancel(api, subscription_id, at)
    end, before = "2026-01-16T12:00:00Z", "2026-01-16T11:59:59.999999Z"
    if at == "PERIOD_END":
        end, before = "2026-02-01T00:00:00Z", "2026-01-31T23:59:59.999999Z"
    named = {"externalSubscriptionId": "sub"}
    payload = await api.ingest(
        call("1", before, **named),
        call("2", end, **named),
        call("3", "2026-03-01T00:00:00Z", **named),
        call("4", end),
    )
    assert payload["acceptedCount"] == 2
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [
        ("INVALID_INPUT", ["events", index, "timestamp"]) for index in ("1", "2")
    ]
    assert all("bills until" in one["message"] for one in payload["userErrors"])


async def test_an_unknown_subscription_cannot_be_cancelled(api: Api) -> None:
    for at in ("NOW", "PERIOD_END"):
        await api.refused(
            "subscriptionCancel",
            SUBSCRIPTION,
            "NOT_FOUND",
            ["subscriptionId"],
            "no subscription 'sub_x'",
            subscriptionId="sub_x",
            at=at,
        )
    subscription_id = await subscribed(api, await fee_plan(api, "small", "31"))
    payload = await api.done("subscriptionCancel", SUBSCRIPTION, subscriptionId=subscription_id)
    # PERIOD_END unless it says otherwise.
    assert payload["subscription"]["cancelsAt"] == "2026-02-01T00:00:00Z"
