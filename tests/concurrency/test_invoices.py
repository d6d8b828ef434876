"""Mutations against themselves and each other, and billing runs side by side: real commits."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import SANDBOX_ONLY
from tests.concurrency.together import at_once
from tests.support import INVOICE, Api, Json

SHOWN = f"invoice {{ {INVOICE} }}"
FLAT = {"name": "Access", "model": {"flat": {"amount": "10"}}}


async def read(api: Api, invoice_id: str) -> Json | None:
    data = await api.query(
        f"query ($id: ID!) {{ invoice(id: $id) {{ {INVOICE} }} }}", {"id": invoice_id}
    )
    found: Json | None = data["invoice"]
    return found


async def numbers(api: Api) -> list[str]:
    found = await api.invoices("number", "FINALIZED, VOIDED")
    return sorted(invoice["number"] for invoice in found)


def assert_adds_up(invoice: Json) -> None:
    amounts = [Decimal(line["amount"]) for line in invoice["lineItems"]]
    assert sum(amounts) == Decimal(invoice["subtotal"]) == Decimal(invoice["total"])


async def test_of_sixteen_finalizes_of_one_draft_one_succeeds(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "10")
    done, errors = await at_once(
        [api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"]) for _ in range(16)]
    )
    assert [payload["invoice"]["number"] for payload in done] == ["ACM-001-001"]
    assert len(errors) == 15
    for error in errors:
        assert (error["__typename"], error["status"]) == ("InvoiceStateError", "FINALIZED")
        assert {"UPDATE", "VOID"} < set(error["availableActions"])
    assert await numbers(api) == ["ACM-001-001"]
    following = await api.one_off({"id": await customer_id(api)}, "1", finalize=True)
    assert following["number"] == "ACM-001-002"


async def customer_id(api: Api) -> str:
    data = await api.query('{ customer(externalId: "acme") { id } }')
    found: str = data["customer"]["id"]
    return found


async def test_of_sixteen_voids_of_one_invoice_one_succeeds(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10", finalize=True)
    done, errors = await at_once(
        [
            api.mutate("invoiceVoid", SHOWN, invoiceId=invoice["id"], reason=str(n))
            for n in range(16)
        ]
    )
    assert [payload["invoice"]["status"] for payload in done] == ["VOIDED"]
    kinds = {(error["__typename"], error["status"]) for error in errors}
    assert (len(errors), kinds) == (15, {("InvoiceStateError", "VOIDED")})


@pytest.mark.parametrize("attempt", range(4))
async def test_a_draft_is_finalized_or_deleted_never_both(api: Api, attempt: int) -> None:
    draft = await api.one_off(await api.customer(), "10")
    values = {"invoiceId": draft["id"]}
    calls = [
        api.mutate("invoiceFinalize", SHOWN, **values),
        api.mutate("invoiceDelete", "deletedInvoiceId", **values),
    ]
    (won,), (error,) = await at_once(calls if attempt % 2 else calls[::-1])
    stored = await read(api, draft["id"])
    if "deletedInvoiceId" in won:
        assert (error["code"], stored) == ("NOT_FOUND", None)
    else:
        assert error["__typename"] == "InvoiceStateError"
        assert stored is not None
        assert stored["number"] == "ACM-001-001"


@pytest.mark.parametrize("attempt", range(4))
async def test_a_line_is_on_the_finalized_invoice_or_refused(api: Api, attempt: int) -> None:
    draft = await api.one_off(await api.customer(), "10")
    values = {"invoiceId": draft["id"]}
    adding = [
        api.mutate(
            "invoiceLineItemCreate",
            "lineItem { id }",
            **values,
            lineItem={"name": str(n), "amount": f"{n}.01"},
        )
        for n in range(8)
    ]
    finalizing = api.mutate("invoiceFinalize", "invoice { id }", **values)
    done, errors = await at_once([*adding[: attempt * 2], finalizing, *adding[attempt * 2 :]])
    added = {payload["lineItem"]["id"] for payload in done if "lineItem" in payload}
    assert len(done) == len(added) + 1
    assert {error["__typename"] for error in errors} <= {"InvoiceStateError"}
    stored = await read(api, draft["id"])
    assert stored is not None
    assert stored["status"] == "FINALIZED"
    on_it = {line["id"] for line in stored["lineItems"]}
    assert on_it == added | {draft["lineItems"][0]["id"]}
    assert_adds_up(stored)


async def test_lines_added_and_deleted_at_once_all_count(api: Api) -> None:
    draft = await api.one_off(await api.customer(), *["1"] * 8)
    adding = [
        api.mutate(
            "invoiceLineItemCreate",
            "lineItem { id }",
            invoiceId=draft["id"],
            lineItem={"name": str(n), "amount": "100"},
        )
        for n in range(8)
    ]
    deleting = [
        api.mutate("invoiceLineItemDelete", "invoice { id }", lineItemId=line["id"])
        for line in draft["lineItems"]
    ]
    done, _ = await at_once([*adding, *deleting])
    assert len(done) == 16
    stored = await read(api, draft["id"])
    assert stored is not None
    assert (stored["total"], len(stored["lineItems"])) == ("800.00", 8)
    assert_adds_up(stored)


@pytest.mark.parametrize("customers", [1, 4])
async def test_sixteen_finalized_at_once_are_numbered_1_to_16(api: Api, customers: int) -> None:
    series = "ACM-001"
    if customers > 1:
        series = "ACM-202601"
        await api.done(
            "organizationUpdate", "organization { id }", invoiceNumbering="PER_ORGANIZATION"
        )
    payers = [await api.customer(f"c{n}") for n in range(customers)]
    drafts = [await api.one_off(payers[n % customers], "10") for n in range(16)]
    done, errors = await at_once(
        [api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"]) for draft in drafts]
    )
    assert (len(done), errors) == (16, [])
    assert await numbers(api) == [f"{series}-{n:03}" for n in range(1, 17)]


CREATES: dict[str, tuple[str, Json]] = {
    "customerCreate": ("customer", {"externalId": "x", "name": "X"}),
    "featureCreate": ("feature", {"key": "x", "name": "X", "aggregation": "COUNT"}),
    "planCreate": (
        "plan",
        {
            "key": "x",
            "name": "X",
            "currency": "USD",
            "billingPeriod": "MONTHLY",
            "prices": [FLAT],
        },
    ),
    "subscriptionCreate": ("subscription", {"externalId": "x"}),
}


async def creating(api: Api, mutation: str, count: int, **more: object) -> list[Any]:
    """Calls that would each make the same thing; subscriptions, each for another customer."""
    entity, values = CREATES[mutation]
    inputs = [dict(values) for _ in range(count)]
    if mutation == "subscriptionCreate":
        plan = await api.plan("basic", [FLAT])
        payers = [await api.customer(f"c{n}") for n in range(count)]
        for one, payer in zip(inputs, payers, strict=True):
            one |= {"planId": plan["id"], "customerId": payer["id"]}
            if more:
                one["customerId"] = payers[0]["id"]
    return [api.mutate(mutation, f"{entity} {{ id }} replayed", **one, **more) for one in inputs]


@pytest.mark.parametrize("mutation", CREATES)
async def test_of_eight_that_take_one_identifier_one_gets_it(api: Api, mutation: str) -> None:
    done, errors = await at_once(await creating(api, mutation, 8))
    assert [payload["replayed"] for payload in done] == [False]
    assert {(error["__typename"], error["code"]) for error in errors} == {
        ("AlreadyExistsError", "ALREADY_EXISTS")
    }
    assert {tuple(error["field"]) for error in errors} <= {("externalId",), ("key",)}
    assert len(errors) == 7


@pytest.mark.parametrize("mutation", CREATES)
async def test_of_eight_with_one_idempotency_key_one_works_and_seven_replay(
    api: Api, mutation: str
) -> None:
    done, errors = await at_once(await creating(api, mutation, 8, idempotencyKey="k"))
    assert errors == []
    assert len({payload[CREATES[mutation][0]]["id"] for payload in done}) == 1
    assert sorted(payload["replayed"] for payload in done) == [False] + [True] * 7


async def test_of_eight_invoices_with_one_idempotency_key_one_is_made(api: Api) -> None:
    payer = await api.customer()
    values = {
        "customerId": payer["id"],
        "lineItems": [{"name": "Setup", "amount": "10"}],
        "finalize": True,
        "idempotencyKey": "k",
    }
    done, _ = await at_once(
        [api.mutate("invoiceCreate", f"{SHOWN} replayed", **values) for _ in range(8)]
    )
    assert {payload["invoice"]["number"] for payload in done} == {"ACM-001-001"}
    assert sum(payload["replayed"] for payload in done) == 7
    assert await numbers(api) == ["ACM-001-001"]


async def metered(api: Api, *names: str, unit: str = "1") -> list[Json]:
    """Customers on a plan that prices each call; their subscriptions have their names."""
    calls = await api.feature("calls", "SUM", valueProperty="n")
    model = {"perUnit": {"unitAmount": unit}}
    prices = [{"name": "Calls", "featureId": calls["id"], "model": model}]
    plan = await api.plan("metered", prices)
    payers = [await api.customer(name) for name in names]
    for name, payer in zip(names, payers, strict=True):
        await api.subscription(payer, plan, externalId=name)
    return payers


def call(transaction_id: str, customer: str, number: int = 1) -> Json:
    return {
        "transactionId": transaction_id,
        "externalCustomerId": customer,
        "eventName": "calls",
        "timestamp": "2026-01-15T00:00:00Z",
        "properties": {"n": number},
    }


@pytest.mark.parametrize("attempt", range(3))
async def test_each_event_is_billed_or_late_however_it_meets_the_finalize(
    api: Api, attempt: int
) -> None:
    await metered(api, "acme")
    await api.advance("2026-02-01T00:00:00Z")
    (draft,) = await api.invoices("id")
    ingests = [api.ingest(*(call(f"{batch}-{n}", "acme") for n in range(5))) for batch in range(30)]
    place = attempt * 10
    finalizing = api.mutate("invoiceFinalize", SHOWN, invoiceId=draft["id"])
    reports, errors = await at_once([*ingests[:place], finalizing, *ingests[place:]])
    assert errors == []
    accepted = sum(report.get("acceptedCount", 0) for report in reports)
    assert accepted == 150
    stored = await read(api, draft["id"])
    assert stored is not None
    (line,) = stored["lineItems"]
    data = await api.query(
        """query ($id: ID!) { invoice(id: $id) {
          kept: usageBreakdown(groupBy: ["source"]) { groups { usage eventCount } }
          forced: usageBreakdown(groupBy: ["source"], forceRuntimeRecalculation: true) {
            invoicedAmount recalculatedAmount difference } } }""",
        draft,
    )
    ((kept,), (forced,)) = data["invoice"]["kept"], data["invoice"]["forced"]
    late = Decimal(forced["difference"])
    assert Decimal(line["quantity"]) + late == accepted
    assert Decimal(forced["recalculatedAmount"]) == accepted
    assert sum(Decimal(group["usage"]) for group in kept["groups"]) == Decimal(line["quantity"])
    assert line["eventCount"] == int(line["quantity"])
    assert_adds_up(stored)


async def periods(api: Api) -> list[tuple[str, str]]:
    """What is billed, as (customer, start of the period)."""
    found = await api.invoices("periodStart customer { externalId }", "DRAFT, FINALIZED, VOIDED")
    return sorted((one["customer"]["externalId"], one["periodStart"]) for one in found)


async def test_two_runs_at_once_bill_each_period_once(api: Api) -> None:
    names = [f"c{n}" for n in range(6)]
    payers = [await api.customer(name) for name in names]
    plan = await api.plan("basic", [FLAT])
    for payer in payers:
        await api.subscription(payer, plan, startedAt="2025-10-01T00:00:00Z")
    reports = await asyncio.gather(
        *(run_due(api.database, api.organization_id, SANDBOX_ONLY) for _ in range(3))
    )
    starts = ["2025-10-01T00:00:00Z", "2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z"]
    assert await periods(api) == [(name, start) for name in names for start in starts]
    assert sum(report.drafted for report in reports) == 18
    assert sum(report.finalized for report in reports) == 12
    assert not any(report.failed for report in reports)
    found = await numbers(api)
    assert found == [f"ACM-{n:03}-{m:03}" for n in range(1, 7) for m in (1, 2)]


async def test_a_customer_that_cannot_be_billed_does_not_stop_the_others(api: Api) -> None:
    await metered(api, "bad", "good", "late", unit="1000")
    await api.ingest(call("a", "bad", 10**12), call("b", "good"), call("c", "late"))
    await api.advance("2026-02-02T00:00:00Z")
    problem = "subscription(externalId: $name) { billingProblem }"
    asked = f"query ($name: String!) {{ {problem} }}"
    problems = {
        name: (await api.query(asked, {"name": name}))["subscription"]["billingProblem"]
        for name in ("bad", "good", "late")
    }
    assert "must be below 1000000000000000 USD" in problems.pop("bad")
    assert problems == {"good": None, "late": None}
    assert await periods(api) == [
        ("good", "2026-01-01T00:00:00Z"),
        ("late", "2026-01-01T00:00:00Z"),
    ]
    await api.ingest(call("d", "bad", -(10**12) + 5))
    await api.advance("2026-02-05T00:00:00Z")
    assert ("bad", "2026-01-01T00:00:00Z") in await periods(api)
    assert (await api.query(asked, {"name": "bad"}))["subscription"] == {"billingProblem": None}


async def test_a_clock_moved_twice_at_once_bills_each_period_once(api: Api) -> None:
    names = ["c0", "c1", "c2"]
    payers = [await api.customer(name) for name in names]
    plan = await api.plan("basic", [FLAT])
    for payer in payers:
        await api.subscription(payer, plan)
    targets = ["2026-04-02T00:00:00Z", "2026-03-15T00:00:00Z", "2026-04-02T00:00:00Z"]
    done, errors = await at_once(
        [api.mutate("testClockAdvance", "organization { now }", to=to) for to in targets]
    )
    assert done
    for error in errors:
        assert (error["code"], error["field"]) == ("INVALID_STATE", ["to"])
        assert "Another call is moving this clock" in error["message"]
    await api.advance("2026-04-02T00:00:00Z")
    starts = [f"2026-0{month}-01T00:00:00Z" for month in (1, 2, 3)]
    assert await periods(api) == [(name, start) for name in names for start in starts]
