"""invoiceUpdate, invoiceDelete, invoiceLineItemCreate, invoiceLineItemDelete, invoiceRefresh."""

import pytest

from tests.graph.test_invoice_create_mutations import BAD_LINES
from tests.support import INVOICE, Api, Json

SHOWN = f"invoice {{ {INVOICE} updatedAt }}"
CALLS = {"externalCustomerId": "acme", "eventName": "calls"}


async def read(api: Api, invoice_id: str) -> Json | None:
    data = await api.query(
        f"query ($id: ID!) {{ invoice(id: $id) {{ {INVOICE} updatedAt }} }}", {"id": invoice_id}
    )
    found: Json | None = data["invoice"]
    return found


@pytest.fixture
async def draft(api: Api) -> Json:
    return await api.one_off(await api.customer(), "10", "20.5", memo="Hello", metadata={"a": 1})


@pytest.fixture
async def monthly(api: Api) -> Json:
    """The draft of January: 10 calls at 0.50 and access for 20, then a line by hand of 5."""
    calls = await api.feature("calls")
    prices = [
        {"name": "Access", "model": {"flat": {"amount": "20"}}},
        {
            "name": "Calls",
            "featureId": calls["id"],
            "model": {"perUnit": {"unitAmount": "0.5"}},
        },
    ]
    await api.subscription(await api.customer(), await api.plan("basic", prices))
    await api.ingest(*({"transactionId": f"a{n}", **CALLS} for n in range(10)))
    await api.advance("2026-02-01T00:00:00Z")
    (invoice,) = await api.invoices("id")
    payload = await api.done(
        "invoiceLineItemCreate",
        SHOWN,
        invoiceId=invoice["id"],
        lineItem={"name": "Setup", "amount": "5"},
    )
    found: Json = payload["invoice"]
    return found


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("memo", "Goodbye", "Goodbye"),
        ("memo", None, None),
        ("dueDate", "2026-03-01", "2026-03-01"),
        ("dueDate", None, None),
        ("metadata", {"b": 2, "c": False}, {"b": 2, "c": False}),
        ("metadata", None, {}),
    ],
)
async def test_an_update_changes_what_it_names_and_nothing_else(
    api: Api, other: Api, draft: Json, name: str, value: object, stored: object
) -> None:
    neighbour = await api.one_off({"id": (await api.customer("globex"))["id"]}, "1")
    elsewhere = await other.stored()
    await api.advance("2026-01-02T00:00:00Z")
    wanted = {**draft, name: stored, "updatedAt": "2026-01-02T00:00:00Z"}
    for _ in range(2):
        payload = await api.done("invoiceUpdate", SHOWN, invoiceId=draft["id"], **{name: value})
        assert payload["invoice"] == wanted
    assert await read(api, draft["id"]) == wanted
    assert (await read(api, neighbour["id"]) or {})["updatedAt"] == "2026-01-01T00:00:00Z"
    assert await other.stored() == elsewhere


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"memo": ""}, "INVALID_INPUT", ["memo"], "blank"),
        ({"memo": "m" * 5001}, "INVALID_INPUT", ["memo"], "5000 characters"),
        ({"metadata": []}, "INVALID_INPUT", ["metadata"], "Must be an object"),
        ({"metadata": 0}, "INVALID_INPUT", ["metadata"], "Must be an object"),
        ({"metadata": {"a": []}}, "INVALID_INPUT", ["metadata", "a"], "a text, a number"),
        (
            {"metadata": {str(n): n for n in range(51)}},
            "TOO_MANY_ITEMS",
            ["metadata"],
            "At most 50 keys, not 51",
        ),
        ({"invoiceId": "inv_x"}, "NOT_FOUND", ["invoiceId"], "no invoice 'inv_x'"),
    ],
)
async def test_a_bad_update_is_refused_with_the_good_ones_beside_it(
    api: Api, draft: Json, change: Json, code: str, field: list[str], words: str
) -> None:
    good = {"invoiceId": draft["id"], "dueDate": "2026-05-05"}
    await api.refused("invoiceUpdate", SHOWN, code, field, words, **{**good, **change})
    payload = await api.done("invoiceUpdate", SHOWN, **good)
    assert payload["invoice"]["dueDate"] == "2026-05-05"


