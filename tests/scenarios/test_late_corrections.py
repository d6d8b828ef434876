"""Stories of late usage that takes something back, and of invoices that are voided or deleted."""

import pytest

from tests.invoices.metered import grace
from tests.scenarios.late import (
    billed,
    broken_down,
    delete,
    late,
    months,
    open_credit,
    subscribed,
    used,
)
from tests.support import Api

VOLUME = {"volume": {"tiers": [{"upTo": "10", "unitAmount": "2"}, {"unitAmount": "1"}]}}


async def test_a_correction_that_fits_lowers_the_next_invoice(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 10), ("2026-02-10", 5))
    await months(api, 2)
    await used(api, ("2026-01-11", -4))
    await months(api, 3)
    february = (await billed(api))[-1]
    assert (february["total"], late(february)) == ("2.00", [("01-01", "-4", "-8.00", 1)])
    assert await open_credit(api) == "0.00"


async def test_what_does_not_fit_is_a_credit_that_later_invoices_give_back(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 10), ("2026-02-10", 2), ("2026-03-10", 3), ("2026-04-10", 50))
    await months(api, 2)
    await used(api, ("2026-01-11", -9))
    await grace(api, 3)
    await months(api, 3)
    # 18 to give back, and room for 4: the draft owes nothing yet.
    assert await open_credit(api) == "0.00"
    await api.advance("2026-03-04T00:00:00Z")
    assert await open_credit(api) == "14.00"
    await grace(api, 0)
    await months(api, 4)
    assert await open_credit(api) == "8.00"
    await months(api, 5)
    assert await open_credit(api) == "0.00"
    january, february, march, april = await billed(api)
    assert late(february) == [("01-01", "-9", "-4.00", 1)]
    steps = [step["amount"] for step in february["lineItems"][-1]["pricingSteps"]]
    assert sum(float(one) for one in steps) == -4
    totals = [one["total"] for one in (january, february, march, april)]
    assert totals == ["20.00", "0.00", "0.00", "92.00"]
    given_back = [
        (line["type"], line["amount"], line["periodStart"][:10])
        for one in (march, april)
        for line in one["lineItems"][1:]
    ]
    assert given_back == [
        ("PRORATION", "-6.00", "2026-01-01"),
        ("PRORATION", "-8.00", "2026-01-01"),
    ]
    # 1 + 2 + 3 + 50 units at 2.00.
    assert sum(float(one) for one in totals) == 112
    for found in (await broken_down(api, february, forced=True)).values():
        assert found["difference"] == "0.00"


async def test_units_that_make_all_others_cheaper_take_something_back(api: Api) -> None:
    await subscribed(api, "SUM", VOLUME)
    await used(api, ("2026-01-10", 9), ("2026-02-10", 5))
    await months(api, 2)
    await used(api, ("2026-01-11", 3))
    await months(api, 3)
    february = (await billed(api))[-1]
    # 12 units cost 12.00, and 18.00 were billed; February costs 10.00.
    assert (february["total"], late(february)) == ("4.00", [("01-01", "3", "-6.00", 1)])
    for found in (await broken_down(api, february)).values():
        assert sum(float(one["cost"]) for one in found["groups"]) == float(found["invoicedAmount"])


async def test_a_correction_of_a_correction_takes_the_carried_part_into_account(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 10))
    await months(api, 2)
    await used(api, ("2026-01-11", -9))
    await months(api, 3)
    assert await open_credit(api) == "18.00"
    await used(api, ("2026-01-12", 6))
    await months(api, 4)
    march = (await billed(api))[-1]
    assert late(march) == [("01-01", "6", "12.00", 1)]
    assert (march["total"], await open_credit(api)) == ("0.00", "6.00")


