"""Credit notes beside each other, and beside what else happens to their invoice: real commits."""

from decimal import Decimal

import pytest

from tests.concurrency.together import at_once
from tests.support import Api, Json

SHOWN = "creditNote { number total } invoice { id }"
READ = """query ($id: ID!) { invoice(id: $id) { status paymentStatus totalCredited amountRemaining
  creditNotes { number settlement total lineItems { amount } } customer { id } } }"""


async def read(api: Api, invoice: Json) -> Json:
    found: Json = (await api.query(READ, {"id": invoice["id"]}))["invoice"]
    return found


def note(invoice: Json, amount: str, settlement: str = "BALANCE") -> Json:
    lines = [{"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}]
    values = {"invoiceId": invoice["id"], "reason": "OTHER", "settlement": settlement}
    return {**values, "lineItems": lines}


@pytest.mark.parametrize("settlement", ["OFFSET", "BALANCE"])
async def test_two_at_once_never_exceed_the_line(api: Api, settlement: str) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", "90.00", finalize=True)
    values = note(invoice, "6.00", settlement)
    (won,), (error,) = await at_once(
        [api.mutate("creditNoteCreate", SHOWN, **values) for _ in range(2)]
    )
    assert won["creditNote"] == {"number": "ACM-CN-001", "total": "6.00"}
    assert error["code"] == "AMOUNT_OUT_OF_RANGE"
    assert error["field"] == ["lineItems", "0", "amount"]
    assert "At most 4.00 USD is left" in error["message"]
    assert len((await read(api, invoice))["creditNotes"]) == 1


@pytest.mark.parametrize("customers", [1, 4])
async def test_sixteen_at_once_are_numbered_1_to_16(api: Api, customers: int) -> None:
    invoices = [
        await api.one_off(await api.customer(f"c{n}"), "100.00", finalize=True)
        for n in range(customers)
    ]
    calls = [
        api.mutate("creditNoteCreate", SHOWN, **note(invoices[n % customers], "1.00"))
        for n in range(16)
    ]
    # These take no number.
    calls += [api.mutate("creditNoteCreate", SHOWN, **note(invoices[0], "101")) for _ in range(4)]
    done, errors = await at_once(calls)
    assert len(errors) == 4
    numbers = sorted(payload["creditNote"]["number"] for payload in done)
    assert numbers == [f"ACM-CN-{n:03}" for n in range(1, 17)]


async def test_of_many_offsets_no_more_is_taken_than_remains(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", finalize=True)
    values = note(invoice, "3.00", "OFFSET")
    done, errors = await at_once(
        [api.mutate("creditNoteCreate", SHOWN, **values) for _ in range(12)]
    )
    assert (len(done), len(errors)) == (3, 9)
    found = await read(api, invoice)
    assert (found["totalCredited"], found["amountRemaining"]) == ("9.00", "1.00")


@pytest.mark.parametrize("attempt", range(4))
async def test_an_invoice_is_credited_or_voided_never_both(api: Api, attempt: int) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", finalize=True)
    calls = [
        api.mutate("creditNoteCreate", SHOWN, **note(invoice, "5.00")),
        api.mutate("invoiceVoid", "invoice { status }", invoiceId=invoice["id"]),
    ]
    (won,), (error,) = await at_once(calls if attempt % 2 else calls[::-1])
    assert (error["__typename"], error["code"]) == ("InvoiceStateError", "INVALID_STATE")
    assert error["field"] == ["invoiceId"]
    found = await read(api, invoice)
    if "creditNote" in won:
        assert (error["status"], found["status"]) == ("FINALIZED", "FINALIZED")
        assert len(found["creditNotes"]) == 1
    else:
        assert (error["status"], found["status"]) == ("VOIDED", "VOIDED")
        assert found["creditNotes"] == []


@pytest.mark.parametrize("attempt", range(4))
async def test_what_is_settled_is_not_given_up(api: Api, attempt: int) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", finalize=True)
    calls = [
        api.mutate("creditNoteCreate", SHOWN, **note(invoice, "10.00", "OFFSET")),
        api.mutate("invoiceMarkUncollectible", "invoice { id }", invoiceId=invoice["id"]),
    ]
    done, errors = await at_once(calls if attempt % 2 else calls[::-1])
    assert len(done) + len(errors) == 2
    assert {(one["__typename"], one["status"]) for one in errors} <= {
        ("InvoiceStateError", "FINALIZED")
    }
    found = await read(api, invoice)
    assert (found["status"], found["paymentStatus"]) == ("FINALIZED", "PAID")
    assert sum(Decimal(one["total"]) for one in found["creditNotes"]) == 10


async def test_of_eight_with_one_idempotency_key_one_note_is_made(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", finalize=True)
    values = {**note(invoice, "5.00"), "idempotencyKey": "k"}
    done, errors = await at_once(
        [api.mutate("creditNoteCreate", f"{SHOWN} replayed", **values) for _ in range(8)]
    )
    assert errors == []
    assert {payload["creditNote"]["number"] for payload in done} == {"ACM-CN-001"}
    assert sorted(payload["replayed"] for payload in done) == [False] + [True] * 7


async def test_of_eight_that_give_up_one_invoice_one_succeeds(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00", finalize=True)
    done, errors = await at_once(
        [
            api.mutate("invoiceMarkUncollectible", "invoice { status }", invoiceId=invoice["id"])
            for _ in range(8)
        ]
    )
    assert done == [{"invoice": {"status": "UNCOLLECTIBLE"}, "userErrors": []}]
    assert {(one["__typename"], one["status"]) for one in errors} == {
        ("InvoiceStateError", "UNCOLLECTIBLE")
    }