@pytest.mark.parametrize(("name", "value"), [("memo", "New"), ("dueDate", None)])
async def test_of_a_finalized_invoice_only_the_metadata_changes(
    api: Api, draft: Json, name: str, value: object
) -> None:
    await api.done("invoiceFinalize", SHOWN, invoiceId=draft["id"])
    before = await read(api, draft["id"])
    values = {"invoiceId": draft["id"], "metadata": {"paid": "soon"}}
    error = await api.refused(
        "invoiceUpdate",
        SHOWN,
        "INVALID_STATE",
        [name],
        f"Only a draft lets {name} change: the invoice is FINALIZED. Allowed now: UPDATE, VOID",
        **values,
        **{name: value},
    )
    assert error["__typename"] == "InvoiceStateError"
    await api.done("invoiceUpdate", SHOWN, **values)
    assert before is not None
    assert await read(api, draft["id"]) == {**before, "metadata": {"paid": "soon"}}


async def test_a_deleted_draft_is_gone_with_its_lines_and_cannot_go_twice(
    api: Api, draft: Json
) -> None:
    kept = await api.one_off({"id": (await api.customer("globex"))["id"]}, "1")
    payload = await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=draft["id"])
    assert payload["deletedInvoiceId"] == draft["id"]
    assert await read(api, draft["id"]) is None
    line = await api.query("query ($id: ID!) { node(id: $id) { id } }", draft["lineItems"][0])
    assert line == {"node": None}
    assert [one["id"] for one in await api.invoices("id")] == [kept["id"]]
    words = f"no invoice '{draft['id']}'"
    await api.refused(
        "invoiceDelete",
        "deletedInvoiceId",
        "NOT_FOUND",
        ["invoiceId"],
        words,
        invoiceId=draft["id"],
    )


async def test_the_period_of_a_deleted_draft_is_not_billed_again(api: Api, monthly: Json) -> None:
    await api.done("invoiceDelete", "deletedInvoiceId", invoiceId=monthly["id"])
    await api.advance("2026-03-02T00:00:00Z")
    periods = await api.invoices("periodStart", "DRAFT, FINALIZED")
    assert periods == [{"periodStart": "2026-02-01T00:00:00Z"}]


async def test_a_line_by_hand_comes_last_and_counts(api: Api, draft: Json) -> None:
    await api.advance("2026-01-02T00:00:00Z")
    payload = await api.done(
        "invoiceLineItemCreate",
        f"lineItem {{ id type name description quantity unitAmount amount }} {SHOWN} replayed",
        invoiceId=draft["id"],
        lineItem={
            "name": "Hours",
            "description": "of May",
            "quantity": "3",
            "unitAmount": "33.335",
        },
    )
    line, invoice = payload["lineItem"], payload["invoice"]
    assert line == {
        "id": line["id"],
        "type": "MANUAL",
        "name": "Hours",
        "description": "of May",
        "quantity": "3",
        "unitAmount": "33.335",
        "amount": "100.01",
    }
    assert payload["replayed"] is False
    assert invoice["lineItems"][:2] == draft["lineItems"]
    assert invoice["lineItems"][2]["id"] == line["id"]
    assert (invoice["total"], invoice["amountDue"]) == ("130.51", "130.51")
    assert invoice["updatedAt"] == "2026-01-02T00:00:00Z"
    assert await read(api, draft["id"]) == invoice


@pytest.mark.parametrize(("change", "code", "field", "words"), BAD_LINES)
async def test_a_bad_line_is_not_added(
    api: Api, draft: Json, change: Json, code: str, field: list[str], words: str
) -> None:
    line = {"name": "Setup", "amount": "10"}
    values = {"invoiceId": draft["id"], "lineItem": {**line, **change}}
    selection = f"lineItem {{ id }} {SHOWN} replayed"
    at = ["lineItem", *field]
    await api.refused("invoiceLineItemCreate", selection, code, at, words, **values)
    await api.done("invoiceLineItemCreate", selection, **{**values, "lineItem": line})


async def test_a_line_that_makes_the_invoice_too_large_is_not_added(api: Api, draft: Json) -> None:
    values = {"invoiceId": draft["id"], "lineItem": {"name": "x", "amount": "999999999999969.50"}}
    at, words = ["lineItem"], "stay below 1000000000000000 USD"
    selection = f"lineItem {{ id }} {SHOWN}"
    code = "AMOUNT_OUT_OF_RANGE"
    await api.refused("invoiceLineItemCreate", selection, code, at, words, **values)
    values["lineItem"] = {"name": "x", "amount": "999999999999969.49"}
    payload = await api.done("invoiceLineItemCreate", selection, **values)
    assert payload["invoice"]["total"] == "999999999999999.99"


