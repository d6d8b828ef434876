"""Stories of ends: at once with the day that is used, or when the period has run out."""

import pytest

from tests.invoices.metered import call, grace, send
from tests.scenarios.lives import (
    active,
    bills,
    calls_feature,
    cancel,
    fee,
    heads,
    life,
    open_credit,
    per_call,
    subscribe,
    turn,
    upcoming,
    void,
)
from tests.support import Api, Json

JANUARY = (
    "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-01/2026-02-01 31.00",
    "FIXED Base 1 31.00 2026-01-01/2026-02-01",
)


async def base_plan(api: Api) -> Json:
    """31.00 in advance, 1.00 a day in January."""
    return await api.plan("base", [fee("31.00")])


async def test_now_bills_usage_to_the_instant_and_credits_the_unused_days(api: Api) -> None:
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("31.00"), per_call(calls, "10.00")])
    one = await subscribe(api, await api.customer(), plan)
    await send(
        api,
        call("1", "2026-01-05T00:00:00Z"),
        call("2", "2026-01-11T14:59:59.999999Z"),
        call("at", "2026-01-11T15:00:00Z"),
        call("after", "2026-01-11T18:00:00Z"),
        call("long after", "2026-01-20T00:00:00Z"),
    )
    await api.advance("2026-01-11T15:00:00Z")
    ended = {"status": "ENDED", "plan": "base", "endedAt": "2026-01-11T15:00:00Z"}
    assert await cancel(api, one, "NOW") == ended
    # 11 January is used: 20 of 31 days are not.
    lines = (
        "USAGE Calls 2 20.00 2026-01-01/2026-01-11T15:00:00Z",
        "PRORATION Unused Base 1 -20.00 2026-01-12/2026-02-01",
    )
    head = "SUBSCRIPTION SUBSCRIPTION_END {} 2026-01-01/2026-01-11T15:00:00Z 0.00"
    assert await bills(api) == [JANUARY, (head.format("DRAFT"), *lines)]
    await api.advance("2026-03-10T00:00:00Z")
    assert await bills(api) == [JANUARY, (head.format("FINALIZED"), *lines)]
    assert await life(api, one) == ended
    assert await upcoming(api, one) is None
    assert await open_credit(api) == "0.00"


async def test_the_last_draft_is_open_for_late_usage_and_holds_more_of_the_credit(
    api: Api,
) -> None:
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("31.00"), per_call(calls, "3.00")])
    one = await subscribe(api, await api.customer(), plan)
    await send(api, call("1", "2026-01-05T00:00:00Z"))
    await api.advance("2026-01-11T15:00:00Z")
    await cancel(api, one, "NOW")
    assert (await bills(api))[1][1:] == (
        "USAGE Calls 1 3.00 2026-01-01/2026-01-11T15:00:00Z",
        "PRORATION Unused Base 1 -3.00 2026-01-12/2026-02-01",
    )
    assert await open_credit(api) == "17.00"
    await api.advance("2026-01-13T23:59:59Z")
    await send(api, call("late", "2026-01-11T00:00:00Z"))
    await api.advance("2026-01-14T00:00:00Z")
    assert (await bills(api))[1] == (
        "SUBSCRIPTION SUBSCRIPTION_END FINALIZED 2026-01-01/2026-01-11T15:00:00Z 0.00",
        "USAGE Calls 2 6.00 2026-01-01/2026-01-11T15:00:00Z",
        "PRORATION Unused Base 1 -6.00 2026-01-12/2026-02-01",
    )
    assert await open_credit(api) == "14.00"


@pytest.mark.parametrize(
    ("at", "fee_billed"),
    [
        # At midnight the day that starts is not used: 10 days; one instant later it is: 11.
        ("2026-01-11T00:00:00Z", "10.00"),
        ("2026-01-11T00:00:00.000001Z", "11.00"),
        ("2026-01-31T23:59:59Z", "31.00"),
    ],
)
async def test_fees_in_arrears_are_billed_by_the_days_used(
    api: Api, at: str, fee_billed: str
) -> None:
    plan = await api.plan("base", [fee("31.00", cadence="ARREARS")])
    one = await subscribe(api, await api.customer(), plan)
    await api.advance(at)
    await cancel(api, one, "NOW")
    assert await bills(api) == [
        (
            "SUBSCRIPTION SUBSCRIPTION_END DRAFT"
            f" 2026-01-01/{at.removesuffix('T00:00:00Z')} {fee_billed}",
            f"FIXED Base 1 {fee_billed} 2026-01-01/{at.removesuffix('T00:00:00Z')}",
        )
    ]


