"""Credit notes: what they give back, of what, and where it goes."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from billing_gql.catalog.create_coupon import create_coupon
from billing_gql.catalog.create_tax_rate import create_tax_rate
from billing_gql.catalog.tables import CouponDuration
from billing_gql.invoices.apply_coupon import apply_coupon
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.adjust_balance import adjust_balance
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from tests.graph.shop import change, fee_plan, subscribed
from tests.support import Api, Json, counted, new_organization

NOTE = """creditNote { id number reason settlement currency subtotal totalTax total createdAt
  invoice { id } lineItems { currency amount taxAmount lineItem { id name } } }"""
INVOICE = """invoice { id status paymentStatus availableActions subtotal totalDiscount totalTax
  total totalCredited amountDue amountPaid amountRemaining isOverdue paidAt
  lineItems { id name amount discountAmount taxAmount }
  creditNotes { id number total } }"""
SHOWN = f"{NOTE} {INVOICE}"

OWED = ["UPDATE", "MARK_UNCOLLECTIBLE", "RECORD_PAYMENT"]


async def acting(api: Api, session: Any) -> Actor:
    organization = await session.get(Organization, api.organization_id)
    assert organization is not None
    return actor_of(organization)


async def tax(api: Api, percentage: str) -> None:
    """A tax that is on every line."""
    async with api.database.transaction() as session:
        await create_tax_rate(
            session,
            await acting(api, session),
            code="vat",
            name="VAT",
            percentage=Decimal(percentage),
            is_default=True,
        )


async def discount(api: Api, invoice: Json, percent: str) -> None:
    """Percent off a draft."""
    async with api.database.transaction() as session:
        actor = await acting(api, session)
        coupon = await create_coupon(
            session,
            actor,
            code="off",
            name="Off",
            percent_off=Decimal(percent),
            amount_off=None,
            currency=None,
            duration=CouponDuration.ONCE,
            duration_invoices=None,
        )
        await apply_coupon(session, actor, coupon_id=coupon.id, invoice_id=invoice["id"])


async def pay(api: Api, invoice: Json, amount: str) -> None:
    """What a payment leaves on the invoice."""
    async with api.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE invoices SET amount_paid = CAST(:amount AS numeric) WHERE id = :id"),
            {"amount": amount, "id": invoice["id"]},
        )


async def balance(api: Api) -> list[tuple[str, str, str]]:
    """The movements of the customers' balances: reason, amount, the invoice that they name."""
    async with api.database.engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT reason, amount::text, invoice_id FROM ledger_entries"
                " WHERE organization_id = :id AND kind = 'BALANCE' ORDER BY sequence"
            ),
            {"id": api.organization_id},
        )
        return [tuple(row) for row in found]


async def read(api: Api, invoice: Json) -> Json:
    data = await api.query(
        f"query ($id: ID!) {{ {INVOICE.replace('{', '(id: $id) {', 1)} }}", {"id": invoice["id"]}
    )
    found: Json = data["invoice"]
    return found


async def billed(api: Api, *amounts: str, currency: str = "USD") -> Json:
    """A finalized invoice with a line an amount."""
    customer = await api.customer(currency=currency)
    invoice = await api.one_off(customer, *amounts, finalize=True)
    return await read(api, invoice)


def crediting(invoice: Json, *amounts: str | None, settlement: str = "OFFSET") -> Json:
    """An input that credits the invoice's lines by these amounts; None leaves a line out."""
    lines = zip(invoice["lineItems"], amounts, strict=False)
    return {
        "invoiceId": invoice["id"],
        "reason": "ORDER_CHANGE",
        "settlement": settlement,
        "lineItems": [
            {"lineItemId": line["id"], "amount": amount} for line, amount in lines if amount
        ],
    }


async def credit(api: Api, invoice: Json, *amounts: str | None, settlement: str = "OFFSET") -> Json:
    return await api.done(
        "creditNoteCreate", SHOWN, **crediting(invoice, *amounts, settlement=settlement)
    )


