"""Numbers without gaps, and dates of the customer's calendar."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing_gql.invoices.numbers import take_number
from billing_gql.kernel.problems import InvalidInput
from billing_gql.store.database import Database
from tests.support import Api, Json, new_organization

SHOWN = "invoice { number issueDate dueDate isOverdue paymentStatus finalizedAt }"


async def issue(api: Api, customer: Json, **values: object) -> Json:
    """A new invoice, finalized."""
    draft = await api.one_off(customer, "10", **values)
    payload = await api.done("invoiceFinalize", SHOWN, invoiceId=draft["id"])
    invoice: Json = payload["invoice"]
    return {"id": draft["id"], **invoice}


async def number_by_organization(api: Api) -> None:
    await api.done("organizationUpdate", "organization { id }", invoiceNumbering="PER_ORGANIZATION")


async def test_each_customer_has_a_series_of_its_own(api: Api, other: Api) -> None:
    first, second = await api.customer("first"), await api.customer("second")
    elsewhere = await other.customer()
    numbers = [
        (await issue(one, customer))["number"]
        for one, customer in (
            (api, first),
            (api, second),
            (other, elsewhere),
            (api, first),
            (api, second),
            (api, first),
        )
    ]
    assert numbers == [
        "ACM-001-001",
        "ACM-002-001",
        "OTH-001-001",
        "ACM-001-002",
        "ACM-002-002",
        "ACM-001-003",
    ]


async def test_an_organizations_series_runs_on_through_the_months(api: Api, other: Api) -> None:
    await number_by_organization(api)
    first, second = await api.customer("first"), await api.customer("second")
    numbers = [(await issue(api, customer))["number"] for customer in (first, second)]
    await api.advance("2026-02-28T23:59:59Z")
    numbers.append((await issue(api, first))["number"])
    await api.advance("2027-12-01T00:00:00Z")
    numbers.append((await issue(api, second))["number"])
    assert numbers == ["ACM-202601-001", "ACM-202601-002", "ACM-202602-003", "ACM-202712-004"]
    assert (await issue(other, await other.customer()))["number"] == "OTH-001-001"


async def test_the_month_of_a_number_is_that_of_the_issue_date(api: Api) -> None:
    await number_by_organization(api)
    customer = await api.customer("acme", timezone="America/Los_Angeles")
    invoice = await issue(api, customer)
    assert (invoice["issueDate"], invoice["number"]) == ("2025-12-31", "ACM-202512-001")


async def test_a_new_prefix_or_way_of_numbering_holds_from_then_on(api: Api) -> None:
    customer = await api.customer()
    numbers = [(await issue(api, customer))["number"]]
    await api.done("organizationUpdate", "organization { id }", invoicePrefix="NEW")
    numbers.append((await issue(api, customer))["number"])
    await number_by_organization(api)
    numbers.append((await issue(api, customer))["number"])
    assert numbers == ["ACM-001-001", "NEW-001-002", "NEW-202601-001"]


async def test_a_number_grows_past_999(api: Api) -> None:
    customer = await api.customer()
    await issue(api, customer)
    async with api.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            text(
                "UPDATE number_series SET last_number = 999"
                " WHERE organization_id = :id AND series <> 'customers'"
            ),
            {"id": api.organization_id},
        )
    assert (await issue(api, customer))["number"] == "ACM-001-1000"


@pytest.mark.parametrize("by_organization", [False, True])
async def test_a_failure_after_the_number_was_taken_leaves_no_gap(
    api: Api, monkeypatch: pytest.MonkeyPatch, by_organization: bool
) -> None:
    if by_organization:
        await number_by_organization(api)
    customer = await api.customer()
    await issue(api, customer)
    draft = await api.one_off(customer, "10")
    taken: list[str] = []

    async def take_and_fail(*args: Any) -> str:
        taken.append(await take_number(*args))
        raise InvalidInput("The test says no.")

    monkeypatch.setattr("billing_gql.invoices.finalize.take_number", take_and_fail)
    values = {"invoiceId": draft["id"]}
    await api.refused("invoiceFinalize", SHOWN, "INVALID_INPUT", None, "says no", **values)
    await api.refused("invoiceFinalize", SHOWN, "INVALID_INPUT", None, "says no", **values)
    monkeypatch.undo()
    payload = await api.done("invoiceFinalize", SHOWN, **values)
    assert taken == [payload["invoice"]["number"]] * 2
    assert taken[0].endswith("-002")


async def test_deleted_drafts_and_refused_calls_take_no_number(api: Api) -> None:
    customer = await api.customer()
    gone = await api.one_off(customer, "10")
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=gone["id"])
    await api.mutate("invoiceFinalize", SHOWN, invoiceId=gone["id"])
    first = await issue(api, customer)
    await api.mutate("invoiceFinalize", SHOWN, invoiceId=first["id"])
    await api.mutate(
        "invoiceCreate",
        SHOWN,
        customerId=customer["id"],
        lineItems=[{"name": "Bad", "amount": "-1"}],
        finalize=True,
    )
    second = await issue(api, customer)
    assert [first["number"], second["number"]] == ["ACM-001-001", "ACM-001-002"]


async def test_a_refused_customer_takes_no_number_either(api: Api) -> None:
    await api.customer("first")
    await api.mutate("customerCreate", "customer { id }", externalId="first", name="Again")
    second = await api.customer("second")
    assert (await issue(api, second))["number"] == "ACM-002-001"


@pytest.mark.parametrize(
    ("organization", "customer", "own", "due"),
    [
        (30, None, None, "2026-01-31"),
        (45, None, None, "2026-02-15"),
        (30, 10, None, "2026-01-11"),
        (30, 0, None, "2026-01-01"),
        (0, None, None, "2026-01-01"),
        (30, 10, "2026-06-30", "2026-06-30"),
    ],
)
async def test_the_due_date_is_the_invoices_own_or_of_the_customers_or_organizations_terms(
    api: Api, organization: int, customer: int | None, own: str | None, due: str
) -> None:
    await api.done("organizationUpdate", "organization { id }", netPaymentTermDays=organization)
    payer = await api.customer("acme", netPaymentTermDays=customer)
    assert (await issue(api, payer, dueDate=own))["dueDate"] == due


@pytest.mark.parametrize(
    ("timezone", "issued", "due", "before", "after"),
    [
        ("UTC", "2026-01-01", "2026-01-11", "2026-01-11T23:59:59Z", "2026-01-12T00:00:00Z"),
        (
            "Pacific/Auckland",
            "2026-01-02",
            "2026-01-12",
            "2026-01-12T10:59:59Z",
            "2026-01-12T11:00:00Z",
        ),
        (
            "America/Los_Angeles",
            "2026-01-01",
            "2026-01-11",
            "2026-01-12T07:59:59Z",
            "2026-01-12T08:00:00Z",
        ),
    ],
)
async def test_an_invoice_is_overdue_when_its_due_date_is_over_where_the_customer_is(
    http: httpx.AsyncClient,
    database: Database,
    timezone: str,
    issued: str,
    due: str,
    before: str,
    after: str,
) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    api = await new_organization(http, database, clock=noon)
    customer = await api.customer("acme", timezone=timezone, netPaymentTermDays=10)
    invoice = await issue(api, customer)
    assert (invoice["issueDate"], invoice["dueDate"]) == (issued, due)
    selection = f"query ($id: ID!) {{ {SHOWN.replace('{', '(id: $id) {', 1)} }}"
    for instant, overdue, status in ((before, False, "PENDING"), (after, True, "UNPAID")):
        await api.advance(instant)
        found = (await api.query(selection, invoice))["invoice"]
        assert (found["isOverdue"], found["paymentStatus"]) == (overdue, status)
        listed = await api.query(
            "query ($overdue: Boolean) {"
            " invoices(filter: {isOverdue: $overdue}) { nodes { id paymentStatus } } }",
            {"overdue": overdue},
        )
        assert listed["invoices"]["nodes"] == [{"id": invoice["id"], "paymentStatus": status}]


async def test_what_is_paid_or_a_draft_is_never_overdue(api: Api) -> None:
    customer = await api.customer("acme", netPaymentTermDays=0)
    free = await api.one_off(customer, "0", finalize=True)
    draft = await api.one_off(customer, "10", dueDate="2026-01-01")
    await api.advance("2026-03-01T00:00:00Z")
    selection = f"query ($id: ID!) {{ {SHOWN.replace('{', '(id: $id) {', 1)} }}"
    for invoice, status in ((free, "PAID"), (draft, "PENDING")):
        found = (await api.query(selection, invoice))["invoice"]
        assert (found["isOverdue"], found["paymentStatus"]) == (False, status)