@pytest.mark.parametrize(
    ("at", "credited"),
    [
        # The same days as above: 10, 11 and all 31 are used.
        ("2026-01-11T00:00:00Z", "21.00"),
        ("2026-01-11T00:00:00.000001Z", "20.00"),
        ("2026-01-31T23:59:59Z", "0.00"),
    ],
)
async def test_fees_in_advance_are_credited_by_the_days_unused(
    api: Api, at: str, credited: str
) -> None:
    one = await subscribe(api, await api.customer(), await base_plan(api))
    await api.advance(at)
    await cancel(api, one, "NOW")
    assert await bills(api) == [JANUARY]
    assert await open_credit(api) == credited


async def test_now_at_the_boundary_bills_what_ended_and_credits_what_started(api: Api) -> None:
    await grace(api, 0)
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("31.00"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), plan)
    await send(api, call("1", "2026-01-31T23:59:59Z"), call("2", "2026-02-01T00:00:00Z"))
    await api.advance("2026-02-01T00:00:00Z")
    assert (await cancel(api, one, "NOW"))["endedAt"] == "2026-02-01"
    assert await bills(api) == [
        JANUARY,
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-01-01/2026-02-01 32.00",
            "USAGE Calls 1 1.00 2026-01-01/2026-02-01",
            "FIXED Base 1 31.00 2026-02-01/2026-03-01",
        ),
    ]
    assert await open_credit(api) == "31.00"


async def test_period_end_lets_the_period_run_out(api: Api) -> None:
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("31.00"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), plan)
    await api.advance("2026-01-11T15:00:00Z")
    going = active("base", "2026-01-01", "2026-02-01", cancelsAt="2026-02-01")
    assert await cancel(api, one, "PERIOD_END") == going
    await send(api, call("1", "2026-01-31T23:59:59Z"), call("2", "2026-02-01T00:00:00Z"))
    # Neither a new fee nor a credit for the old one.
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_END DRAFT 2026-01-01/2026-02-01 1.00",
            "USAGE Calls 1 1.00 2026-01-01/2026-02-01",
        )
    ]
    over = {"status": "ENDED", "plan": "base", "cancelsAt": "2026-02-01", "endedAt": "2026-02-01"}
    assert await life(api, one) == over
    await api.advance("2026-06-01T00:00:00Z")
    assert len(await heads(api)) == 2
    assert await open_credit(api) == "0.00"


async def test_period_end_of_a_plan_in_advance_needs_no_invoice(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await base_plan(api))
    await cancel(api, one, "PERIOD_END")
    assert await upcoming(api, one) is None
    await api.advance("2026-03-01T00:00:00Z")
    assert await bills(api) == [JANUARY]
    assert (await life(api, one))["endedAt"] == "2026-02-01"


async def test_now_may_follow_period_end_and_nothing_follows_the_end(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await base_plan(api))
    ask = ("subscriptionCancel", "subscription { id }", "INVALID_STATE")
    await cancel(api, one, "PERIOD_END")
    at = {"subscriptionId": one["id"], "at": "PERIOD_END"}
    await api.refused(*ask, ["at"], "ends at 2026-02-01T00:00:00+00:00 already", **at)
    other = await api.plan("dear", [fee("62.00")])
    await api.refused(
        "subscriptionChangePlan",
        "subscription { id }",
        "INVALID_STATE",
        ["subscriptionId"],
        "is cancelled and ends",
        subscriptionId=one["id"],
        planId=other["id"],
    )
    await api.advance("2026-01-11T15:00:00Z")
    assert await cancel(api, one, "NOW") == {
        "status": "ENDED",
        "plan": "base",
        "endedAt": "2026-01-11T15:00:00Z",
    }
    assert await open_credit(api) == "20.00"
    now = {"subscriptionId": one["id"], "at": "NOW"}
    await api.refused(*ask, ["subscriptionId"], "ended at 2026-01-11T15:00:00+00:00", **now)


async def cancelled_beside_another(api: Api) -> Json:
    """A customer with 20.00 of open credit; the subscription that goes on."""
    customer = await api.customer()
    one = await subscribe(api, customer, await base_plan(api))
    other_plan = await api.plan("other", [fee("12.00", "Other", "ARREARS")])
    other = await subscribe(api, customer, other_plan)
    await api.advance("2026-01-11T15:00:00Z")
    await cancel(api, one, "NOW")
    return other


