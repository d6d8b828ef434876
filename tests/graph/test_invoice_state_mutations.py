"""What each state of an invoice allows, and how it moves from one to the next."""

import pytest

from tests.support import INVOICE, Api, Json

SHOWN = f"invoice {{ {INVOICE} isOverdue finalizedAt paidAt voidedAt }}"
VERBS: dict[str, tuple[str, str, str, Json]] = {
    "UPDATE": ("UPDATE", "invoiceUpdate", SHOWN, {"metadata": {"a": 1}}),
    "ADD_LINE_ITEM": (
        "ADD_LINE_ITEM",
        "invoiceLineItemCreate",
        f"lineItem {{ id }} {SHOWN}",
        {"lineItem": {"name": "More", "amount": "1"}},
    ),
    "remove a line": ("ADD_LINE_ITEM", "invoiceLineItemDelete", SHOWN, {}),
    "REFRESH": ("REFRESH", "invoiceRefresh", SHOWN, {}),
    "FINALIZE": ("FINALIZE", "invoiceFinalize", SHOWN, {}),
    "VOID": ("VOID", "invoiceVoid", SHOWN, {}),
    "MARK_UNCOLLECTIBLE": ("MARK_UNCOLLECTIBLE", "invoiceMarkUncollectible", SHOWN, {}),
    "RECORD_PAYMENT": ("RECORD_PAYMENT", "paymentRecord", SHOWN, {"amount": "1"}),
    "RETRY_PAYMENT": ("RETRY_PAYMENT", "invoiceRetryPayment", SHOWN, {}),
    "CREDIT": (
        "CREDIT",
        "creditNoteCreate",
        f"creditNote {{ id }} {SHOWN}",
        {"reason": "OTHER", "settlement": "BALANCE"},
    ),
    "DOWNLOAD": ("DOWNLOAD", "invoiceDownload", f"pdfUrl {SHOWN}", {}),
    "DELETE": ("DELETE", "invoiceDelete", "deletedInvoiceId", {}),
}
"""Each verb by the action that rules it."""
FINALIZED = {"UPDATE", "VOID", "MARK_UNCOLLECTIBLE", "RECORD_PAYMENT", "CREDIT", "DOWNLOAD"}
GIVEN_UP = FINALIZED - {"MARK_UNCOLLECTIBLE"}
STATES: dict[str, tuple[str, str, set[str]]] = {
    "draft": (
        "DRAFT",
        "PENDING",
        {"UPDATE", "ADD_LINE_ITEM", "REFRESH", "FINALIZE", "DELETE"},
    ),
    "finalized": ("FINALIZED", "PENDING", FINALIZED),
    "overdue": ("FINALIZED", "UNPAID", FINALIZED),
    "paid": ("FINALIZED", "PAID", {"UPDATE", "VOID", "RECORD_PAYMENT", "DOWNLOAD"}),
    "credited": ("FINALIZED", "PENDING", FINALIZED - {"VOID", "CREDIT"}),
    "offset": ("FINALIZED", "PAID", {"UPDATE", "RECORD_PAYMENT", "DOWNLOAD"}),
    "partly offset": ("FINALIZED", "PENDING", FINALIZED - {"VOID"}),
    "uncollectible": ("UNCOLLECTIBLE", "PENDING", GIVEN_UP),
    "overdue and uncollectible": ("UNCOLLECTIBLE", "UNPAID", GIVEN_UP),
    "partly offset and uncollectible": ("UNCOLLECTIBLE", "PENDING", GIVEN_UP - {"VOID"}),
    "voided": ("VOIDED", "PENDING", {"DOWNLOAD"}),
}
"""Status, payment status and allowed actions of each state, as the design's table has them."""


CREDITS = {
    "credited": ("BALANCE", "10"),
    "offset": ("OFFSET", "10"),
    "partly offset": ("OFFSET", "4"),
    "partly offset and uncollectible": ("OFFSET", "4"),
}
"""The states that a credit note makes."""