async def test_a_note_says_what_it_gives_back_and_the_invoice_shows_it(
    api: Api, other: Api
) -> None:
    await tax(api, "8.25")
    invoice = await billed(api, "80.00", "20.00")
    assert (invoice["total"], invoice["creditNotes"]) == ("108.25", [])
    elsewhere = await other.stored()
    await api.advance("2026-01-07T00:00:00Z")
    payload = await credit(api, invoice, "40.00", "5.00")
    first, second = invoice["lineItems"]
    note = payload["creditNote"]
    assert note == {
        "id": note["id"],
        "number": "ACM-CN-001",
        "reason": "ORDER_CHANGE",
        "settlement": "OFFSET",
        "currency": "USD",
        "subtotal": "45.00",
        "totalTax": "3.71",
        "total": "48.71",
        "createdAt": "2026-01-07T00:00:00Z",
        "invoice": {"id": invoice["id"]},
        "lineItems": [
            {
                "currency": "USD",
                "amount": "40.00",
                "taxAmount": "3.30",
                "lineItem": {"id": first["id"], "name": "Line 1"},
            },
            {
                "currency": "USD",
                "amount": "5.00",
                "taxAmount": "0.41",
                "lineItem": {"id": second["id"], "name": "Line 2"},
            },
        ],
    }
    assert note["id"].startswith("crn_")
    wanted = {
        **invoice,
        "availableActions": [*OWED, "CREDIT", "DOWNLOAD"],
        "totalCredited": "48.71",
        "amountDue": "59.54",
        "amountRemaining": "59.54",
        "creditNotes": [{key: note[key] for key in ("id", "number", "total")}],
    }
    assert payload["invoice"] == await read(api, invoice) == wanted
    node = "query ($id: ID!) { node(id: $id) { __typename ... on CreditNote { number } } }"
    found = (await api.query(node, {"id": note["id"]}))["node"]
    assert found == {"__typename": "CreditNote", "number": "ACM-CN-001"}
    assert (await other.query(node, {"id": note["id"]}))["node"] is None
    assert await other.stored() == elsewhere


async def test_what_settles_the_invoice_pays_it(api: Api) -> None:
    invoice = await billed(api, "10.00")
    await pay(api, invoice, "4.00")
    await api.advance("2026-02-05T00:00:00Z")
    payload = await credit(api, invoice, "6.00")
    found = payload["invoice"]
    assert (found["status"], found["paymentStatus"]) == ("FINALIZED", "PAID")
    assert (found["amountDue"], found["amountRemaining"]) == ("4.00", "0.00")
    assert (found["paidAt"], found["isOverdue"]) == ("2026-02-05T00:00:00Z", False)
    assert found["availableActions"] == ["UPDATE", "RECORD_PAYMENT", "CREDIT", "DOWNLOAD"]


async def test_an_invoice_that_was_given_up_is_finalized_again_once_settled(api: Api) -> None:
    invoice = await billed(api, "10.00")
    await api.done("invoiceMarkUncollectible", INVOICE, invoiceId=invoice["id"])
    found = (await credit(api, invoice, "9.99"))["invoice"]
    assert (found["status"], found["paidAt"]) == ("UNCOLLECTIBLE", None)
    found = (await credit(api, invoice, "0.01"))["invoice"]
    assert (found["status"], found["paymentStatus"]) == ("FINALIZED", "PAID")
    assert found["paidAt"] == "2026-01-01T00:00:00Z"


async def test_a_note_to_the_balance_raises_it_and_the_invoice_stays_owed(api: Api) -> None:
    await tax(api, "10")
    invoice = await billed(api, "100.00")
    payload = await credit(api, invoice, "30.00", settlement="BALANCE")
    assert payload["creditNote"]["total"] == "33.00"
    assert await balance(api) == [("CREDIT_NOTE", "33.00", invoice["id"])]
    found = payload["invoice"]
    assert (found["totalCredited"], found["amountRemaining"]) == ("0.00", "110.00")
    assert found["availableActions"] == [*OWED, "CREDIT", "DOWNLOAD"]
    customer = {
        "id": (await api.query('{ customer(externalId: "acme") { id } }'))["customer"]["id"]
    }
    following = await api.one_off(customer, "40.00", finalize=True)
    assert (following["total"], following["amountDue"]) == ("44.00", "11.00")


