"""subscriptionChangePlan."""

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


async def test_an_upgrade_holds_from_today_and_its_proration_is_owed_at_once(api: Api) -> None:
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T10:00:00Z")
    changed = await change(api, subscription_id, large)
    assert changed == {
        "id": subscription_id,
        "status": "ACTIVE",
        "plan": {"key": "large"},
        "pendingPlan": None,
        "currentPeriodStart": "2026-01-16T00:00:00Z",
        "currentPeriodEnd": "2026-02-01T00:00:00Z",
        "trialEndsAt": None,
        "cancelsAt": None,
        "endedAt": None,
    }
    first, proration = await billed(api)
    assert (first["status"], first["invoiceType"], first["total"]) == (
        "FINALIZED",
        "SUBSCRIPTION",
        "31.00",
    )
    rest = {"periodStart": "2026-01-16T00:00:00Z", "periodEnd": "2026-02-01T00:00:00Z"}
    assert proration == {
        "status": "FINALIZED",
        "invoiceType": "PRORATION",
        "billingReason": "SUBSCRIPTION_UPDATE",
        "total": "16.00",
        **rest,
        "lineItems": [
            {
                "type": "PRORATION",
                "name": "large",
                "description": "16 of 31 days",
                "amount": "32.00",
                **rest,
            },
            {
                "type": "PRORATION",
                "name": "Unused small",
                "description": None,
                "amount": "-16.00",
                **rest,
            },
        ],
    }
    assert await open_credit(api) == "0.00"
    await api.advance("2026-02-01T00:00:00Z")
    assert shown(await billed(api))[2:] == [("CYCLE", "02-01/03-01", "62.00")]


async def test_a_credit_beyond_the_new_fee_waits_for_the_next_invoices(api: Api) -> None:
    yearly = await fee_plan(api, "yearly", "365", billingPeriod="YEARLY")
    monthly = await fee_plan(api, "monthly", "62")
    subscription_id = await subscribed(api, yearly)
    await api.advance("2026-01-16T10:00:00Z")
    await change(api, subscription_id, monthly)
    # 350 of 365 days are unused, 32.00 of the month is charged.
    assert shown(await billed(api))[1:] == [("UPDATE", "01-16/02-01", "0.00")]
    assert await open_credit(api) == "318.00"
    left = ["256.00", "194.00", "132.00", "70.00", "8.00", "0.00", "0.00"]
    totals = ["0.00"] * 5 + ["54.00", "62.00"]
    for month, (credit, total) in enumerate(zip(left, totals, strict=True), start=2):
        await api.advance(f"2026-{month:02}-01T00:00:00Z")
        assert (await billed(api))[-1]["total"] == total
        assert await open_credit(api) == credit


async def test_an_upgrade_drafts_what_the_old_plan_bills_in_arrears(api: Api) -> None:
    calls = await api.feature("calls", eventName="call")
    per_call = {
        "name": "Calls",
        "featureId": calls["id"],
        "model": {"perUnit": {"unitAmount": "1"}},
    }
    old = (await api.plan("old", [fee("31", "ARREARS"), per_call]))["id"]
    new = (await api.plan("new", [fee("62"), {**per_call, "name": "New calls"}]))["id"]
    subscription_id = await subscribed(api, old)
    await api.advance("2026-01-16T10:00:00Z")
    await send(api, call("1", "2026-01-15T23:59:59Z"), call("2", "2026-01-16T00:00:00Z"))
    await change(api, subscription_id, new)
    proration, closing = sorted(await billed(api), key=lambda one: str(one["invoiceType"]))
    assert shown([proration, closing]) == [
        ("UPDATE", "01-16/02-01", "32.00"),
        ("UPDATE", "01-01/01-16", "16.00"),
    ]
    assert (closing["status"], closing["invoiceType"]) == ("DRAFT", "SUBSCRIPTION")
    assert [(line["name"], line["amount"]) for line in closing["lineItems"]] == [
        ("Access", "15.00"),
        ("Calls", "1.00"),
    ]
    # Open for its grace, like every other.
    await send(api, call("3", "2026-01-10T00:00:00Z"))
    await api.advance("2026-02-01T00:00:00Z")
    reasons = {(one["billingReason"], one["total"]) for one in await billed(api)}
    assert ("SUBSCRIPTION_UPDATE", "17.00") in reasons
    assert ("SUBSCRIPTION_CYCLE", "63.00") in reasons


async def test_an_upgrade_to_a_plan_in_arrears_bills_at_the_periods_end(api: Api) -> None:
    small = await fee_plan(api, "small", "31")
    large = await fee_plan(api, "large", "62", "ARREARS")
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T10:00:00Z")
    await change(api, subscription_id, large)
    assert len(await billed(api)) == 1
    assert await open_credit(api) == "16.00"
    await api.advance("2026-02-01T00:00:00Z")
    # 16 of 31 days of 62, less 16 of 31 days of 31.
    assert shown(await billed(api))[1:] == [("CYCLE", "01-16/02-01", "16.00")]


