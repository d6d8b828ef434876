"""A line says what it billed: a draft's until it is refreshed, a finalized one's for ever."""

import pytest

from tests.invoices.metered import (
    BREAKDOWN,
    all_invoices,
    breakdown,
    call,
    call_plan,
    costs,
    line_of,
    send,
    total_cost,
)
from tests.support import Api, Json

KEYS = ["source", "feature_id", "properties.region", "properties.deep.down"]
LATE = [
    call("late-1", "2026-01-05T00:00:00Z", source="eu", properties={"region": "north"}),
    call("late-2", "2026-01-31T23:59:59.999999Z", source="mars"),
]


@pytest.fixture
async def january(api: Api) -> Json:
    """The draft of a January with five calls, made on 1 February; grace lasts three days."""
    plan = await call_plan(api, unit="0.335", dimensions=["region"])
    await api.subscription(await api.customer(), plan, startedAt="2026-01-01T00:00:00Z")
    await send(
        api,
        call("1", "2026-01-01T00:00:00Z", source="eu", properties={"region": "north"}),
        call("2", "2026-01-02T10:00:00Z", source="eu", properties={"deep": {"down": 7}}),
        call("3", "2026-01-03T10:30:00Z", source="us", properties={"region": "south"}),
        call("4", "2026-01-31T23:30:00Z"),
        call("5", "2026-01-31T23:59:59Z", source="us"),
    )
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await all_invoices(api)
    assert invoice["status"] == "DRAFT"
    assert line_of(invoice, "Calls")["amount"] == "1.68"
    return invoice


async def raw_breakdown(api: Api, invoice_id: str) -> bytes:
    query = f"""query ($id: ID!, $keys: [String!]!) {{ invoice(id: $id) {{
        total lineItems {{ quantity amount eventCount }}
        usageBreakdown(groupBy: $keys) {{ {BREAKDOWN} }} }} }}"""
    response = await api.http.post(
        "/graphql",
        json={"query": query, "variables": {"id": invoice_id, "keys": KEYS}},
        headers=api.headers,
    )
    assert "errors" not in response.json()
    return response.content


async def test_a_finalized_breakdown_answers_the_same_byte_for_byte(
    api: Api, january: Json
) -> None:
    await api.done("invoiceFinalize", "invoice { id }", invoiceId=january["id"])
    before = await raw_breakdown(api, january["id"])
    await send(api, *LATE)
    assert await raw_breakdown(api, january["id"]) == before
    await api.advance("2026-03-10T00:00:00Z")
    assert await raw_breakdown(api, january["id"]) == before


async def test_recalculating_shows_what_came_late_and_changes_nothing(
    api: Api, january: Json
) -> None:
    await api.done("invoiceFinalize", "invoice { id }", invoiceId=january["id"])
    before = await raw_breakdown(api, january["id"])
    on_time = await breakdown(api, january["id"], forced=True)
    assert (on_time["recalculatedAmount"], on_time["difference"]) == ("1.68", "0.00")
    await send(api, *LATE)
    plain = await breakdown(api, january["id"])
    assert (plain["isRecalculated"], plain["recalculatedAmount"], plain["difference"]) == (
        False,
        None,
        None,
    )
    forced = await breakdown(api, january["id"], forced=True)
    assert forced["isRecalculated"] is True
    assert forced["invoicedAmount"] == forced["lineItem"]["amount"] == "1.68"
    assert forced["recalculatedAmount"] == "2.35"
    assert forced["difference"] == "0.67"
    # The groups hold the late events too, and still share what was invoiced.
    assert {key: one["eventCount"] for key, one in groups_of(forced).items()} == {
        ("eu",): 3,
        ("us",): 2,
        ("mars",): 1,
        (None,): 1,
    }
    assert str(total_cost(forced)) == "1.68"
    assert await raw_breakdown(api, january["id"]) == before


def groups_of(found: Json) -> dict[tuple[str | None, ...], Json]:
    return {tuple(key["value"] for key in one["keys"]): one for one in found["groups"]}


async def test_a_drafts_breakdown_adds_up_to_its_line_though_events_came_since(
    api: Api, january: Json
) -> None:
    await send(api, *LATE)
    found = await breakdown(api, january["id"])
    assert costs(found) == {("eu",): "0.67", ("us",): "0.67", (None,): "0.34"}
    assert str(total_cost(found)) == found["invoicedAmount"] == "1.68"
    for keys in (["properties.region"], ["properties.deep.down", "source"], KEYS):
        assert str(total_cost(await breakdown(api, january["id"], keys))) == "1.68"
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=january["id"])
    refreshed = await breakdown(api, january["id"])
    assert refreshed["lineItem"]["quantity"] == "7"
    assert str(total_cost(refreshed)) == refreshed["invoicedAmount"] == "2.35"
    assert set(costs(refreshed)) == {("eu",), ("us",), ("mars",), (None,)}
    (invoice,) = await all_invoices(api)
    assert [one["id"] for one in invoice["lineItems"]] == [
        one["id"] for one in january["lineItems"]
    ]


async def test_finalizing_takes_the_events_of_the_grace_period_in(api: Api, january: Json) -> None:
    await send(api, *LATE)
    payload = await api.done(
        "invoiceFinalize", "invoice { total lineItems { name quantity } }", invoiceId=january["id"]
    )
    assert line_of(payload["invoice"], "Calls")["quantity"] == "7"
    assert payload["invoice"]["total"] == "312.35"


async def test_a_draft_is_recalculated_beside_what_it_holds(api: Api, january: Json) -> None:
    await send(api, *LATE)
    forced = await breakdown(api, january["id"], forced=True)
    assert (forced["invoicedAmount"], forced["recalculatedAmount"], forced["difference"]) == (
        "1.68",
        "2.35",
        "0.67",
    )
    (invoice,) = await all_invoices(api)
    assert line_of(invoice, "Calls")["amount"] == "1.68"


async def test_events_of_other_periods_and_customers_are_in_no_breakdown(
    api: Api, january: Json
) -> None:
    await api.customer("other")
    await send(
        api,
        call("before", "2025-12-31T23:59:59.999999Z"),
        call("after", "2026-02-01T00:00:00Z"),
        call("others", "2026-01-10T00:00:00Z", customer="other"),
    )
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=january["id"])
    for forced in (False, True):
        found = await breakdown(api, january["id"], ["feature_id"], forced=forced)
        assert [one["usage"] for one in found["groups"]] == ["5"]
