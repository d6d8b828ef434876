"""Stories of moving to a dearer plan: it holds from today on, the old fee's rest is credited."""

from tests.invoices.metered import call, send
from tests.scenarios.lives import (
    active,
    bills,
    calls_feature,
    change,
    fee,
    life,
    open_credit,
    per_call,
    subscribe,
    turn,
)
from tests.support import Api, Json

SMALL_JANUARY = (
    "SUBSCRIPTION SUBSCRIPTION_CREATE FINALIZED 2026-01-01/2026-02-01 31.00",
    "FIXED Small 1 31.00 2026-01-01/2026-02-01",
)


async def small_and_large(api: Api, cadence: str = "ADVANCE") -> tuple[Json, Json]:
    """31.00 and 62.00 a month: 1.00 and 2.00 a day in January."""
    small = await api.plan("small", [fee("31.00", "Small", cadence)])
    return small, await api.plan("large", [fee("62.00", "Large", cadence)])


async def test_the_old_fees_rest_is_credited_and_the_new_ones_days_charged(api: Api) -> None:
    small, large = await small_and_large(api)
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T15:00:00Z")
    assert await change(api, one, large) == active("large", "2026-01-11", "2026-02-01")
    # 11 to 31 January are 21 days: 21 x 2.00 = 42.00; 31.00 - 10 x 1.00 = 21.00 is unused.
    assert await bills(api) == [
        SMALL_JANUARY,
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-11/2026-02-01 21.00",
            "PRORATION Large 1 42.00 2026-01-11/2026-02-01",
            "PRORATION Unused Small 1 -21.00 2026-01-11/2026-02-01",
        ),
    ]
    assert await open_credit(api) == "0.00"
    (february,) = await turn(api, one, "2026-02-01T00:00:00Z")
    assert february == (
        "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-02-01/2026-03-01 62.00",
        "FIXED Large 1 62.00 2026-02-01/2026-03-01",
    )


async def test_on_the_first_day_of_a_period_the_whole_fee_is_credited(api: Api) -> None:
    small, large = await small_and_large(api)
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-02-01T10:00:00Z")
    assert await change(api, one, large) == active("large", "2026-02-01", "2026-03-01")
    assert (await bills(api))[2:] == [
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-02-01/2026-03-01 31.00",
            "PRORATION Large 1 62.00 2026-02-01/2026-03-01",
            "PRORATION Unused Small 1 -31.00 2026-02-01/2026-03-01",
        )
    ]


async def test_at_the_very_start_both_fees_are_billed_and_the_first_taken_back(api: Api) -> None:
    small, large = await small_and_large(api)
    one = await api.subscription(await api.customer(), small)
    await change(api, one, large)
    assert await bills(api) == [
        SMALL_JANUARY,
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-01/2026-02-01 31.00",
            "PRORATION Large 1 62.00 2026-01-01/2026-02-01",
            "PRORATION Unused Small 1 -31.00 2026-01-01/2026-02-01",
        ),
    ]


async def test_twice_in_one_day_the_plan_in_between_costs_nothing(api: Api) -> None:
    small, large = await small_and_large(api)
    huge = await api.plan("huge", [fee("93.00", "Huge")])
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T09:00:00Z")
    await change(api, one, large)
    await api.advance("2026-01-11T15:00:00Z")
    assert await change(api, one, huge) == active("huge", "2026-01-11", "2026-02-01")
    # 21 x 3.00 = 63.00, less the 42.00 that were charged this morning.
    assert (await bills(api))[2:] == [
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-11/2026-02-01 21.00",
            "PRORATION Huge 1 63.00 2026-01-11/2026-02-01",
            "PRORATION Unused Large 1 -42.00 2026-01-11/2026-02-01",
        )
    ]


async def test_from_a_month_to_a_year_of_the_calendar(api: Api) -> None:
    small, _ = await small_and_large(api)
    yearly = await api.plan("yearly", [fee("730.00", "Yearly")], billingPeriod="YEARLY")
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T15:00:00Z")
    assert await change(api, one, yearly) == active("yearly", "2026-01-11", "2027-01-01")
    # 365 - 10 days at 2.00 = 710.00, less 21 unused days at 1.00.
    assert (await bills(api))[1:] == [
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-11/2027-01-01 689.00",
            "PRORATION Yearly 1 710.00 2026-01-11/2027-01-01",
            "PRORATION Unused Small 1 -21.00 2026-01-11/2026-02-01",
        )
    ]
    assert (await turn(api, one, "2027-01-01T00:00:00Z"))[0][1:] == (
        "FIXED Yearly 1 730.00 2027-01-01/2028-01-01",
    )