@pytest.mark.parametrize(
    ("amount", "period", "upgrade"),
    [
        ("31.01", "MONTHLY", True),
        ("31", "MONTHLY", False),
        ("30", "MONTHLY", False),
        ("1.02", "DAILY", True),
        ("1.01", "DAILY", False),
        ("7.16", "WEEKLY", True),
        ("7.15", "WEEKLY", False),
        ("93.01", "QUARTERLY", True),
        ("93", "QUARTERLY", False),
        ("186.01", "SEMIANNUAL", True),
        ("186", "SEMIANNUAL", False),
        ("372.01", "YEARLY", True),
        ("372", "YEARLY", False),
    ],
)
async def test_plans_are_compared_by_what_they_cost_in_a_year(
    api: Api, amount: str, period: str, upgrade: bool
) -> None:
    small = await fee_plan(api, "small", "31")
    other_plan = await fee_plan(api, "other", amount, billingPeriod=period)
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T10:00:00Z")
    changed = await change(api, subscription_id, other_plan)
    assert changed["plan"]["key"] == ("other" if upgrade else "small")
    assert changed["pendingPlan"] == (None if upgrade else {"key": "other"})
    assert len(await billed(api)) == (2 if upgrade else 1)


async def test_a_downgrade_waits_for_the_next_period(api: Api) -> None:
    large, small = await fee_plan(api, "large", "62"), await fee_plan(api, "small", "31")
    subscription_id = await subscribed(api, large)
    await api.advance("2026-01-16T10:00:00Z")
    changed = await change(api, subscription_id, small)
    assert (changed["plan"], changed["pendingPlan"]) == ({"key": "large"}, {"key": "small"})
    assert changed["currentPeriodStart"] == "2026-01-01T00:00:00Z"
    # Said twice it is the same.
    assert await change(api, subscription_id, small) == changed
    assert len(await billed(api)) == 1
    await api.advance("2026-02-01T00:00:00Z")
    assert shown(await billed(api))[1:] == [("CYCLE", "02-01/03-01", "31.00")]
    data = await api.query(
        '{ subscription(externalId: "sub") { plan { key } pendingPlan { key } } }'
    )
    assert data["subscription"] == {"plan": {"key": "small"}, "pendingPlan": None}


async def test_the_present_plan_takes_a_coming_change_back(api: Api) -> None:
    large, small = await fee_plan(api, "large", "62"), await fee_plan(api, "small", "31")
    subscription_id = await subscribed(api, large)
    await change(api, subscription_id, small)
    changed = await change(api, subscription_id, large)
    assert (changed["plan"], changed["pendingPlan"]) == ({"key": "large"}, None)
    await api.advance("2026-02-01T00:00:00Z")
    assert shown(await billed(api))[1:] == [("CYCLE", "02-01/03-01", "62.00")]
    await api.refused(
        "subscriptionChangePlan",
        SUBSCRIPTION,
        "INVALID_INPUT",
        ["planId"],
        "on this plan already",
        subscriptionId=subscription_id,
        planId=large,
    )


async def test_an_upgrade_takes_the_place_of_a_coming_downgrade_and_of_one_today(api: Api) -> None:
    plans = [await fee_plan(api, f"p{amount}", amount) for amount in ("31", "62", "93", "124")]
    subscription_id = await subscribed(api, plans[1])
    await api.advance("2026-01-16T10:00:00Z")
    await change(api, subscription_id, plans[0])
    changed = await change(api, subscription_id, plans[2])
    assert (changed["plan"], changed["pendingPlan"]) == ({"key": "p93"}, None)
    changed = await change(api, subscription_id, plans[3])
    assert changed["plan"] == {"key": "p124"}
    # 16 days: 48 less 32, then 64 less 48.
    assert shown(await billed(api))[1:] == [("UPDATE", "01-16/02-01", "16.00")] * 2
    await api.advance("2026-02-01T00:00:00Z")
    assert shown(await billed(api))[3:] == [("CYCLE", "02-01/03-01", "124.00")]


@pytest.mark.parametrize(("amount", "later"), [("62", "62.00"), ("15.50", "15.50")])
@pytest.mark.parametrize(
    ("values", "trial_days", "status", "first"),
    [
        ({"startedAt": "2026-01-05T12:00:00Z"}, 0, "PENDING", "2026-01-05"),
        ({}, 14, "TRIALING", "2026-01-15"),
        ({"startedAt": "2026-01-05T12:00:00Z"}, 10, "PENDING", "2026-01-15"),
    ],
)
async def test_before_anything_is_billed_a_plan_changes_at_once(
    api: Api,
    values: dict[str, object],
    trial_days: int,
    status: str,
    first: str,
    amount: str,
    later: str,
) -> None:
    old = await fee_plan(api, "old", "31", trialDays=trial_days)
    new = await fee_plan(api, "new", amount, trialDays=100)
    subscription_id = await subscribed(api, old, **values)
    changed = await change(api, subscription_id, new)
    assert (changed["status"], changed["plan"], changed["pendingPlan"]) == (
        status,
        {"key": "new"},
        None,
    )
    assert changed["trialEndsAt"] == (f"{first}T00:00:00Z" if trial_days else None)
    assert await billed(api) == []
    await api.advance("2026-02-01T00:00:00Z")
    found = await billed(api)
    assert {line["name"] for one in found for line in one["lineItems"]} == {"new"}
    assert [(one["billingReason"], one["periodStart"][:10]) for one in found] == [
        ("SUBSCRIPTION_CREATE", first),
        ("SUBSCRIPTION_CYCLE", "2026-02-01"),
    ]
    assert found[1]["total"] == later


