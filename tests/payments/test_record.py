"""Payments by hand."""

import pytest

from tests.payments.paying import BOTH, balance, read, record, set_method
from tests.support import Api, Json


@pytest.fixture
async def invoice(api: Api) -> Json:
    """100.00 USD, finalized on 1 January."""
    return await api.one_off(await api.customer(), "100", finalize=True)


async def test_what_remains_is_paid_unless_an_amount_is_said(api: Api, invoice: Json) -> None:
    await api.advance("2026-01-10T00:00:00Z")
    paid = await record(api, invoice)
    assert paid["payment"] == {
        "id": paid["payment"]["id"],
        "provider": "MANUAL",
        "state": "SUCCEEDED",
        "currency": "USD",
        "amount": "100.00",
        "reference": None,
        "failureReason": None,
        "receivedAt": "2026-01-10T00:00:00Z",
        "createdAt": "2026-01-10T00:00:00Z",
    }
    assert paid["invoice"] == await read(api, invoice)
    assert paid["invoice"]["paymentStatus"] == "PAID"
    assert paid["invoice"]["amountRemaining"] == "0.00"
    assert paid["invoice"]["paidAt"] == "2026-01-10T00:00:00Z"
    actions = ["UPDATE", "RECORD_PAYMENT", "CREDIT", "DOWNLOAD"]
    assert paid["invoice"]["availableActions"] == actions
    assert await balance(api) == 0


async def test_parts_are_paid_until_nothing_remains(api: Api, invoice: Json) -> None:
    await api.advance("2026-01-10T00:00:00Z")
    first = await record(
        api, invoice, amount="30", reference="wire 1", receivedAt="2026-01-05T12:00:00+02:00"
    )
    assert (first["payment"]["amount"], first["payment"]["reference"]) == ("30.00", "wire 1")
    assert first["payment"]["receivedAt"] == "2026-01-05T10:00:00Z"
    assert first["invoice"]["paymentStatus"] == "PARTIALLY_PAID"
    assert (first["invoice"]["amountPaid"], first["invoice"]["amountRemaining"]) == (
        "30.00",
        "70.00",
    )
    assert first["invoice"]["paidAt"] is None
    await api.advance("2026-03-01T00:00:00Z")
    assert (await read(api, invoice))["paymentStatus"] == "PARTIALLY_PAID"
    second = await record(api, invoice)
    assert (second["payment"]["amount"], second["invoice"]["paymentStatus"]) == ("70.00", "PAID")
    assert len(second["invoice"]["payments"]) == 2


async def test_the_excess_goes_to_the_balance_and_the_invoice_has_all_of_it(
    api: Api, invoice: Json
) -> None:
    over = (await record(api, invoice, amount="120.50"))["invoice"]
    assert (over["paymentStatus"], over["amountPaid"]) == ("OVERPAID", "120.50")
    assert over["amountRemaining"] == "0.00"
    assert str(await balance(api)) == "20.50"
    await record(api, invoice, amount="1")
    assert str(await balance(api)) == "21.50"
    async with api.database.snapshot() as session:
        connection = await session.connection()
        entries = await connection.exec_driver_sql(
            "SELECT reason, invoice_id FROM ledger_entries WHERE kind = 'BALANCE' AND"
            f" organization_id = '{api.organization_id}'"
        )
        assert set(entries) == {("OVERPAYMENT", invoice["id"])}


async def test_the_balance_of_an_overpayment_pays_the_next_invoice(api: Api, invoice: Json) -> None:
    await record(api, invoice, amount="130")
    data = await api.query('{ customer(externalId: "acme") { id } }')
    following = await api.one_off(data["customer"], "50", finalize=True)
    assert following["amountDue"] == "20.00"


