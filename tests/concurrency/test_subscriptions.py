"""Changes of plan and cancellations against themselves, each other, the clock and ingest."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing_gql.billing_runs.cancel import CancelAt, cancel_subscription
from billing_gql.billing_runs.change_plan import change_plan
from billing_gql.billing_runs.run import run_due
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidState
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.concurrency.together import at_once
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
from tests.invoices.metered import call
from tests.support import Api, Json

BOTH = [fee("31", name="Before"), fee("62", "ARREARS", "After")]


async def kept(api: Api, name: str) -> Decimal:
    """What was charged of the prices that are called so, less what was and is to be given back."""
    lines = [line for one in await billed(api) for line in one["lineItems"]]
    amounts = [Decimal(line["amount"]) for line in lines if line["name"].endswith(name)]
    credit = Decimal(await open_credit(api)) if name == "Before" else Decimal(0)
    return sum(amounts, Decimal(0)) - credit


def kinds(errors: list[Json]) -> set[tuple[str, str, str]]:
    """The codes of the errors, where they are, and how they begin."""
    return {(one["code"], one["field"][0], one["message"][:22]) for one in errors}


async def test_of_eight_upgrades_at_once_one_is_prorated(api: Api) -> None:
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T12:00:00Z")
    values = {"subscriptionId": subscription_id, "planId": large}
    done, errors = await at_once(
        [api.mutate("subscriptionChangePlan", SUBSCRIPTION, **values) for _ in range(8)]
    )
    assert [payload["subscription"]["plan"] for payload in done] == [{"key": "large"}]
    assert (len(errors), kinds(errors)) == (
        7,
        {("INVALID_INPUT", "planId", "The subscription is on")},
    )
    assert shown(await billed(api))[1:] == [("UPDATE", "01-16/02-01", "16.00")]


async def test_upgrades_to_eight_plans_at_once_end_on_the_dearest(api: Api) -> None:
    small = await fee_plan(api, "p0", "31")
    plans = [await fee_plan(api, f"p{n}", str(31 * (n + 1))) for n in range(1, 9)]
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T12:00:00Z")
    _, errors = await at_once(
        [
            api.mutate(
                "subscriptionChangePlan",
                SUBSCRIPTION,
                subscriptionId=subscription_id,
                planId=plan_id,
            )
            for plan_id in plans
        ]
    )
    assert errors == []
    data = await api.query('{ subscription(externalId: "sub") { plan { key } } }')
    assert data["subscription"] == {"plan": {"key": "p8"}}
    # Whatever the way: 16 days of the dearest, less 16 of the first.
    prorations = [Decimal(one["total"]) for one in (await billed(api))[1:]]
    assert sum(prorations) == 16 * 9 - 16


@pytest.mark.parametrize(("at", "field"), [("NOW", "subscriptionId"), ("PERIOD_END", "at")])
async def test_of_eight_cancellations_at_once_one_counts(api: Api, at: str, field: str) -> None:
    plan = await api.plan("both", BOTH)
    subscription_id = await subscribed(api, plan["id"])
    await api.advance("2026-01-16T12:00:00Z")
    values = {"subscriptionId": subscription_id, "at": at}
    done, errors = await at_once(
        [api.mutate("subscriptionCancel", SUBSCRIPTION, **values) for _ in range(8)]
    )
    assert (len(done), len(errors)) == (1, 7)
    assert {(one["code"], one["field"][0]) for one in errors} == {("INVALID_STATE", field)}
    await api.advance("2026-06-01T00:00:00Z")
    reasons = [one["billingReason"] for one in await billed(api)]
    assert reasons == ["SUBSCRIPTION_CREATE", "SUBSCRIPTION_END"]
    assert await kept(api, "Before") == (16 if at == "NOW" else 31)
    assert await kept(api, "After") == (32 if at == "NOW" else 62)


@pytest.mark.parametrize("verb", ["subscriptionChangePlan", "subscriptionCancel"])
async def test_of_eight_with_one_key_one_works_and_seven_replay(api: Api, verb: str) -> None:
    plan = await api.plan("both", BOTH)
    large = await fee_plan(api, "large", "310")
    subscription_id = await subscribed(api, plan["id"])
    await api.advance("2026-01-16T12:00:00Z")
    values = {"at": "NOW"} if verb == "subscriptionCancel" else {"planId": large}
    done, errors = await at_once(
        [
            api.mutate(
                verb, SUBSCRIPTION, subscriptionId=subscription_id, idempotencyKey="k", **values
            )
            for _ in range(8)
        ]
    )
    assert errors == []
    assert sorted(payload["replayed"] for payload in done) == [False] + [True] * 7
    assert len({str(payload["subscription"]) for payload in done}) == 1
    assert len(await billed(api)) == (2 if verb == "subscriptionCancel" else 3)


@pytest.mark.parametrize("attempt", range(6))
async def test_a_change_meets_a_cancellation(api: Api, attempt: int) -> None:
    plan = await api.plan("old", BOTH)
    large = await api.plan("new", [fee("62", name="Before"), fee("93", "ARREARS", "After")])
    subscription_id = await subscribed(api, plan["id"])
    await api.advance("2026-01-16T12:00:00Z")
    changing = api.mutate(
        "subscriptionChangePlan", SUBSCRIPTION, subscriptionId=subscription_id, planId=large["id"]
    )
    cancelling = api.mutate(
        "subscriptionCancel", SUBSCRIPTION, subscriptionId=subscription_id, at="NOW"
    )
    calls = [changing, cancelling] if attempt % 2 else [cancelling, changing]
    done, errors = await at_once(calls)
    assert len(done) + len(errors) == 2
    assert kinds(errors) <= {("INVALID_STATE", "subscriptionId", "The subscription ended")}
    data = await api.query('{ subscription(externalId: "sub") { status plan { key } } }')
    plan_key = "old" if errors else "new"
    assert data["subscription"] == {"status": "ENDED", "plan": {"key": plan_key}}
    # 15 days of the old plan, and today on the one that it ended on.
    assert await kept(api, "Before") == (16 if errors else 15 + 2)
    assert await kept(api, "After") == (32 if errors else 30 + 3)


@pytest.mark.parametrize("attempt", range(6))
@pytest.mark.parametrize("verb", ["subscriptionCancel", "subscriptionChangePlan"])
async def test_a_verb_meets_the_clock_at_the_periods_end(api: Api, verb: str, attempt: int) -> None:
    plan = await api.plan("both", BOTH)
    large = await api.plan("new", [fee("62", name="Before"), fee("93", "ARREARS", "After")])
    subscription_id = await subscribed(api, plan["id"])
    await api.advance("2026-01-31T12:00:00Z")
    moving = api.mutate("testClockAdvance", "organization { now }", to="2026-04-01T00:00:00Z")
    values = {"at": "NOW"} if verb == "subscriptionCancel" else {"planId": large["id"]}
    acting = api.mutate(verb, SUBSCRIPTION, subscriptionId=subscription_id, **values)

    async def after_a_moment() -> Json:
        await asyncio.sleep(attempt * 0.02)
        return await acting

    done, errors = await at_once([after_a_moment(), moving])
    assert (len(done), errors) == (2, [])
    await api.advance("2026-05-01T12:00:00Z")
    arrears = [
        (line["periodStart"], line["periodEnd"])
        for one in await billed(api)
        for line in one["lineItems"]
        if line["name"] == "After"
    ]
    arrears.sort()
    starts, ends = zip(*arrears, strict=True)
    assert starts == ("2026-01-01T00:00:00Z", *ends[:-1])
    read = '{ subscription(externalId: "sub") { endedAt currentPeriodStart } }'
    state = (await api.query(read))["subscription"]
    assert ends[-1] == (state["endedAt"] or state["currentPeriodStart"])


@pytest.mark.parametrize("attempt", range(3))
async def test_a_cancellation_meets_billing_runs(api: Api, attempt: int) -> None:
    plan = await api.plan("both", BOTH)
    customer = await api.customer()
    subscription = await api.subscription(customer, plan, startedAt="2025-10-01T00:00:00Z")
    values = {"subscriptionId": subscription["id"], "at": "NOW"}

    async def cancelling() -> Json:
        await asyncio.sleep(attempt * 0.02)
        return await api.mutate("subscriptionCancel", SUBSCRIPTION, **values)

    runs = asyncio.gather(
        *(run_due(api.database, api.organization_id, SANDBOX_ONLY) for _ in range(3))
    )
    payload, reports = await asyncio.gather(cancelling(), runs)
    assert payload["userErrors"] == []
    assert not any(report.failed for report in reports)
    await api.advance("2026-02-01T00:00:00Z")
    assert sorted(one["periodStart"][:10] for one in await billed(api)) == [
        "2025-10-01",
        "2025-10-01",
        "2025-11-01",
        "2025-12-01",
    ]
    assert await kept(api, "Before") == 3 * 31
    assert await kept(api, "After") == 3 * 62


@pytest.mark.parametrize("attempt", range(3))
async def test_an_event_meets_a_cancellation(api: Api, attempt: int) -> None:
    calls = await api.feature("calls", eventName="call")
    per_call = {"name": "C", "featureId": calls["id"], "model": {"perUnit": {"unitAmount": "1"}}}
    plan = await api.plan("metered", [per_call])
    subscription_id = await subscribed(api, plan["id"])
    await api.advance("2026-01-16T12:00:00Z")
    at_the_end = [
        call(f"end{n}", "2026-01-16T12:00:00Z", externalSubscriptionId="sub") for n in range(20)
    ]
    before = [call(f"{n}", "2026-01-16T11:59:59Z", externalSubscriptionId="sub") for n in range(20)]
    sends = [api.ingest(*pair) for pair in zip(before, at_the_end, strict=True)]
    place = attempt * 8
    cancelling = api.mutate(
        "subscriptionCancel", SUBSCRIPTION, subscriptionId=subscription_id, at="NOW"
    )
    answers = await asyncio.gather(*sends[:place], cancelling, *sends[place:])
    assert answers.pop(place)["userErrors"] == []
    for answer in answers:
        fields = [error["field"] for error in answer["userErrors"]]
        assert fields in ([], [["events", "1", "timestamp"]])
        assert answer["acceptedCount"] + len(fields) == 2
    await api.advance("2026-01-20T00:00:00Z")
    lines = [line for one in await billed(api) for line in one["lineItems"]]
    # Each before the end is billed, none at it.
    assert sum(Decimal(line["amount"]) for line in lines) == 20


@pytest.mark.parametrize("verb", ["change", "cancel"])
@pytest.mark.parametrize(
    ("started_at", "trial_days"), [("2026-01-01T00:00:00Z", 0), ("2026-01-01T00:00:00Z", 31)]
)
async def test_a_verb_that_waited_for_a_billing_run_acts_after_it(
    api: Api, verb: str, started_at: str, trial_days: int
) -> None:
    plan = await api.plan("both", BOTH, trialDays=trial_days)
    large = await fee_plan(api, "large", "310")
    subscription_id = await subscribed(api, plan["id"], startedAt=started_at)
    await api.advance("2026-02-01T00:00:00Z")
    before = await kept(api, "Before") - 31, await kept(api, "After")
    # Its request came in before midnight.
    actor = Actor(api.organization_id, True, datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    async with api.database.transaction() as session:
        if verb == "change":
            await change_plan(session, actor, subscription_id, large)
        else:
            await cancel_subscription(session, actor, subscription_id, CancelAt.NOW)
    assert (await kept(api, "Before"), await kept(api, "After")) == before
    await api.advance("2026-02-10T00:00:00Z")
    assert (await kept(api, "Before"), await kept(api, "After")) == before
    if verb == "change":
        large_lines = [
            line["amount"]
            for one in await billed(api)
            for line in one["lineItems"]
            if line["name"] == "large"
        ]
        assert large_lines == ["310.00"]


async def test_a_verb_that_waited_for_a_billing_run_meets_the_end(api: Api) -> None:
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    subscription_id = await subscribed(api, small)
    await change(api, subscription_id, large)
    await cancel(api, subscription_id, "PERIOD_END")
    await api.advance("2026-02-01T00:00:00Z")
    actor = Actor(api.organization_id, True, datetime(2026, 1, 31, tzinfo=UTC))
    with pytest.raises(InvalidState, match="ended at 2026-02-01"):
        async with api.database.transaction() as session:
            await cancel_subscription(session, actor, subscription_id, CancelAt.NOW)