async def test_a_pure_advance_plan_leaves_a_credit_for_another_subscription(api: Api) -> None:
    other = await cancelled_beside_another(api)
    assert await bills(api) == [JANUARY]
    assert await open_credit(api) == "20.00"
    assert await turn(api, other, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-01/2026-02-01 0.00",
            "FIXED Other 1 12.00 2026-01-01/2026-02-01",
            "PRORATION Unused Base 1 -12.00 2026-01-12/2026-02-01",
        ),
        # 20.00 - 12.00 = 8.00 were left.
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-02-01/2026-03-01 4.00",
            "FIXED Other 1 12.00 2026-02-01/2026-03-01",
            "PRORATION Unused Base 1 -8.00 2026-01-12/2026-02-01",
        ),
    ]
    assert await open_credit(api) == "0.00"


async def test_voiding_what_gave_a_credit_back_returns_it_to_be_given_again(api: Api) -> None:
    other = await cancelled_beside_another(api)
    await turn(api, other, "2026-02-01T00:00:00Z")
    await api.advance("2026-02-10T00:00:00Z")
    assert await open_credit(api) == "8.00"
    february = "2026-01-01/2026-02-01 0.00"
    await void(api, f"SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED {february}")
    assert await open_credit(api) == "20.00"
    assert await turn(api, other, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-02-01/2026-03-01 0.00",
            "FIXED Other 1 12.00 2026-02-01/2026-03-01",
            "PRORATION Unused Base 1 -12.00 2026-01-12/2026-02-01",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-03-01/2026-04-01 4.00",
            "FIXED Other 1 12.00 2026-03-01/2026-04-01",
            "PRORATION Unused Base 1 -8.00 2026-01-12/2026-02-01",
        ),
    ]


async def test_voiding_the_fee_takes_its_credit_away(api: Api) -> None:
    other = await cancelled_beside_another(api)
    await void(api, "SUBSCRIPTION SUBSCRIPTION_CREATE")
    assert await open_credit(api) == "0.00"
    assert (await turn(api, other, "2026-02-01T00:00:00Z"))[0][1:] == (
        "FIXED Other 1 12.00 2026-01-01/2026-02-01",
    )


async def test_a_fee_that_was_voided_before_the_end_is_not_credited(api: Api) -> None:
    one = await subscribe(api, await api.customer(), await base_plan(api))
    await void(api, "SUBSCRIPTION SUBSCRIPTION_CREATE")
    await cancel(api, one, "NOW")
    assert await open_credit(api) == "0.00"


async def test_in_the_grace_of_the_last_boundary_its_invoice_gives_the_fee_back(api: Api) -> None:
    calls = await calls_feature(api)
    plan = await api.plan("base", [fee("28.00"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), plan)
    await send(api, call("1", "2026-01-05T00:00:00Z"))
    await api.advance("2026-02-02T10:00:00Z")
    await cancel(api, one, "NOW")
    await api.advance("2026-02-10T00:00:00Z")
    ends = "2026-02-01/2026-02-02T10:00:00Z"
    # 2 of 28 days are used.
    assert (await bills(api))[1:] == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-01-01/2026-02-01 3.00",
            "USAGE Calls 1 1.00 2026-01-01/2026-02-01",
            "FIXED Base 1 28.00 2026-02-01/2026-03-01",
            "PRORATION Unused Base 1 -26.00 2026-02-03/2026-03-01",
        ),
        (
            f"SUBSCRIPTION SUBSCRIPTION_END FINALIZED {ends} 0.00",
            f"USAGE Calls 0 0.00 {ends}",
        ),
    ]
    assert await open_credit(api) == "0.00"


async def test_two_invoices_of_one_instant_share_a_credit(api: Api) -> None:
    await cancelled_beside_another(api)
    customer = (await api.query('{ customer(externalId: "acme") { id } }'))["customer"]
    third = await api.plan("third", [fee("15.50", "Third", "ARREARS")])
    await subscribe(api, customer, third)
    await api.advance("2026-02-04T00:00:00Z")
    # From 11 January on: 21 of 31 days of 15.50 are 10.50. 12.00 + 10.50 - 20.00 = 2.50.
    billed = sorted(head.rsplit(" ", 1)[1] for head in (await heads(api))[1:])
    assert billed == ["0.00", "2.50"]
    assert await open_credit(api) == "0.00"


async def test_at_the_instant_of_its_start_a_fee_is_billed_and_given_back(api: Api) -> None:
    one = await api.subscription(await api.customer(), await base_plan(api))
    await cancel(api, one, "NOW")
    assert await bills(api) == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-01/2026-02-01 0.00",
            "FIXED Base 1 31.00 2026-01-01/2026-02-01",
            "PRORATION Unused Base 1 -31.00 2026-01-01/2026-02-01",
        )
    ]
    assert await open_credit(api) == "0.00"
