"""Invoices that are voided after they gave something back, or after something was given back for
them: nothing is forgotten and nothing is given twice."""

from tests.scenarios.late import LATE_LINES, billed, late, months, subscribed, used
from tests.support import Api, Json


async def void(api: Api, invoice: Json) -> None:
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])


async def open_credit(api: Api) -> str:
    data = await api.query('{ customer(externalId: "acme") { openCredit } }')
    found: str = data["customer"]["openCredit"]
    return found


async def test_a_voided_correction_is_given_again(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 30))
    await months(api, 2)
    await used(api, ("2026-01-11", -4), ("2026-02-10", 50))
    await months(api, 3)
    february = (await billed(api))[-1]
    # 50 x 2.00 for February, less 4 x 2.00 of January.
    assert (february["total"], late(february)) == ("92.00", [("01-01", "-4", "-8.00", 1)])
    await void(api, february)
    await used(api, ("2026-03-10", 10))
    await months(api, 4, 5)
    *_, march, april = await billed(api)
    assert (march["total"], late(march)) == ("12.00", [("01-01", "-4", "-8.00", 1)])
    assert (april["total"], late(april)) == ("0.00", [])


async def test_a_voided_correction_of_which_a_credit_was_left(api: Api) -> None:
    await subscribed(api)
    await used(api, ("2026-01-10", 30))
    await months(api, 2)
    # February holds 6.00 of the 40.00 that January is lowered by; March gives 20.00 back.
    await used(api, ("2026-01-11", -20), ("2026-02-10", 3))
    await months(api, 3)
    assert await open_credit(api) == "34.00"
    await used(api, ("2026-03-10", 10))
    await months(api, 4)
    assert await open_credit(api) == "14.00"
    _, february, march = await billed(api)
    assert (february["total"], march["total"]) == ("0.00", "0.00")
    await void(api, february)
    # What March gave back was for a credit of February's: it is charged, and the whole is given.
    await used(api, ("2026-04-10", 100))
    await months(api, 5, 6)
    *_, april, may = await billed(api)
    assert late(april) == [("01-01", "-20", "-40.00", 1)]
    # 100 x 2.00, less 40.00, and the 20.00 of March taken back.
    assert (april["total"], may["total"], await open_credit(api)) == ("180.00", "0.00", "0.00")


async def upgraded(api: Api) -> None:
    """From 31.00 to 62.00 a month in advance, on 11 January."""
    plans = [
        await api.plan(
            key, [{"name": key, "cadence": "ADVANCE", "model": {"flat": {"amount": amount}}}]
        )
        for key, amount in (("Small", "31.00"), ("Large", "62.00"))
    ]
    one = await api.subscription(await api.customer(), plans[0])
    await api.advance("2026-01-11T00:00:00Z")
    await api.done(
        "subscriptionChangePlan",
        "subscription { id }",
        subscriptionId=one["id"],
        planId=plans[1]["id"],
    )


async def test_a_fee_voided_after_its_credit_is_taken_back(api: Api) -> None:
    await upgraded(api)
    small, proration = await api.invoices(LATE_LINES, "FINALIZED"), "21.00"
    fee = next(one for one in small if one["total"] == "31.00")
    assert [one["total"] for one in small if one is not fee] == [proration]
    await void(api, fee)
    assert await open_credit(api) == "-21.00"
    await api.advance("2026-02-02T00:00:00Z")
    invoices = await api.invoices(LATE_LINES, "FINALIZED")
    (february,) = [one for one in invoices if one["periodStart"].startswith("2026-02")]
    lines = [(one["name"], one["description"], one["amount"]) for one in february["lineItems"]]
    assert lines == [
        ("Large", None, "62.00"),
        ("Unused Small", "Credit taken back", "21.00"),
    ]
    assert await open_credit(api) == "0.00"


async def test_an_open_draft_follows_a_new_credit(api: Api) -> None:
    calls = await api.feature("calls")
    plan = await api.plan(
        "plan",
        [
            {"name": "Fee", "cadence": "ADVANCE", "model": {"flat": {"amount": "28.00"}}},
            {"name": "Calls", "featureId": calls["id"], "model": {"perUnit": {"unitAmount": "1"}}},
        ],
    )
    one = await api.subscription(await api.customer(), plan)
    await api.advance("2026-02-02T00:00:00Z")
    (draft,) = await api.invoices(LATE_LINES, "DRAFT")
    assert draft["total"] == "28.00"
    await api.done("subscriptionCancel", "subscription { id }", subscriptionId=one["id"], at="NOW")
    await api.advance("2026-02-02T00:00:00Z")  # what is due now: nothing but the drafts
    drafts = await api.invoices("id total", "DRAFT")
    # One of 28 days was used.
    assert {one["id"]: one["total"] for one in drafts}[draft["id"]] == "1.00"
    await api.advance("2026-03-01T00:00:00Z")
    final = await api.invoices("id total", "FINALIZED")
    assert {one["id"]: one["total"] for one in final}[draft["id"]] == "1.00"
