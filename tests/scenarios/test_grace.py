"""Stories of the days after a month: drafted at its end, open for late events, then owed."""

import pytest

from tests.invoices.metered import (
    all_invoices,
    breakdown,
    call,
    call_plan,
    grace,
    line_of,
    send,
    total_cost,
)
from tests.support import Api, Json


async def subscribed(api: Api, timezone: str = "UTC", **values: object) -> Json:
    customer = await api.customer(timezone=timezone)
    return await api.subscription(customer, await call_plan(api), **values)


async def status(api: Api) -> list[str]:
    return [one["status"] for one in await all_invoices(api)]


@pytest.mark.parametrize(
    ("timezone", "days", "ends", "just_before", "finalized"),
    [
        ("UTC", 3, "2026-02-01T00:00:00Z", "2026-02-03T23:59:59Z", "2026-02-04T00:00:00Z"),
        ("UTC", 1, "2026-02-01T00:00:00Z", "2026-02-01T23:59:59Z", "2026-02-02T00:00:00Z"),
        ("Asia/Tokyo", 3, "2026-01-31T15:00:00Z", "2026-02-03T14:59:59Z", "2026-02-03T15:00:00Z"),
        # The grace reaches over the change of clocks on 8 March.
        (
            "America/New_York",
            36,
            "2026-02-01T05:00:00Z",
            "2026-03-09T03:59:59Z",
            "2026-03-09T04:00:00Z",
        ),
    ],
)
async def test_a_draft_stays_open_until_its_grace_ends_at_local_midnight(
    api: Api, timezone: str, days: int, ends: str, just_before: str, finalized: str
) -> None:
    await grace(api, days)
    await subscribed(api, timezone, startedAt="2026-01-05T12:00:00Z")
    await api.advance(ends)
    (draft,) = await all_invoices(api)
    assert (draft["status"], draft["number"], draft["createdAt"]) == ("DRAFT", None, ends)
    await api.advance(just_before)
    assert (await all_invoices(api))[0]["status"] == "DRAFT"
    await api.advance(finalized)
    invoice = (await all_invoices(api))[0]
    assert (invoice["status"], invoice["finalizedAt"]) == ("FINALIZED", finalized)
    assert invoice["number"] == "ACM-001-001"
    assert invoice["id"] == draft["id"]


async def test_nothing_is_drafted_before_the_period_ends(api: Api) -> None:
    await subscribed(api)
    await api.advance("2026-01-31T23:59:59Z")
    assert await status(api) == []
    await api.advance("2026-02-01T00:00:00Z")
    assert await status(api) == ["DRAFT"]


async def test_without_grace_an_invoice_is_final_when_its_period_ends(api: Api) -> None:
    await grace(api, 0)
    await subscribed(api)
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await all_invoices(api)
    assert (invoice["status"], invoice["finalizedAt"]) == ("FINALIZED", "2026-02-01T00:00:00Z")
    assert (invoice["issueDate"], invoice["dueDate"]) == ("2026-02-01", "2026-03-03")


async def test_dates_of_an_invoice_are_of_the_customers_calendar(api: Api) -> None:
    await subscribed(api, "Asia/Tokyo")
    await api.advance("2026-03-01T00:00:00Z")
    (invoice,) = [one for one in await all_invoices(api) if one["status"] == "FINALIZED"]
    assert invoice["finalizedAt"] == "2026-02-03T15:00:00Z"
    assert (invoice["issueDate"], invoice["dueDate"]) == ("2026-02-04", "2026-03-06")


async def test_events_that_come_in_the_grace_period_are_on_the_invoice(api: Api) -> None:
    await subscribed(api)
    await send(api, call("on-time", "2026-01-10T00:00:00Z"))
    await api.advance("2026-02-01T00:00:00Z")
    await send(
        api,
        call("late", "2026-01-31T23:59:59.999999Z"),
        call("of-february", "2026-02-01T00:00:00Z"),
    )
    await api.advance("2026-02-03T23:59:59Z")
    await send(api, call("latest", "2026-01-01T00:00:00Z"))
    (draft,) = await all_invoices(api)
    assert line_of(draft, "Calls")["quantity"] == "2"  # the billing run has taken what came so far
    await api.advance("2026-03-01T00:00:00Z")
    january, february = await all_invoices(api)
    assert (january["status"], january["total"]) == ("FINALIZED", "313.00")
    assert line_of(january, "Calls")["quantity"] == "3"
    assert line_of(february, "Calls")["quantity"] == "1"


async def test_an_event_after_the_grace_is_on_the_next_invoice_and_shows_as_a_difference(
    api: Api,
) -> None:
    await subscribed(api)
    await send(api, call("on-time", "2026-01-10T00:00:00Z"))
    await api.advance("2026-02-04T00:00:00Z")
    await send(api, call("late", "2026-01-20T00:00:00Z"))
    await api.advance("2026-03-10T00:00:00Z")
    january, february = await all_invoices(api)
    assert (january["total"], february["total"]) == ("311.00", "311.00")
    calls = [one for one in february["lineItems"] if one["name"] == "Calls"]
    assert [(one["quantity"], one["description"]) for one in calls] == [
        ("0", None),
        ("1", "Late usage"),
    ]
    plain = await breakdown(api, january["id"])
    assert (str(total_cost(plain)), plain["groups"][0]["eventCount"]) == ("1.00", 1)
    forced = await breakdown(api, january["id"], forced=True)
    assert (forced["recalculatedAmount"], forced["difference"]) == ("2.00", "1.00")


async def test_what_is_upcoming_is_the_draft_that_it_becomes(api: Api) -> None:
    await api.advance("2026-01-12T00:00:00Z")
    subscription = await subscribed(api, "America/New_York")
    await send(
        api,
        call("1", "2026-01-13T00:00:00Z"),
        call("2", "2026-02-01T04:59:59Z"),
        call("3", "2026-02-01T05:00:00Z"),
    )
    await api.advance("2026-02-01T04:59:59Z")
    lines = "type name quantity unitAmount amount total eventCount pricingSteps { amount }"
    sums = "currency subtotal total amountDue periodStart periodEnd"
    data = await api.query(
        f"""query ($id: ID!) {{ upcomingInvoice(subscriptionId: $id) {{
              targetDate {sums} lineItems {{ {lines} }} }} }}""",
        {"id": subscription["id"]},
    )
    upcoming = data["upcomingInvoice"]
    assert upcoming.pop("targetDate") == "2026-02-01"
    assert (upcoming["periodStart"], upcoming["total"]) == ("2026-01-11T05:00:00Z", "212.00")
    assert await all_invoices(api) == []
    await api.advance("2026-02-01T05:00:00Z")
    (draft,) = await all_invoices(api, f"{sums} lineItems {{ {lines} }}")
    assert draft == upcoming


async def test_what_is_upcoming_moves_on_with_the_periods(api: Api) -> None:
    subscription = await subscribed(api)
    await send(api, call("1", "2026-02-10T00:00:00Z"))
    ask = "query ($id: ID!) { upcomingInvoice(subscriptionId: $id) { periodStart total } }"
    for now, starts, total in (
        ("2026-01-31T23:59:59Z", "2026-01-01T00:00:00Z", "310.00"),
        ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "311.00"),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "310.00"),
    ):
        await api.advance(now)
        data = await api.query(ask, {"id": subscription["id"]})
        assert data["upcomingInvoice"] == {"periodStart": starts, "total": total}