async def test_from_a_month_to_a_year_that_keeps_its_start_day(api: Api) -> None:
    monthly = await api.plan("monthly", [fee("28.00", "Monthly")])
    yearly = await api.plan("yearly", [fee("730.00", "Yearly")], billingPeriod="YEARLY")
    await api.advance("2026-01-05T08:00:00Z")
    one = await subscribe(api, await api.customer(), monthly, billingAnchor="ANNIVERSARY")
    await api.advance("2026-02-10T15:00:00Z")
    assert await change(api, one, yearly) == active("yearly", "2026-02-10", "2027-01-05")
    # 5 January to 10 February are 36 days: 365 - 36 = 329 at 2.00 = 658.00.
    # 5 February to 5 March are 28 days at 1.00, of which 5 are used.
    assert (await bills(api))[2:] == [
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-02-10/2027-01-05 635.00",
            "PRORATION Yearly 1 658.00 2026-02-10/2027-01-05",
            "PRORATION Unused Monthly 1 -23.00 2026-02-10/2026-03-05",
        )
    ]


async def test_before_the_start_day_of_a_month_the_period_is_the_last_ones(api: Api) -> None:
    small, large = await small_and_large(api)
    customer = await api.customer()
    one = await subscribe(
        api, customer, small, startedAt="2026-01-15T00:00:00Z", billingAnchor="ANNIVERSARY"
    )
    await api.advance("2026-02-10T15:00:00Z")
    assert await life(api, one) == active("small", "2026-01-15", "2026-02-15")
    assert await change(api, one, large) == active("large", "2026-02-10", "2026-02-15")
    # 15 January to 15 February are 31 days, of which 5 are left.
    assert (await bills(api))[1] == (
        "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-02-10/2026-02-15 5.00",
        "PRORATION Large 1 10.00 2026-02-10/2026-02-15",
        "PRORATION Unused Small 1 -5.00 2026-02-10/2026-02-15",
    )


async def test_a_credit_beyond_the_charge_is_given_back_by_the_next_invoices(api: Api) -> None:
    yearly = await api.plan("yearly", [fee("365.00", "Yearly")], billingPeriod="YEARLY")
    monthly = await api.plan("monthly", [fee("62.00", "Monthly")])
    one = await subscribe(api, await api.customer(), yearly)
    await api.advance("2026-01-11T15:00:00Z")
    assert await change(api, one, monthly) == active("monthly", "2026-01-11", "2026-02-01")
    # 10 of 365 days are used, 355.00 unused; 21 of 31 days of 62.00 are 42.00.
    assert (await bills(api))[1:] == [
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-11/2026-02-01 0.00",
            "PRORATION Monthly 1 42.00 2026-01-11/2026-02-01",
            "PRORATION Unused Yearly 1 -42.00 2026-01-11/2027-01-01",
        )
    ]
    # 355.00 - 42.00 = 313.00; five months of 62.00 leave 3.00, and July gives that.
    left = ["313.00"]
    totals = []
    for month in (2, 3, 4, 5, 6, 7, 8):
        ((head, *_),) = await turn(api, one, f"2026-{month:02}-01T00:00:00Z")
        totals.append(head.rsplit(" ", 1)[1])
        left.append(await open_credit(api))
    assert totals == ["0.00", "0.00", "0.00", "0.00", "0.00", "59.00", "62.00"]
    assert left == ["313.00", "251.00", "189.00", "127.00", "65.00", "3.00", "0.00", "0.00"]


async def test_usage_is_priced_by_the_plan_of_its_day(api: Api) -> None:
    calls = await calls_feature(api)
    small = await api.plan("small", [fee("31.00", "Small"), per_call(calls, "1.00")])
    large = await api.plan("large", [fee("62.00", "Large"), per_call(calls, "0.50")])
    one = await subscribe(api, await api.customer(), small)
    await send(api, call("1", "2026-01-05T00:00:00Z"), call("2", "2026-01-10T23:59:59.999999Z"))
    # The day of the change is the new plan's from its midnight on.
    await send(api, call("3", "2026-01-11T00:00:00Z"))
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, one, large)
    await send(api, call("4", "2026-01-31T23:59:59Z"), call("5", "2026-01-12T00:00:00Z"))
    proration = (
        "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-11/2026-02-01 21.00",
        "PRORATION Large 1 42.00 2026-01-11/2026-02-01",
        "PRORATION Unused Small 1 -21.00 2026-01-11/2026-02-01",
    )
    assert (await bills(api))[1:] == [
        proration,
        (
            "SUBSCRIPTION SUBSCRIPTION_UPDATE DRAFT 2026-01-01/2026-01-11 2.00",
            "USAGE Calls 2 2.00 2026-01-01/2026-01-11",
        ),
    ]
    # The old plan's draft is open for late events like any other.
    await send(api, call("late", "2026-01-02T00:00:00Z"))
    await api.advance("2026-01-14T00:00:00Z")
    assert (await bills(api))[1:] == [
        proration,
        (
            "SUBSCRIPTION SUBSCRIPTION_UPDATE FINALIZED 2026-01-01/2026-01-11 3.00",
            "USAGE Calls 3 3.00 2026-01-01/2026-01-11",
        ),
    ]
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-11/2026-02-01 63.50",
            "USAGE Calls 3 1.50 2026-01-11/2026-02-01",
            "FIXED Large 1 62.00 2026-02-01/2026-03-01",
        )
    ]