async def test_a_refund_is_of_what_was_paid_and_not_yet_refunded(api: Api) -> None:
    invoice = await billed(api, "50.00", "50.00")
    await pay(api, invoice, "60.00")
    found = (await credit(api, invoice, "50.00", settlement="REFUND"))["invoice"]
    assert (found["amountPaid"], found["amountRemaining"]) == ("60.00", "40.00")
    assert found["totalCredited"] == "0.00"
    await api.refused(
        "creditNoteCreate",
        SHOWN,
        "AMOUNT_OUT_OF_RANGE",
        ["settlement"],
        "Only 10.00 USD was paid and not refunded; the note comes to 10.01",
        **crediting(invoice, None, "10.01", settlement="REFUND"),
    )
    await credit(api, invoice, None, "10.00", settlement="REFUND")
    await credit(api, invoice, None, "40.00", settlement="OFFSET")
    found = await read(api, invoice)
    assert (found["paymentStatus"], found["amountDue"]) == ("PAID", "60.00")
    assert found["availableActions"] == ["UPDATE", "RECORD_PAYMENT", "DOWNLOAD"]
    assert await balance(api) == []


async def test_an_offset_is_at_most_what_remains_with_its_tax(api: Api) -> None:
    await tax(api, "10")
    invoice = await billed(api, "100.00")
    await pay(api, invoice, "60.00")
    await api.refused(
        "creditNoteCreate",
        SHOWN,
        "AMOUNT_OUT_OF_RANGE",
        ["settlement"],
        "Only 50.00 USD remains to be paid; the note comes to 50.01 with tax",
        **crediting(invoice, "45.46"),
    )
    found = (await credit(api, invoice, "45.45"))["invoice"]
    assert (found["amountRemaining"], found["totalCredited"]) == ("0.00", "50.00")


BAD_LINES = [
    ("80.01", "At most 80.00 USD is left to credit of this line"),
    ("0", "Must not be zero"),
    ("-1", "Must be above zero"),
    ("0.001", "USD has 2 decimals"),
    ("1000000000000000", "Must be below 10^15"),
]


@pytest.mark.parametrize(("amount", "words"), BAD_LINES)
async def test_a_bad_amount_is_refused_at_its_line(api: Api, amount: str, words: str) -> None:
    invoice = await billed(api, "20.00", "80.00")
    values = crediting(invoice, "20.00", amount)
    at = ["lineItems", "1", "amount"]
    await api.refused("creditNoteCreate", SHOWN, "AMOUNT_OUT_OF_RANGE", at, words, **values)


async def test_lines_are_of_this_invoice_each_once_and_at_least_one(api: Api) -> None:
    invoice = await billed(api, "20.00", "80.00")
    customer = {
        "id": (await api.query('{ customer(externalId: "acme") { id } }'))["customer"]["id"]
    }
    neighbour = await api.one_off(customer, "5.00", finalize=True)
    values = crediting(invoice, "1.00", "1.00")
    first, second = values["lineItems"]
    name = "creditNoteCreate"
    foreign = {"lineItemId": neighbour["lineItems"][0]["id"], "amount": "1.00"}
    for lines, code, at, words in (
        ([], "INVALID_INPUT", ["lineItems"], "at least one line"),
        ([first, second, first], "INVALID_INPUT", ["lineItems", "2", "lineItemId"], "once"),
        ([first, foreign], "NOT_FOUND", ["lineItems", "1", "lineItemId"], "has no line 'lin_"),
    ):
        await api.refused(name, SHOWN, code, at, words, **{**values, "lineItems": lines})