async def test_an_invoice_has_at_most_250_lines_by_hand(api: Api) -> None:
    full = await api.one_off(await api.customer(), *["1"] * 250)
    values = {"invoiceId": full["id"], "lineItem": {"name": "x", "amount": "1"}}
    at, words = ["lineItem"], "At most 250 lines"
    selection = f"lineItem {{ id }} {SHOWN}"
    await api.refused("invoiceLineItemCreate", selection, "TOO_MANY_ITEMS", at, words, **values)
    line_id = full["lineItems"][0]["id"]
    await api.done("invoiceLineItemDelete", SHOWN, lineItemId=line_id)
    await api.done("invoiceLineItemCreate", selection, **values)


async def test_a_deleted_line_is_gone_and_cannot_go_twice(api: Api, draft: Json) -> None:
    first, second = draft["lineItems"]
    payload = await api.done("invoiceLineItemDelete", SHOWN, lineItemId=first["id"])
    invoice = payload["invoice"]
    assert invoice["lineItems"] == [second]
    assert (invoice["total"], invoice["subtotal"]) == ("20.50", "20.50")
    assert await read(api, draft["id"]) == invoice
    words = f"no line item '{first['id']}'"
    await api.refused(
        "invoiceLineItemDelete", SHOWN, "NOT_FOUND", ["lineItemId"], words, lineItemId=first["id"]
    )


async def test_a_draft_may_lose_its_last_line_and_is_then_worth_nothing(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "10")
    line_id = draft["lineItems"][0]["id"]
    payload = await api.done("invoiceLineItemDelete", SHOWN, lineItemId=line_id)
    assert (payload["invoice"]["total"], payload["invoice"]["lineItems"]) == ("0.00", [])


async def test_only_a_line_by_hand_can_be_deleted(api: Api, monthly: Json) -> None:
    access, calls, setup = monthly["lineItems"]
    for line in (access, calls):
        words = f"A {line['type']} line comes from the subscription"
        await api.refused(
            "invoiceLineItemDelete",
            SHOWN,
            "INVALID_INPUT",
            ["lineItemId"],
            words,
            lineItemId=line["id"],
        )
    payload = await api.done("invoiceLineItemDelete", SHOWN, lineItemId=setup["id"])
    assert payload["invoice"]["total"] == "25.00"


async def test_a_refresh_takes_new_usage_and_keeps_lines_and_their_ids(
    api: Api, monthly: Json
) -> None:
    assert [line["amount"] for line in monthly["lineItems"]] == ["20.00", "5.00", "5.00"]
    january = {**CALLS, "timestamp": "2026-01-31T23:59:59Z"}
    await api.ingest(*({"transactionId": f"b{n}", **january} for n in range(4)))
    await api.ingest({"transactionId": "c", **CALLS, "timestamp": "2026-02-01T00:00:00Z"})
    assert await read(api, monthly["id"]) == monthly
    payload = await api.done("invoiceRefresh", SHOWN, invoiceId=monthly["id"])
    invoice = payload["invoice"]
    ids = [line["id"] for line in monthly["lineItems"]]
    assert [line["id"] for line in invoice["lineItems"]] == ids
    access, calls, setup = invoice["lineItems"]
    assert [access, setup] == [monthly["lineItems"][0], monthly["lineItems"][2]]
    assert (calls["quantity"], calls["eventCount"], calls["amount"]) == ("14", 14, "7.00")
    assert invoice["total"] == "32.00"
    again = await api.done("invoiceRefresh", SHOWN, invoiceId=monthly["id"])
    assert again["invoice"] == await read(api, monthly["id"]) == invoice


async def test_a_refresh_of_a_one_off_changes_no_amount(api: Api, draft: Json) -> None:
    payload = await api.done("invoiceRefresh", f"invoice {{ {INVOICE} }}", invoiceId=draft["id"])
    assert payload["invoice"] == draft


@pytest.mark.parametrize(
    ("mutation", "selection", "field", "more"),
    [
        ("invoiceDelete", "deletedInvoiceId", "invoiceId", {}),
        ("invoiceRefresh", SHOWN, "invoiceId", {}),
        ("invoiceFinalize", f"{SHOWN} replayed", "invoiceId", {}),
        ("invoiceVoid", f"{SHOWN} replayed", "invoiceId", {}),
        (
            "invoiceLineItemCreate",
            f"lineItem {{ id }} {SHOWN} replayed",
            "invoiceId",
            {"lineItem": {"name": "x", "amount": "1"}},
        ),
        ("invoiceLineItemDelete", SHOWN, "lineItemId", {}),
    ],
)
@pytest.mark.parametrize("unknown", ["inv_x", "", "x" * 1000])
async def test_an_unknown_id_is_not_found(
    api: Api, mutation: str, selection: str, field: str, more: Json, unknown: str
) -> None:
    values = {field: unknown, **more}
    await api.refused(mutation, selection, "NOT_FOUND", [field], repr(unknown), **values)