@pytest.mark.parametrize(
    ("values", "code", "field", "words"),
    [
        ({"amount": "0"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "zero"),
        ({"amount": "-1"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "above zero"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "2 decimals"),
        ({"amount": "1000000000000000"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "10^15"),
        ({"reference": " "}, "INVALID_INPUT", ["reference"], "blank"),
        ({"reference": "a\0"}, "INVALID_INPUT", ["reference"], "U+0000"),
        ({"receivedAt": "2026-01-01T00:00:01Z"}, "INVALID_INPUT", ["receivedAt"], "future"),
        ({"receivedAt": "1969-01-01T00:00:00Z"}, "INVALID_INPUT", ["receivedAt"], "1970"),
        ({"invoiceId": "inv_x"}, "NOT_FOUND", ["invoiceId"], "inv_x"),
    ],
)
async def test_what_cannot_be_a_payment_is_refused(
    api: Api, invoice: Json, values: Json, code: str, field: list[str], words: str
) -> None:
    values = {"invoiceId": invoice["id"], **values}
    await api.refused("paymentRecord", BOTH, code, field, words, **values)


async def test_paid_so_often_that_it_is_out_of_range_is_refused(api: Api, invoice: Json) -> None:
    await record(api, invoice, amount="999999999999999.99")
    await api.refused(
        "paymentRecord",
        BOTH,
        "AMOUNT_OUT_OF_RANGE",
        ["amount"],
        "below 1000000000000000 USD",
        invoiceId=invoice["id"],
        amount="0.01",
    )


async def test_yen_have_no_decimals(api: Api) -> None:
    customer = await api.customer(currency="JPY")
    invoice = await api.one_off(customer, "100", finalize=True)
    values = {"invoiceId": invoice["id"], "amount": "0.5"}
    await api.refused(
        "paymentRecord", BOTH, "AMOUNT_OUT_OF_RANGE", ["amount"], "0 decimals", **values
    )
    assert (await record(api, invoice, amount="40"))["invoice"]["amountRemaining"] == "60"


async def test_nothing_remaining_needs_an_amount(api: Api, invoice: Json) -> None:
    await record(api, invoice)
    await api.refused(
        "paymentRecord",
        BOTH,
        "INVALID_INPUT",
        ["amount"],
        "Nothing remains to be paid",
        invoiceId=invoice["id"],
    )


async def test_the_payment_is_a_node_that_only_its_organization_sees(
    api: Api, other: Api, invoice: Json
) -> None:
    payment = (await record(api, invoice))["payment"]
    query = "query ($id: ID!) { node(id: $id) { id ... on Payment { amount invoice { id } } } }"
    found = (await api.query(query, payment))["node"]
    assert found == {"id": payment["id"], "amount": "100.00", "invoice": {"id": invoice["id"]}}
    assert (await other.query(query, payment))["node"] is None


async def test_a_method_is_set_shown_and_removed(api: Api) -> None:
    customer = await api.customer()
    shown = await set_method(api, customer, "pm_ok")
    assert shown["paymentMethod"] == {"provider": "SANDBOX", "token": "pm_ok"}
    shown = await set_method(api, customer, "pm_declined")
    assert shown["paymentMethod"]["token"] == "pm_declined"
    assert (await set_method(api, customer, None))["paymentMethod"] is None
    assert (await set_method(api, customer, None))["paymentMethod"] is None


@pytest.mark.parametrize(
    ("values", "code", "field", "words"),
    [
        ({"provider": "MANUAL"}, "INVALID_INPUT", ["provider"], "paymentRecord"),
        ({"token": " "}, "INVALID_INPUT", ["token"], "blank"),
        ({"token": "pm_other"}, "INVALID_INPUT", ["token"], "pm_recovers"),
        ({"token": "4242 4242 4242 4242"}, "INVALID_INPUT", ["token"], "a card's number"),
        ({"customerId": "cus_x"}, "NOT_FOUND", ["customerId"], "cus_x"),
    ],
)
async def test_what_cannot_be_a_method_is_refused(
    api: Api, values: Json, code: str, field: list[str], words: str
) -> None:
    customer = await api.customer()
    values = {"customerId": customer["id"], "provider": "SANDBOX", "token": "pm_ok", **values}
    error = await api.refused(
        "customerPaymentMethodSet", "customer { id }", code, field, words, **values
    )
    assert "4242" not in error["message"]