async def test_what_is_left_of_a_line_shrinks_with_every_note(api: Api) -> None:
    invoice = await billed(api, "10.00", "5.00")
    await credit(api, invoice, "7.00", settlement="BALANCE")
    values = crediting(invoice, "3.01")
    words = "At most 3.00 USD is left to credit of this line, not 3.01"
    at = ["lineItems", "0", "amount"]
    await api.refused("creditNoteCreate", SHOWN, "AMOUNT_OUT_OF_RANGE", at, words, **values)
    await credit(api, invoice, "3.00", "5.00")
    error = await api.refused(
        "creditNoteCreate",
        SHOWN,
        "INVALID_STATE",
        ["invoiceId"],
        "Cannot credit: the invoice is FINALIZED",
        **crediting(invoice, "0.01"),
    )
    assert error["__typename"] == "InvoiceStateError"


async def test_a_balance_stays_within_bounds(api: Api) -> None:
    invoice = await billed(api, "100.00")
    customer = (await api.query('{ customer(externalId: "acme") { id } }'))["customer"]["id"]
    async with api.database.transaction() as session:
        actor = await acting(api, session)
        await adjust_balance(session, actor, customer, Decimal("999999999999950.00"))
    values = crediting(invoice, "50.00", settlement="BALANCE")
    words = "The balance must stay below 1000000000000000 USD"
    await api.refused(
        "creditNoteCreate", SHOWN, "AMOUNT_OUT_OF_RANGE", ["settlement"], words, **values
    )
    await credit(api, invoice, "49.99", settlement="BALANCE")


@pytest.mark.parametrize(
    ("currency", "amounts", "steps", "total"),
    [
        ("USD", ("80.00", "20.00", "0.05"), 7, "81.23"),
        ("JPY", ("1000", "333", "1"), 5, "1083"),
        ("KWD", ("10.001", "0.003", "5.555"), 3, "12.632"),
    ],
)
async def test_crediting_everything_nets_to_zero(
    api: Api, currency: str, amounts: tuple[str, ...], steps: int, total: str
) -> None:
    await tax(api, "8.25")
    draft = await api.one_off(await api.customer(currency=currency), *amounts)
    await discount(api, draft, "25")
    await api.done("invoiceFinalize", "invoice { id }", invoiceId=draft["id"])
    invoice = await read(api, draft)
    assert invoice["total"] == total
    assert Decimal(invoice["totalDiscount"]) > 0
    for line in invoice["lineItems"]:
        left = Decimal(line["amount"]) - Decimal(line["discountAmount"])
        part = (left / steps).quantize(left) or left
        while left > 0:
            amount = min(left, part)
            left -= amount
            lines = [{"lineItemId": line["id"], "amount": str(amount)}]
            values = {**crediting(invoice), "lineItems": lines}
            await api.done("creditNoteCreate", SHOWN, **values)
    found = await read(api, invoice)
    nothing = str(Decimal(total) - Decimal(total))
    assert (found["amountDue"], found["amountRemaining"]) == (nothing, nothing)
    assert (found["totalCredited"], found["paymentStatus"]) == (total, "PAID")
    assert found["availableActions"] == ["UPDATE", "RECORD_PAYMENT", "DOWNLOAD"]
    notes = found["creditNotes"]
    assert sum(Decimal(note["total"]) for note in notes) == Decimal(total)
    assert [note["number"] for note in notes] == [
        f"ACM-CN-{n:03}" for n in range(1, len(notes) + 1)
    ]


async def test_a_negative_line_lowers_what_may_be_given_back(api: Api) -> None:
    await tax(api, "10")
    small, large = await fee_plan(api, "small", "31"), await fee_plan(api, "large", "62")
    subscription_id = await subscribed(api, small)
    await api.advance("2026-01-16T12:00:00Z")
    await change(api, subscription_id, large)
    found = await api.invoices("id billingReason", "FINALIZED")
    (invoice,) = [one for one in found if one["billingReason"] == "SUBSCRIPTION_UPDATE"]
    invoice = await read(api, invoice)
    fee, back = sorted(invoice["lineItems"], key=lambda line: -Decimal(line["amount"]))
    assert (fee["amount"], back["amount"]) == ("32.00", "-16.00")
    assert (fee["taxAmount"], back["taxAmount"], invoice["total"]) == ("1.60", "0.00", "17.60")
    values = {**crediting(invoice), "settlement": "OFFSET"}
    for line, amount, left in ((fee, "16.01", "16.00"), (back, "0.01", "0.00")):
        values["lineItems"] = [{"lineItemId": line["id"], "amount": amount}]
        at = ["lineItems", "0", "amount"]
        words = f"At most {left} USD is left"
        await api.refused("creditNoteCreate", SHOWN, "AMOUNT_OUT_OF_RANGE", at, words, **values)
    values["lineItems"] = [{"lineItemId": fee["id"], "amount": "16.00"}]
    payload = await api.done("creditNoteCreate", SHOWN, **values)
    assert payload["creditNote"]["total"] == "17.60"
    assert payload["invoice"]["paymentStatus"] == "PAID"


