"""Stories of usage that comes when its month is billed: the next invoice bills the difference."""

import pytest

from tests.invoices.metered import grace, send
from tests.scenarios.late import (
    Shown,
    billed,
    broken_down,
    finalize,
    late,
    months,
    sold,
    subscribed,
    use,
    used,
)
from tests.support import Api, Json

GRADUATED = {"graduated": {"tiers": [{"upTo": "10", "unitAmount": "1"}, {"unitAmount": "0.50"}]}}
PACKAGE = {"package": {"amount": "5", "size": "10"}}
ONE_FREE = {"percentage": {"rate": "10", "freeEvents": 1}}
Uses = list[tuple[str, object]]


@pytest.mark.parametrize(
    ("aggregation", "model", "in_time", "too_late", "first", "wanted"),
    [
        # 8 units cost 8; 14 cost 10 + 4 x 0.50.
        ("SUM", GRADUATED, [("2026-01-10", 8)], [("2026-01-11", 6)], "8.00", ("6", "4.00", 1)),
        ("SUM", PACKAGE, [("2026-01-10", 3)], [("2026-01-11", 4)], "5.00", ("4", "0.00", 1)),
        ("SUM", PACKAGE, [("2026-01-10", 3)], [("2026-01-11", 8)], "5.00", ("8", "5.00", 1)),
        ("SUM", None, [], [("2026-01-11", 8), ("2026-01-12", 1)], "0.00", ("9", "18.00", 2)),
        ("COUNT", None, [("2026-01-10", 1)] * 2, [("2026-01-11", 1)], "4.00", ("1", "2.00", 1)),
        ("MAX", None, [("2026-01-10", 5)], [("2026-01-11", 8)], "10.00", ("3", "6.00", 1)),
        ("MAX", None, [("2026-01-10", 5)], [("2026-01-11", 4)], "10.00", ("0", "0.00", 1)),
        (
            "UNIQUE_COUNT",
            None,
            [("2026-01-10", "a")],
            [("2026-01-11", "b")],
            "2.00",
            ("1", "2.00", 1),
        ),
        (
            "UNIQUE_COUNT",
            None,
            [("2026-01-10", "a")],
            [("2026-01-11", "a")],
            "2.00",
            ("0", "0.00", 1),
        ),
        ("LATEST", None, [("2026-01-20", 5)], [("2026-01-10", 9)], "10.00", ("0", "0.00", 1)),
        ("LATEST", None, [("2026-01-20", 5)], [("2026-01-25", 9)], "10.00", ("4", "8.00", 1)),
        # The earlier event takes the free place; the 100 pay.
        ("SUM", ONE_FREE, [("2026-01-10", 100)], [("2026-01-05", 20)], "0.00", ("20", "10.00", 1)),
    ],
)
async def test_the_next_invoice_bills_what_the_whole_month_costs_more(
    api: Api,
    aggregation: str,
    model: Json | None,
    in_time: Uses,
    too_late: Uses,
    first: str,
    wanted: tuple[str, str, int],
) -> None:
    await subscribed(api, aggregation, model)
    await used(api, *in_time)
    await months(api, 2)
    await used(api, *too_late)
    await months(api, 3, 4)
    january, february, march = await billed(api)
    assert (january["total"], february["total"], march["total"]) == (first, wanted[1], "0.00")
    assert (late(january), late(march)) == ([], [])
    assert late(february) == [("01-01", *wanted)]


async def test_a_late_change_of_a_level_reaches_the_closed_months_after_it(api: Api) -> None:
    await subscribed(api, "WEIGHTED_SUM", {"perUnit": {"unitAmount": "1"}})
    await used(api, ("2026-01-01T00:00:00Z", 10))
    await months(api, 2, 3)
    # The last of 31 days of January, all of February, all of March.
    await used(api, ("2026-01-31T00:00:00Z", 31))
    await months(api, 4, 5)
    january, february, march, april = await billed(api)
    assert [one["total"] for one in (january, february)] == ["10.00", "10.00"]
    assert late(march) == [("01-01", "1", "1.00", 1), ("02-01", "31", "31.00", 0)]
    assert (march["total"], april["total"]) == ("73.00", "41.00")
    for found in (await broken_down(api, march)).values():
        assert sum(float(group["cost"]) for group in found["groups"]) == float(
            found["invoicedAmount"]
        )