async def test_fees_in_arrears_are_each_billed_for_their_days(api: Api) -> None:
    small, large = await small_and_large(api, "ARREARS")
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, one, large)
    await turn(api, one, "2026-02-01T00:00:00Z")
    # 10 x 1.00, then 21 x 2.00.
    assert await bills(api) == [
        (
            "SUBSCRIPTION SUBSCRIPTION_UPDATE FINALIZED 2026-01-01/2026-01-11 10.00",
            "FIXED Small 1 10.00 2026-01-01/2026-01-11",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-11/2026-02-01 42.00",
            "FIXED Large 1 42.00 2026-01-11/2026-02-01",
        ),
    ]


async def test_from_advance_to_arrears_the_credit_waits_for_the_next_invoice(api: Api) -> None:
    small = await api.plan("small", [fee("31.00", "Small")])
    large = await api.plan("large", [fee("62.00", "Large", "ARREARS")])
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-01-11T15:00:00Z")
    await change(api, one, large)
    assert await bills(api) == [SMALL_JANUARY]
    assert await open_credit(api) == "21.00"
    assert await turn(api, one, "2026-02-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-01-11/2026-02-01 21.00",
            "FIXED Large 1 42.00 2026-01-11/2026-02-01",
            "PRORATION Unused Small 1 -21.00 2026-01-11/2026-02-01",
        )
    ]


async def test_in_the_grace_of_the_last_boundary_its_draft_keeps_the_fee(api: Api) -> None:
    calls = await calls_feature(api)
    small = await api.plan("small", [fee("28.00", "Small"), per_call(calls, "1.00")])
    large = await api.plan("large", [fee("56.00", "Large"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), small)
    await send(api, call("1", "2026-01-05T00:00:00Z"))
    await api.advance("2026-02-02T10:00:00Z")
    await change(api, one, large)
    await api.advance("2026-02-10T00:00:00Z")
    # 27 of 28 days: 54.00, less 27.00 of the fee that the draft bills.
    assert (await bills(api))[1:] == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE FINALIZED 2026-01-01/2026-02-01 29.00",
            "USAGE Calls 1 1.00 2026-01-01/2026-02-01",
            "FIXED Small 1 28.00 2026-02-01/2026-03-01",
        ),
        (
            "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-02-02/2026-03-01 27.00",
            "PRORATION Large 1 54.00 2026-02-02/2026-03-01",
            "PRORATION Unused Small 1 -27.00 2026-02-02/2026-03-01",
        ),
        (
            "SUBSCRIPTION SUBSCRIPTION_UPDATE FINALIZED 2026-02-01/2026-02-02 0.00",
            "USAGE Calls 0 0.00 2026-02-01/2026-02-02",
        ),
    ]


async def test_today_is_the_customers_day(api: Api) -> None:
    small, large = await small_and_large(api)
    one = await subscribe(
        api,
        await api.customer(timezone="America/New_York"),
        small,
        startedAt="2026-01-01T12:00:00Z",
    )
    # In New York it is still the evening of 10 January: 22 days at 2.00 and 22 at 1.00.
    await api.advance("2026-01-11T04:59:59Z")
    await change(api, one, large)
    (proration,) = (await bills(api))[1:]
    assert proration == (
        "PRORATION SUBSCRIPTION_UPDATE FINALIZED 2026-01-10T05:00:00Z/2026-02-01T05:00:00Z 22.00",
        "PRORATION Large 1 44.00 2026-01-10T05:00:00Z/2026-02-01T05:00:00Z",
        "PRORATION Unused Small 1 -22.00 2026-01-10T05:00:00Z/2026-02-01T05:00:00Z",
    )


async def test_what_cannot_be_changed_is_refused(api: Api) -> None:
    small, _ = await small_and_large(api)
    other = await api.plan("euro", [fee("31.00")], currency="EUR")
    one = await subscribe(api, await api.customer(), small)
    for plan, code, words in (
        (small, "INVALID_INPUT", "on this plan already"),
        (other, "CURRENCY_MISMATCH", "The plan is in EUR"),
    ):
        await api.refused(
            "subscriptionChangePlan",
            "subscription { id }",
            code,
            ["planId"],
            words,
            subscriptionId=one["id"],
            planId=plan["id"],
        )


async def test_on_the_first_day_of_a_period_from_a_pure_fee_to_one_with_usage(api: Api) -> None:
    calls = await calls_feature(api)
    small = await api.plan("small", [fee("28.00", "Small")])
    large = await api.plan("large", [fee("56.00", "Large"), per_call(calls, "1.00")])
    one = await subscribe(api, await api.customer(), small)
    await api.advance("2026-02-01T10:00:00Z")
    await change(api, one, large)
    await send(api, call("1", "2026-02-01T00:00:00Z"))
    assert await turn(api, one, "2026-03-01T00:00:00Z") == [
        (
            "SUBSCRIPTION SUBSCRIPTION_CYCLE DRAFT 2026-02-01/2026-03-01 57.00",
            "USAGE Calls 1 1.00 2026-02-01/2026-03-01",
            "FIXED Large 1 56.00 2026-03-01/2026-04-01",
        )
    ]
