"""Stories of late usage of a subscription that has ended: a draft of its own waits for someone."""

from tests.invoices.metered import grace, send
from tests.scenarios.late import (
    billed,
    cancel,
    delete,
    finalize,
    late,
    months,
    open_credit,
    subscribed,
    use,
    used,
)
from tests.support import Api, Json


async def ended(api: Api) -> list[Json]:
    """A subscription of January alone that used 5, its last invoice out."""
    subscription = await subscribed(api)
    await used(api, ("2026-01-10", 5))
    await cancel(api, subscription)
    await months(api, 2)
    (january,) = found = await billed(api)
    assert (january["status"], january["total"]) == ("FINALIZED", "10.00")
    return found


async def test_late_usage_waits_on_a_draft_of_its_own_until_someone_finalizes_it(api: Api) -> None:
    await ended(api)
    await used(api, ("2026-01-11", 3))
    assert len(await billed(api)) == 1
    await api.advance("2026-02-02T00:00:00Z")
    _, draft = await billed(api)
    facts = ("status", "invoiceType", "billingReason", "periodStart", "total")
    assert [draft[one] for one in facts] == [
        "DRAFT",
        "SUBSCRIPTION",
        "SUBSCRIPTION_END",
        None,
        "6.00",
    ]
    await used(api, ("2026-01-12", 1))
    await months(api, 3, 6)
    assert [one["total"] for one in await billed(api)] == ["10.00", "8.00"]
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=draft["id"])
    assert late((await billed(api))[-1]) == [("01-01", "4", "8.00", 2)]
    await used(api, ("2026-01-13", 10))
    await finalize(api, draft)
    assert late((await billed(api))[-1]) == [("01-01", "14", "28.00", 3)]
    await months(api, 7)
    assert [one["status"] for one in await billed(api)] == ["FINALIZED"] * 2
    await used(api, ("2026-01-14", 1))
    await months(api, 8)
    third = (await billed(api))[-1]
    assert (third["status"], late(third)) == ("DRAFT", [("01-01", "1", "2.00", 1)])


async def test_a_deleted_draft_of_late_usage_is_not_made_again(api: Api) -> None:
    await ended(api)
    await used(api, ("2026-01-11", 3))
    await months(api, 3)
    await delete(api, (await billed(api))[-1])
    await months(api, 4, 5)
    assert len(await billed(api)) == 1


async def test_what_changes_no_amount_is_a_draft_of_nothing_to_pay(api: Api) -> None:
    subscription = await subscribed(api, "MAX")
    await used(api, ("2026-01-10", 5))
    await cancel(api, subscription)
    await months(api, 2)
    await used(api, ("2026-01-11", 3))
    await months(api, 3)
    _, draft = await billed(api)
    assert (draft["total"], late(draft)) == ("0.00", [("01-01", "0", "0.00", 1)])


async def test_usage_after_the_end_makes_no_draft(api: Api) -> None:
    await ended(api)
    await send(api, use("after", "2026-02-01T00:00:00Z"))
    await months(api, 3)
    assert len(await billed(api)) == 1


async def test_a_correction_after_the_end_is_a_credit(api: Api) -> None:
    await ended(api)
    await used(api, ("2026-01-11", -3))
    await months(api, 3)
    _, draft = await billed(api)
    assert (draft["total"], late(draft)) == ("0.00", [("01-01", "-3", "0.00", 1)])
    await finalize(api, draft)
    assert await open_credit(api) == "6.00"


async def test_late_usage_joins_a_last_invoice_that_is_still_open(api: Api) -> None:
    subscription = await subscribed(api)
    await months(api, 2)
    await grace(api, 10)
    await cancel(api, subscription)
    await months(api, 3)
    await used(api, ("2026-01-11", 3), ("2026-02-11", 1))
    await months(api, 4)
    _, february = await billed(api)
    assert (february["status"], february["total"]) == ("FINALIZED", "8.00")
    assert late(february) == [("01-01", "3", "6.00", 1)]


async def test_of_two_last_drafts_the_one_that_stays_bills_what_is_late(api: Api) -> None:
    subscription = await subscribed(api)
    await months(api, 2)
    await grace(api, 60)
    await months(api, 3)
    await cancel(api, subscription)
    await months(api, 4)
    await used(api, ("2026-01-11", 3))
    _, february, march = await billed(api)
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=february["id"])
    await api.done("invoiceRefresh", "invoice { id }", invoiceId=march["id"])
    await delete(api, march)
    await finalize(api, february)
    assert late((await billed(api))[-1]) == [("01-01", "3", "6.00", 1)]
    await months(api, 6)
    assert len(await billed(api)) == 2