async def test_two_late_batches_for_one_month_are_on_two_invoices(api: Api) -> None:
    await subscribed(api, "SUM", GRADUATED)
    await used(api, ("2026-01-10", 8))
    await months(api, 2)
    await used(api, ("2026-01-11", 1))
    await months(api, 3)
    await used(api, ("2026-01-12", 5))
    await months(api, 4, 5)
    january, february, march, april = await billed(api)
    assert (january["total"], april["total"]) == ("8.00", "0.00")
    assert late(february) == [("01-01", "1", "1.00", 1)]
    # 14 units cost 12.00, and 9.00 are billed.
    assert late(march) == [("01-01", "5", "3.00", 1)]


async def test_late_usage_of_two_months_has_two_lines_on_one_invoice(api: Api) -> None:
    await subscribed(api)
    await months(api, 2, 3)
    await used(api, ("2026-02-10", 3), ("2026-01-10", 5), ("2026-03-10", 7))
    await months(api, 4)
    march = (await billed(api))[-1]
    assert late(march) == [("01-01", "5", "10.00", 1), ("02-01", "3", "6.00", 1)]
    assert march["total"] == "30.00"


async def test_late_usage_joins_a_draft_in_its_grace(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 5))
    await months(api, 2)
    await grace(api, 3)
    await months(api, 3)
    await used(api, ("2026-01-11", 1), ("2026-02-11", 10))
    february = (await billed(api))[-1]
    assert (february["status"], february["total"], late(february)) == ("DRAFT", "0.00", [])
    await api.advance("2026-03-04T00:00:00Z")
    february = (await billed(api))[-1]
    assert (february["status"], february["total"]) == ("FINALIZED", "22.00")
    assert late(february) == [("01-01", "1", "2.00", 1)]
    await months(api, 4)
    assert late((await billed(api))[-1]) == []


@pytest.mark.parametrize("first", [1, 2])
async def test_with_two_drafts_open_one_of_them_bills_what_is_late(api: Api, first: int) -> None:
    await subscribed(api)
    await months(api, 2)
    await grace(api, 40)
    await months(api, 3, 4)
    await used(api, ("2026-01-11", 1))
    drafts = await billed(api)
    assert [one["status"] for one in drafts] == ["FINALIZED", "DRAFT", "DRAFT"]
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=drafts[1]["id"])
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=drafts[2]["id"])
    held: list[list[Shown]] = [late(one) for one in await billed(api)]
    assert held == [[], [("01-01", "1", "2.00", 1)], []]
    await finalize(api, drafts[first])
    await used(api, ("2026-01-12", 10))
    await finalize(api, drafts[3 - first])
    await months(api, 5, 6)
    lines = [line for one in await billed(api) for line in late(one)]
    assert sum(int(line[1]) for line in lines) == 11
    assert sum(float(line[2]) for line in lines) == 22
    assert all(line[0] == "01-01" for line in lines)


async def test_a_late_event_of_an_old_plan_costs_what_that_plan_says(api: Api) -> None:
    flat = {"name": "Access", "model": {"flat": {"amount": "31.00"}}}
    subscription = await subscribed(api, prices=[flat])
    feature = (await api.query("{ features(first: 1) { nodes { id } } }"))["features"]["nodes"][0]
    dear = {"name": "Use", "featureId": feature["id"], "model": {"perUnit": {"unitAmount": "7"}}}
    access = {"name": "Access", "model": {"flat": {"amount": "62.00"}}}
    plan = await api.plan("dear", [dear, access])
    await api.advance("2026-01-11T12:00:00Z")
    await api.done(
        "subscriptionChangePlan",
        "subscription { id }",
        subscriptionId=subscription["id"],
        planId=plan["id"],
    )
    await months(api, 2)
    await used(api, ("2026-01-10T23:59:59.999999Z", 3), ("2026-01-11T00:00:00Z", 1))
    await months(api, 3)
    old, new, february = await billed(api)
    assert (old["total"], new["total"]) == ("10.00", "42.00")
    assert late(february) == [("01-01", "3", "6.00", 1), ("01-11", "1", "7.00", 1)]