def credit(invoice: Json, amount: str, settlement: str) -> Json:
    """An input that credits the invoice's first line."""
    lines = [{"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}]
    values = {"invoiceId": invoice["id"], "reason": "OTHER", "settlement": settlement}
    return {**values, "lineItems": lines}


async def read(api: Api, invoice: Json) -> Json:
    data = await api.query(
        f"query ($id: ID!) {{ {SHOWN.replace('{', '(id: $id) {', 1)} }}", invoice
    )
    found: Json = data["invoice"]
    return found


async def finalize(api: Api, invoice: Json) -> Json:
    found: Json = (await api.done("invoiceFinalize", SHOWN, invoiceId=invoice["id"]))["invoice"]
    return found


async def in_state(api: Api, state: str) -> Json:
    """An invoice that has come into the state."""
    draft = await api.one_off(await api.customer(), "0" if state == "paid" else "10")
    if state != "draft":
        await finalize(api, draft)
    if state in CREDITS:
        settlement, amount = CREDITS[state]
        await api.done("creditNoteCreate", SHOWN, **credit(draft, amount, settlement))
    if state.startswith("overdue"):
        await api.advance("2026-02-01T00:00:00Z")
    if state.endswith("uncollectible"):
        await api.done("invoiceMarkUncollectible", SHOWN, invoiceId=draft["id"])
    if state == "voided":
        await api.done("invoiceVoid", SHOWN, invoiceId=draft["id"])
    return await read(api, draft)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_is_allowed_exactly_where_available_actions_say(
    api: Api, state: str, verb: str
) -> None:
    action, mutation, selection, values = VERBS[verb]
    status, payment_status, allowed = STATES[state]
    invoice = await in_state(api, state)
    assert (invoice["status"], invoice["paymentStatus"]) == (status, payment_status)
    assert len(invoice["availableActions"]) == len(allowed)
    assert set(invoice["availableActions"]) == allowed
    if mutation == "invoiceLineItemDelete":
        values = {"lineItemId": invoice["lineItems"][0]["id"]}
    else:
        values = {**values, "invoiceId": invoice["id"]}
    if mutation == "creditNoteCreate":
        values = credit(invoice, "1", "BALANCE")
    if action in allowed:
        await api.done(mutation, selection, **values)
        return
    words = f"the invoice is {status}. Allowed now: "
    words += ", ".join(invoice["availableActions"]) or "nothing"
    field = ["lineItemId" if mutation == "invoiceLineItemDelete" else "invoiceId"]
    error = await api.refused(mutation, selection, "INVALID_STATE", field, words, **values)
    assert error["__typename"] == "InvoiceStateError"
    assert error["status"] == status
    assert error["paymentStatus"] == payment_status
    assert error["availableActions"] == invoice["availableActions"]


async def test_a_void_keeps_all_that_the_invoice_says(api: Api, other: Api) -> None:
    invoice = await in_state(api, "finalized")
    elsewhere = await other.stored()
    await api.advance("2026-01-05T00:00:00Z")
    payload = await api.done("invoiceVoid", SHOWN, invoiceId=invoice["id"], reason="Wrong price")
    wanted = {
        **invoice,
        "status": "VOIDED",
        "amountRemaining": "0.00",
        "availableActions": ["DOWNLOAD"],
        "voidedAt": "2026-01-05T00:00:00Z",
    }
    assert payload["invoice"] == await read(api, invoice) == wanted
    assert wanted["number"] == "ACM-001-001"
    assert await other.stored() == elsewhere


async def test_a_void_frees_neither_its_number_nor_an_overdue_debt(api: Api) -> None:
    overdue = await in_state(api, "overdue")
    assert overdue["isOverdue"] is True
    voided = (await api.done("invoiceVoid", SHOWN, invoiceId=overdue["id"]))["invoice"]
    assert (voided["isOverdue"], voided["paymentStatus"]) == (False, "PENDING")
    customer = {
        "id": (await api.query('{ customer(externalId: "acme") { id } }'))["customer"]["id"]
    }
    following = await finalize(api, await api.one_off(customer, "1"))
    assert following["number"] == "ACM-001-002"


@pytest.mark.parametrize(
    ("reason", "words"),
    [(" ", "blank"), ("r" * 5001, "5000 characters"), ("a\0", "U+0000")],
)
async def test_a_bad_reason_voids_nothing(api: Api, reason: str, words: str) -> None:
    invoice = await in_state(api, "finalized")
    values = {"invoiceId": invoice["id"]}
    code = "INVALID_INPUT"
    await api.refused("invoiceVoid", SHOWN, code, ["reason"], words, **values, reason=reason)
    await api.done("invoiceVoid", SHOWN, **values, reason=None)


async def test_finalizing_says_what_is_owed_and_when(api: Api, other: Api) -> None:
    draft = await in_state(api, "draft")
    elsewhere = await other.stored()
    await api.advance("2026-01-20T15:00:00Z")
    invoice = await finalize(api, draft)
    assert invoice == await read(api, draft)
    assert invoice == {
        **draft,
        "number": "ACM-001-001",
        "status": "FINALIZED",
        "availableActions": [
            "UPDATE",
            "VOID",
            "MARK_UNCOLLECTIBLE",
            "RECORD_PAYMENT",
            "CREDIT",
            "DOWNLOAD",
        ],
        "issueDate": "2026-01-20",
        "dueDate": "2026-02-19",
        "finalizedAt": "2026-01-20T15:00:00Z",
    }
    assert await other.stored() == elsewhere


async def test_a_draft_without_lines_is_worth_nothing_and_paid_at_once(api: Api) -> None:
    draft = await in_state(api, "draft")
    await api.done("invoiceLineItemDelete", SHOWN, lineItemId=draft["lineItems"][0]["id"])
    invoice = await finalize(api, draft)
    assert (invoice["total"], invoice["paymentStatus"]) == ("0.00", "PAID")
    assert invoice["paidAt"] == "2026-01-01T00:00:00Z"


@pytest.fixture
async def january(api: Api) -> Json:
    """A subscription's draft of January: 3 units at 1000.005, and a line by hand of 5."""
    units = await api.feature("units", "SUM", valueProperty="n")
    price = {
        "name": "Units",
        "featureId": units["id"],
        "model": {"perUnit": {"unitAmount": "1000.005"}},
    }
    await api.subscription(
        await api.customer(), await api.plan("metered", [price]), externalId="metered"
    )
    await use(api, "first", 3)
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await api.invoices("id")
    line = {"name": "Setup", "amount": "5"}
    payload = await api.done("invoiceLineItemCreate", SHOWN, invoiceId=invoice["id"], lineItem=line)
    found: Json = payload["invoice"]
    return found


async def use(api: Api, transaction_id: str, units: int) -> None:
    payload = await api.ingest(
        {
            "transactionId": transaction_id,
            "externalCustomerId": "acme",
            "eventName": "units",
            "timestamp": "2026-01-15T00:00:00Z",
            "properties": {"n": units},
        }
    )
    assert payload["acceptedCount"] == 1


async def test_a_drafts_total_is_what_finalizing_makes_of_it(api: Api, january: Json) -> None:
    assert january["total"] == "3005.02"
    invoice = await finalize(api, january)
    assert invoice["total"] == january["total"]
    assert invoice["lineItems"] == january["lineItems"]


async def test_finalizing_takes_what_has_arrived_since_the_draft(api: Api, january: Json) -> None:
    await use(api, "second", 1)
    invoice = await finalize(api, january)
    assert invoice["total"] == "4005.02"
    assert [line["id"] for line in invoice["lineItems"]] == [
        line["id"] for line in january["lineItems"]
    ]
    await use(api, "late", 1)
    assert await read(api, january) == invoice


@pytest.mark.parametrize("mutation", ["invoiceFinalize", "invoiceRefresh"])
async def test_an_amount_out_of_range_is_refused_and_the_draft_stays(
    api: Api, january: Json, mutation: str
) -> None:
    await use(api, "huge", 10**12)
    await api.refused(
        mutation,
        SHOWN,
        "AMOUNT_OUT_OF_RANGE",
        None,
        "must be below 1000000000000000 USD",
        invoiceId=january["id"],
    )
    assert await read(api, january) == january


async def test_what_the_run_could_not_finalize_says_why_until_it_is_finalized(
    api: Api, january: Json
) -> None:
    line = {"name": "Big", "amount": "999999999990000"}
    payload = await api.done(
        "invoiceLineItemCreate", "lineItem { id }", invoiceId=january["id"], lineItem=line
    )
    await use(api, "more", 10)
    await api.advance("2026-02-05T00:00:00Z")
    problem = "query ($id: ID!) { invoice(id: $id) { status billingProblem } }"
    found = (await api.query(problem, january))["invoice"]
    assert found["status"] == "DRAFT"
    assert "stay below 1000000000000000 USD" in found["billingProblem"]
    await api.done("invoiceLineItemDelete", SHOWN, lineItemId=payload["lineItem"]["id"])
    assert (await finalize(api, january))["total"] == "13005.07"
    found = (await api.query(problem, january))["invoice"]
    assert found == {"status": "FINALIZED", "billingProblem": None}