@pytest.mark.parametrize(("amount", "charged", "credit"), [("62", "31.00", "0"), ("10", "0", "21")])
async def test_a_first_day_billed_before_its_start_is_credited_by_a_change(
    api: Api, amount: str, charged: str, credit: str
) -> None:
    old, new = await fee_plan(api, "old", "31"), await fee_plan(api, "new", amount)
    subscription_id = await subscribed(api, old, startedAt="2026-01-01T18:00:00Z")
    assert shown(await billed(api)) == [("CREATE", "01-01/02-01", "31.00")]
    changed = await change(api, subscription_id, new)
    assert (changed["status"], changed["plan"]) == ("PENDING", {"key": "new"})
    assert float((await billed(api))[1]["total"]) == float(charged)
    assert float(await open_credit(api)) == float(credit)


async def test_past_periods_are_billed_before_a_change(api: Api) -> None:
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    customer = await api.customer()
    subscription = await api.subscription(customer, {"id": small}, startedAt="2025-11-16T00:00:00Z")
    await change(api, subscription["id"], large)
    assert shown(await billed(api)) == [
        ("CREATE", "11-16/12-01", "15.50"),
        ("CYCLE", "12-01/01-01", "31.00"),
        ("CYCLE", "01-01/02-01", "31.00"),
        ("UPDATE", "01-01/02-01", "31.00"),
    ]


@pytest.mark.parametrize("verb", ["subscriptionChangePlan", "subscriptionCancel"])
async def test_sixty_past_periods_are_billed_at_once_and_no_more(api: Api, verb: str) -> None:
    daily = await fee_plan(api, "daily", "1", billingPeriod="DAILY")
    large = await fee_plan(api, "large", "62")
    customer, late = await api.customer(), await api.customer("late")
    # With today's there are 60 and 61.
    sixty = await api.subscription(customer, {"id": daily}, startedAt="2025-11-03T00:00:00Z")
    more = await api.subscription(late, {"id": daily}, startedAt="2025-11-02T00:00:00Z")
    values = {"planId": large} if verb == "subscriptionChangePlan" else {"at": "NOW"}
    words = "More than 60 periods"
    await api.refused(
        verb,
        SUBSCRIPTION,
        "INVALID_STATE",
        ["subscriptionId"],
        words,
        subscriptionId=more["id"],
        **values,
    )
    await api.done(verb, SUBSCRIPTION, subscriptionId=sixty["id"], **values)
    days = [one for one in await billed(api) if one["billingReason"] != "SUBSCRIPTION_UPDATE"]
    assert len(days) == 60


@pytest.mark.parametrize("at", ["NOW", "PERIOD_END"])
@pytest.mark.parametrize("later", [False, True])
async def test_a_cancelled_subscription_stays_on_its_plan(api: Api, at: str, later: bool) -> None:
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    subscription_id = await subscribed(api, small)
    await cancel(api, subscription_id, at)
    if later:
        await api.advance("2026-02-10T00:00:00Z")
    coming = at == "PERIOD_END" and not later
    for plan_id in (small, large):
        await api.refused(
            "subscriptionChangePlan",
            SUBSCRIPTION,
            "INVALID_STATE",
            ["subscriptionId"],
            "is cancelled and ends at 2026-02-01" if coming else "ended at 2026-0",
            subscriptionId=subscription_id,
            planId=plan_id,
        )


async def test_bad_changes_are_refused(api: Api) -> None:
    small = await fee_plan(api, "small", "31")
    yen = await fee_plan(api, "yen", "3100", currency="JPY")
    subscription_id = await subscribed(api, small)
    for values, code, field, words in (
        ({"subscriptionId": "sub_x"}, "NOT_FOUND", ["subscriptionId"], "no subscription 'sub_x'"),
        ({"planId": "pln_x"}, "NOT_FOUND", ["planId"], "no plan 'pln_x'"),
        ({"planId": small}, "INVALID_INPUT", ["planId"], "on this plan already"),
        ({"planId": yen}, "CURRENCY_MISMATCH", ["planId"], "plan is in JPY, the customer in USD"),
    ):
        both = {"subscriptionId": subscription_id, "planId": small, **values}
        await api.refused("subscriptionChangePlan", SUBSCRIPTION, code, field, words, **both)