async def test_of_a_voided_month_only_what_came_late_is_billed(api: Api) -> None:
    await subscribed(api, minimumCommitment="50")
    await used(api, ("2026-01-10", 30))
    await months(api, 2)
    (january,) = await billed(api)
    await api.done("invoiceVoid", "invoice { id }", invoiceId=january["id"])
    await used(api, ("2026-01-11", 4))
    await months(api, 3, 4)
    january, february, march = await billed(api)
    assert (january["status"], january["total"]) == ("VOIDED", "60.00")
    assert (february["total"], march["total"]) == ("58.00", "50.00")
    assert late(february) == [("01-01", "4", "8.00", 1)]


async def test_late_lines_of_a_deleted_draft_come_back_and_its_own_month_does_not(
    api: Api,
) -> None:
    await subscribed(api)
    await months(api, 2)
    await grace(api, 20)
    await used(api, ("2026-01-11", 4), ("2026-02-10", 7))
    await months(api, 3)
    february = (await billed(api))[-1]
    assert (february["total"], late(february)) == ("22.00", [("01-01", "4", "8.00", 1)])
    await delete(api, february)
    await used(api, ("2026-02-11", 100))
    await months(api, 4, 5)
    january, march, april = await billed(api)
    assert (march["total"], late(march)) == ("8.00", [("01-01", "4", "8.00", 1)])
    assert (january["total"], april["total"], late(april)) == ("0.00", "0.00", [])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_preview_shows_what_is_late_as_the_draft_does(api: Api, when: str) -> None:
    await subscribed(api, minimumCommitment="20")
    await used(api, ("2026-01-10", 2))
    await months(api, 2)
    if when == "after":
        await used(api, ("2026-01-12", 1))
        await months(api, 3)
    await used(api, ("2026-01-11", 4), ("2026-02-11", -3))
    ids = await api.query('{ subscription(externalId: "main") { id } }')
    lines = "type name quantity amount total eventCount"
    sums = "subtotal total periodStart periodEnd"
    upcoming = await api.query(
        f"""query ($id: ID!) {{ upcomingInvoice(subscriptionId: $id) {{
          {sums} lineItems {{ {lines} pricingSteps {{ description amount }} }} }} }}""",
        ids["subscription"],
    )
    await grace(api, 3)
    await months(api, 3 if when == "before" else 4)
    (draft,) = await api.invoices(
        f"{sums} lineItems {{ {lines} pricingSteps {{ description amount }} }}"
    )
    assert upcoming["upcomingInvoice"] == draft
    # What came for February is late once March has begun: it bills nothing and shows its event.
    amounts = ["0.00", "20.00", "8.00", "-8.00", *(["0.00"] if when == "after" else [])]
    assert [line["amount"] for line in draft["lineItems"]] == amounts


async def test_what_breakdowns_say_before_and_after(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 5))
    await months(api, 2)
    (january,) = await billed(api)
    kept = await broken_down(api, january)
    await used(api, ("2026-01-11", 3))
    await months(api, 3)
    february = (await billed(api))[-1]
    late_line = february["lineItems"][-1]["id"]
    kept_late = await broken_down(api, february)
    (group,) = kept_late[late_line]["groups"]
    assert (group["usage"], group["cost"], group["eventCount"]) == ("3", "6.00", 1)
    for events, difference, later, again in (
        ([], "6.00", "0.00", "6.00"),
        ([("2026-01-12", 10)], "26.00", "20.00", "26.00"),
    ):
        await used(api, *events)
        (forced,) = (await broken_down(api, january, forced=True)).values()
        assert (forced["invoicedAmount"], forced["difference"]) == ("10.00", difference)
        found = (await broken_down(api, february, forced=True))[late_line]
        assert (found["difference"], found["recalculatedAmount"]) == (later, again)
        assert await broken_down(api, january) == kept
        assert await broken_down(api, february) == kept_late
    await months(api, 4)
    assert late((await billed(api))[-1]) == [("01-01", "10", "20.00", 1)]
    assert await broken_down(api, january) == kept
    assert await broken_down(api, february) == kept_late