async def test_the_commitment_falls_as_late_usage_comes(api: Api) -> None:
    await subscribed(api, minimumCommitment="50")
    await used(api, ("2026-01-10", 10), ("2026-02-10", 30), ("2026-03-10", 30))
    await months(api, 2)
    await used(api, ("2026-01-11", 5))
    await months(api, 3)
    await used(api, ("2026-01-12", 15))
    await months(api, 4)
    january, february, march = await billed(api)
    assert january["total"] == "50.00"
    assert late(february) == [("01-01", "5", "10.00", 1), ("01-01", "1", "-10.00", None)]
    # 30 units cost 60: the 20 that the commitment still had go, and 10 are new.
    assert late(march) == [("01-01", "15", "30.00", 1), ("01-01", "1", "-20.00", None)]
    assert (february["total"], march["total"]) == ("60.00", "70.00")


async def test_named_and_unnamed_late_events_of_two_subscriptions(api: Api) -> None:
    plan = await sold(api)
    customer = await api.customer()
    for name in ("first", "second"):
        await api.subscription(customer, plan, externalId=name)
    await months(api, 2)
    await send(
        api,
        use("a", "2026-01-10", 1),
        use("b", "2026-01-10", 10, externalSubscriptionId="first"),
        use("c", "2026-01-10", 100, externalSubscriptionId="second"),
    )
    await months(api, 3, 4)
    found = {
        (one["subscription"]["externalId"], one["periodStart"][5:7]): (one["total"], late(one))
        for one in await billed(api)
    }
    assert found["first", "02"] == ("22.00", [("01-01", "11", "22.00", 2)])
    assert found["second", "02"] == ("200.00", [("01-01", "100", "200.00", 1)])
    for name in ("first", "second"):
        assert found[name, "01"] == found[name, "03"] == ("0.00", [])


@pytest.mark.parametrize(
    ("timezone", "just_before", "midnight"),
    [
        ("America/New_York", "2026-02-01T04:59:59.999999Z", "2026-02-01T05:00:00Z"),
        ("Asia/Kolkata", "2026-01-31T18:29:59.999999Z", "2026-01-31T18:30:00Z"),
    ],
)
async def test_a_day_of_two_local_months_is_billed_in_the_right_one(
    api: Api, timezone: str, just_before: str, midnight: str
) -> None:
    plan = await sold(api)
    await api.subscription(await api.customer(timezone=timezone), plan)
    await api.advance("2026-03-01T12:00:00Z")
    await used(api, (just_before, 1))
    await api.advance("2026-04-01T12:00:00Z")
    await used(api, (midnight, 10))
    await api.advance("2026-05-01T12:00:00Z")
    _, _, march, april = (await billed(api))[-4:]
    ((_, *before),), ((_, *after),) = late(march), late(april)
    assert (before, after) == (["1", "2.00", 1], ["10", "20.00", 1])
    assert april["lineItems"][-1]["periodStart"] == midnight
    assert march["lineItems"][-1]["periodEnd"] == midnight


async def test_what_a_second_draft_held_comes_back_when_it_is_deleted(api: Api) -> None:
    await subscribed(api)
    await months(api, 2)
    await grace(api, 40)
    await months(api, 3, 4)
    await used(api, ("2026-01-11", 1))
    _, february, march = await billed(api)
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=march["id"])
    await finalize(api, february)
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=march["id"])
    await months(api, 5)
    assert [late(one) for one in await billed(api)] == [[], [], [("01-01", "1", "2.00", 1)]]