async def test_numbers_are_of_one_series_in_an_organization(api: Api, other: Api) -> None:
    invoice = await billed(api, "10.00")
    neighbour = await api.one_off(await api.customer("globex"), "10.00", finalize=True)
    elsewhere = await billed(other, "10.00")
    numbers = [
        (await credit(api, invoice, "1.00"))["creditNote"]["number"],
        (await credit(api, neighbour, "1.00"))["creditNote"]["number"],
        (await credit(other, elsewhere, "1.00"))["creditNote"]["number"],
    ]
    values = crediting(invoice, "100.00")
    payload = await api.mutate("creditNoteCreate", SHOWN, **values)
    assert payload["userErrors"]
    numbers.append((await credit(api, invoice, "1.00"))["creditNote"]["number"])
    assert numbers == ["ACM-CN-001", "ACM-CN-002", "OTH-CN-001", "ACM-CN-003"]


async def test_giving_up_keeps_all_that_the_invoice_says(api: Api) -> None:
    invoice = await billed(api, "10.00")
    payload = await api.done("invoiceMarkUncollectible", INVOICE, invoiceId=invoice["id"])
    wanted = {
        **invoice,
        "status": "UNCOLLECTIBLE",
        "availableActions": ["UPDATE", "VOID", "RECORD_PAYMENT", "CREDIT", "DOWNLOAD"],
    }
    assert payload["invoice"] == await read(api, invoice) == wanted
    (listed,) = (await api.query("{ invoices { nodes { id } } }"))["invoices"]["nodes"]
    assert listed == {"id": invoice["id"]}
    error = await api.refused(
        "invoiceMarkUncollectible",
        INVOICE,
        "INVALID_STATE",
        ["invoiceId"],
        "Cannot mark uncollectible: the invoice is UNCOLLECTIBLE",
        invoiceId=invoice["id"],
    )
    assert error["availableActions"] == ["UPDATE", "VOID", "RECORD_PAYMENT", "CREDIT", "DOWNLOAD"]
    voided = (await api.done("invoiceVoid", INVOICE, invoiceId=invoice["id"]))["invoice"]
    assert (voided["status"], voided["amountRemaining"]) == ("VOIDED", "0.00")


NESTED = """query ($first: Int!) { invoices(first: $first) { nodes {
  id creditNotes { total invoice { id } lineItems { amount lineItem { id invoice { id } } } }
} } }"""


async def test_thirty_invoices_with_notes_take_as_many_statements_as_one(api: Api) -> None:
    company = await new_organization(api.http, api.database)
    customer = await company.customer()
    for _ in range(30):
        invoice = await company.one_off(customer, "10.00", "5.00", finalize=True)
        await credit(company, invoice, "1.00", "2.00")
        await credit(company, invoice, None, "3.00", settlement="BALANCE")
    taken = []
    for first in (1, 30):
        with counted(company.database) as statements:
            nodes = (await company.query(NESTED, {"first": first}))["invoices"]["nodes"]
        taken.append(len(statements))
        assert len(nodes) == first
        for node in nodes:
            assert [note["total"] for note in node["creditNotes"]] == ["3.00", "3.00"]
            lines = [line for note in node["creditNotes"] for line in note["lineItems"]]
            assert [line["amount"] for line in lines] == ["1.00", "2.00", "3.00"]
            assert {line["lineItem"]["invoice"]["id"] for line in lines} == {node["id"]}
    assert taken[0] == taken[1] <= 10, taken
