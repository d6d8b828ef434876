"""Stories of months: who starts inside one pays its days, who started long ago owes the past."""

from itertools import pairwise

import pytest

from tests.invoices.metered import all_invoices, call, call_plan, grace, line_of, send
from tests.support import Api, Json


async def flat_plan(api: Api, amount: str) -> Json:
    return await api.plan("plan", [{"name": "Access", "model": {"flat": {"amount": amount}}}])


@pytest.mark.parametrize(
    ("started_at", "billed_at", "amount", "first", "description"),
    [
        ("2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z", "310.00", "170.00", "17 of 31 days"),
        ("2026-01-15T23:59:59Z", "2026-02-01T00:00:00Z", "310.00", "170.00", "17 of 31 days"),
        ("2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z", "310.00", "10.00", "1 of 31 days"),
        ("2026-02-15T08:00:00Z", "2026-03-01T00:00:00Z", "280.00", "140.00", "14 of 28 days"),
        ("2026-02-02T08:00:00Z", "2026-03-01T00:00:00Z", "100.00", "96.43", "27 of 28 days"),
        ("2028-02-15T08:00:00Z", "2028-03-01T00:00:00Z", "290.00", "150.00", "15 of 29 days"),
        ("2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "290.00", "10.00", "1 of 29 days"),
        ("2026-04-11T00:00:00Z", "2026-05-01T00:00:00Z", "300.00", "200.00", "20 of 30 days"),
        ("2026-04-30T00:00:00Z", "2026-05-01T00:00:00Z", "0.15", "0.01", "1 of 30 days"),
        ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "310.00", "310.00", None),
    ],
)
async def test_a_first_month_costs_its_days_and_the_next_the_whole(
    api: Api, started_at: str, billed_at: str, amount: str, first: str, description: str | None
) -> None:
    await api.advance(started_at)
    await api.subscription(await api.customer(), await flat_plan(api, amount))
    await api.advance(billed_at)
    (invoice,) = await all_invoices(api)
    assert (invoice["total"], invoice["lineItems"][0]["description"]) == (first, description)
    assert invoice["periodStart"] == f"{started_at[:10]}T00:00:00Z"
    assert invoice["periodEnd"] == billed_at
    month = int(billed_at[5:7])
    await api.advance(f"{billed_at[:5]}{month + 1:02}-01T00:00:00Z")
    (_, following) = await all_invoices(api)
    assert (following["total"], following["lineItems"][0]["description"]) == (amount, None)
    assert following["periodStart"] == billed_at


async def test_usage_of_a_partial_month_is_not_prorated_and_counts_from_the_first_day(
    api: Api,
) -> None:
    plan = await call_plan(api)
    await api.subscription(await api.customer(), plan, startedAt="2026-01-15T18:00:00Z")
    await send(
        api,
        call("before", "2026-01-14T23:59:59.999999Z"),
        call("first", "2026-01-15T00:00:00Z"),
        call("last", "2026-01-31T23:59:59.999999Z"),
        call("after", "2026-02-01T00:00:00Z"),
    )
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await all_invoices(api)
    assert (line_of(invoice, "Calls")["quantity"], invoice["total"]) == ("2", "172.00")


async def test_a_subscription_that_started_in_the_past_owes_its_past_months(api: Api) -> None:
    await api.advance("2026-04-10T00:00:00Z")
    plan = await call_plan(api)
    customer = await api.customer()
    await send(api, call("1", "2026-01-20T00:00:00Z"), call("2", "2026-03-01T00:00:00Z"))
    await api.subscription(customer, plan, startedAt="2026-01-15T00:00:00Z")
    assert await all_invoices(api) == []
    # To the present again: what is due now is done.
    await api.advance("2026-04-10T00:00:00Z")
    invoices = await all_invoices(api)
    assert [(one["periodStart"][:10], one["total"]) for one in invoices] == [
        ("2026-01-15", "171.00"),
        ("2026-02-01", "310.00"),
        ("2026-03-01", "311.00"),
    ]
    # Their grace is over as well, so they are owed at once, dated today.
    assert {(one["status"], one["issueDate"]) for one in invoices} == {("FINALIZED", "2026-04-10")}
    assert sorted(one["number"] for one in invoices) == [f"ACM-001-00{n}" for n in (1, 2, 3)]


async def test_a_subscription_in_the_future_is_pending_and_owes_nothing(api: Api) -> None:
    subscription = await api.subscription(
        await api.customer(), await flat_plan(api, "310.00"), startedAt="2026-03-15T00:00:00Z"
    )
    status = "query ($id: ID!) { subscription(id: $id) { status } }"
    for now, wanted, count in (
        ("2026-03-14T23:59:59Z", "PENDING", 0),
        ("2026-03-15T00:00:00Z", "ACTIVE", 0),
        ("2026-04-01T00:00:00Z", "ACTIVE", 1),
    ):
        await api.advance(now)
        data = await api.query(status, {"id": subscription["id"]})
        assert data["subscription"]["status"] == wanted
        assert len(await all_invoices(api)) == count
    (invoice,) = await all_invoices(api)
    assert invoice["total"] == "170.00"


async def test_a_year_of_thirty_subscriptions_in_one_call(api: Api) -> None:
    await grace(api, 0)
    plan = await flat_plan(api, "12.00")
    zones = ["UTC", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "America/Havana"]
    for number in range(30):
        customer = await api.customer(f"c{number}", timezone=zones[number % len(zones)])
        await api.subscription(customer, plan, startedAt="2026-01-02T00:00:00Z")
    await api.advance("2027-01-05T00:00:00Z")
    found: dict[str, list[Json]] = {}
    for number in range(30):
        data = await api.query(
            """query ($id: String!) { customer(externalId: $id) { invoices(first: 50) { nodes {
                 number status total periodStart periodEnd finalizedAt } } } }""",
            {"id": f"c{number}"},
        )
        found[f"c{number}"] = sorted(
            data["customer"]["invoices"]["nodes"], key=lambda one: str(one["periodStart"])
        )
    for place, invoices in enumerate(found.values(), start=1):
        assert len(invoices) == 12
        assert [one["number"] for one in invoices] == [
            f"ACM-{place:03}-{one:03}" for one in range(1, 13)
        ]
        for before, after in pairwise(invoices):
            assert before["periodEnd"] == after["periodStart"]
        assert {one["status"] for one in invoices} == {"FINALIZED"}
        assert {one["total"] for one in invoices[1:]} == {"12.00"}
        # Each was made at the end of its own period, not at the end of the call.
        assert all(one["finalizedAt"] == one["periodEnd"] for one in invoices)
