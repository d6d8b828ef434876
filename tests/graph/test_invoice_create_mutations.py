"""invoiceCreate."""

import pytest

from tests.support import Api, Json

LINE = "id type name description quantity unitAmount amount total currency periodStart periodEnd"
FIELDS = f"""id number invoiceType status paymentStatus billingReason currency subtotal
  totalDiscount totalTax total amountDue amountPaid amountRemaining issueDate dueDate memo metadata
  createdAt updatedAt finalizedAt paidAt voidedAt periodStart subscription {{ id }}
  customer {{ externalId }}
  lineItems {{ {LINE} pricingSteps {{ description quantity unitAmount flatAmount amount }} }}"""
INVOICE = f"invoice {{ {FIELDS} }} replayed"


async def read(api: Api, invoice: Json) -> Json:
    data = await api.query(
        f"query ($id: ID!) {{ invoice(id: $id) {{ {FIELDS} }} }}", {"id": invoice["id"]}
    )
    found: Json = data["invoice"]
    return found


@pytest.fixture
async def base(api: Api) -> Json:
    customer = await api.customer()
    return {"customerId": customer["id"], "lineItems": [{"name": "Setup", "amount": "10"}]}


async def test_a_draft_is_stored_with_all_that_was_said(api: Api) -> None:
    await api.customer()
    payload = await api.done(
        "invoiceCreate",
        INVOICE,
        externalCustomerId="acme",
        currency="USD",
        dueDate="2026-02-15",
        memo="Thank you",
        metadata={"po": "4711", "rush": True},
        lineItems=[
            {
                "name": "Seats",
                "description": "of January",
                "quantity": "2.5",
                "unitAmount": "0.333",
                "periodStart": "2026-01-01T00:00:00+01:00",
                "periodEnd": "2026-02-01T00:00:00Z",
            },
            {"name": "Setup", "amount": "100"},
            {"name": "Hours", "quantity": "3", "amount": "100.5"},
        ],
    )
    invoice = payload["invoice"]
    assert payload["replayed"] is False
    assert await read(api, invoice) == invoice
    assert invoice["id"].startswith("inv_")
    lines = invoice.pop("lineItems")
    now = "2026-01-01T00:00:00Z"
    assert invoice == {
        "id": invoice["id"],
        "number": None,
        "invoiceType": "ONE_TIME",
        "status": "DRAFT",
        "paymentStatus": "PENDING",
        "billingReason": "MANUAL",
        "currency": "USD",
        "subtotal": "201.33",
        "totalDiscount": "0.00",
        "totalTax": "0.00",
        "total": "201.33",
        "amountDue": "201.33",
        "amountPaid": "0.00",
        "amountRemaining": "201.33",
        "issueDate": None,
        "dueDate": "2026-02-15",
        "memo": "Thank you",
        "metadata": {"po": "4711", "rush": True},
        "createdAt": now,
        "updatedAt": now,
        "finalizedAt": None,
        "paidAt": None,
        "voidedAt": None,
        "periodStart": None,
        "subscription": None,
        "customer": {"externalId": "acme"},
    }
    seats, setup, hours = lines
    assert (seats["type"], seats["name"], seats["description"]) == ("MANUAL", "Seats", "of January")
    assert (seats["quantity"], seats["unitAmount"]) == ("2.5", "0.333")
    assert seats["amount"] == seats["total"] == "0.83"
    assert seats["periodStart"] == "2025-12-31T23:00:00Z"
    assert [step["amount"] for step in seats["pricingSteps"]] == ["0.8325"]
    assert (setup["quantity"], setup["unitAmount"], setup["amount"]) == ("1", "100", "100.00")
    assert (hours["quantity"], hours["unitAmount"], hours["amount"]) == ("3", None, "100.50")
    assert setup["periodStart"] is None


@pytest.mark.parametrize(
    ("currency", "amount", "unit_amount", "shown", "product"),
    [
        ("USD", "12.5", "0.005", "12.50", "0.01"),
        ("JPY", "1200", "0.5", "1200", "1"),
        ("KWD", "1.25", "0.0005", "1.250", "0.001"),
    ],
)
async def test_amounts_show_the_currencys_decimals_and_round_once_half_up(
    api: Api, currency: str, amount: str, unit_amount: str, shown: str, product: str
) -> None:
    customer = await api.customer("acme", currency=currency)
    payload = await api.done(
        "invoiceCreate",
        INVOICE,
        customerId=customer["id"],
        lineItems=[
            {"name": "Whole", "amount": amount},
            {"name": "By unit", "unitAmount": unit_amount},
            {"name": "Free", "amount": "0"},
        ],
        finalize=True,
    )
    invoice = await read(api, payload["invoice"])
    assert [line["amount"] for line in invoice["lineItems"][:2]] == [shown, product]
    decimals = len(shown.partition(".")[2])
    for name in ("subtotal", "total", "totalTax", "amountDue", "amountPaid", "amountRemaining"):
        assert len(invoice[name].partition(".")[2]) == decimals
    assert len(invoice["lineItems"][2]["amount"].partition(".")[2]) == decimals
    assert invoice["currency"] == currency


@pytest.mark.parametrize(
    ("currency", "amount", "words"),
    [
        ("USD", "10.005", "USD has 2 decimals"),
        ("JPY", "10.5", "JPY has 0 decimals"),
        ("KWD", "10.0005", "KWD has 3 decimals"),
    ],
)
async def test_an_amount_with_more_decimals_than_its_currency_is_refused(
    api: Api, currency: str, amount: str, words: str
) -> None:
    customer = await api.customer("acme", currency=currency)
    field = ["lineItems", "1", "amount"]
    lines = [{"name": "Good", "amount": "1"}, {"name": "Bad", "amount": amount}]
    values = {"customerId": customer["id"], "lineItems": lines}
    await api.refused("invoiceCreate", INVOICE, "AMOUNT_OUT_OF_RANGE", field, words, **values)
    lines[1]["amount"] = amount[:-1] + "0"
    await api.done("invoiceCreate", INVOICE, **values)


BAD_LINES = [
    ({"name": ""}, "INVALID_INPUT", ["name"], "blank"),
    ({"name": "x" * 256}, "INVALID_INPUT", ["name"], "255 characters"),
    ({"description": " "}, "INVALID_INPUT", ["description"], "blank"),
    ({"description": "x" * 5001}, "INVALID_INPUT", ["description"], "5000 characters"),
    ({"amount": "-0.01"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "not be negative: -0.01"),
    ({"amount": "1000000000000000"}, "AMOUNT_OUT_OF_RANGE", ["amount"], "below 10^15"),
    ({"amount": None}, "INVALID_INPUT", ["amount"], "either unitAmount or amount"),
    ({"unitAmount": "10"}, "INVALID_INPUT", ["amount"], "either unitAmount or amount"),
    (
        {"amount": None, "unitAmount": "-1"},
        "AMOUNT_OUT_OF_RANGE",
        ["unitAmount"],
        "not be negative",
    ),
    (
        {"amount": None, "unitAmount": "0.0000000000001"},
        "AMOUNT_OUT_OF_RANGE",
        ["unitAmount"],
        "at most 12 decimals",
    ),
    (
        {"amount": None, "unitAmount": "100000000", "quantity": "10000000"},
        "AMOUNT_OUT_OF_RANGE",
        [],
        "below 1000000000000000 USD",
    ),
    ({"quantity": "0"}, "AMOUNT_OUT_OF_RANGE", ["quantity"], "above zero"),
    ({"quantity": "-1"}, "AMOUNT_OUT_OF_RANGE", ["quantity"], "above zero: -1"),
    ({"quantity": "0.0000000000001"}, "AMOUNT_OUT_OF_RANGE", ["quantity"], "12 decimals"),
    (
        {"periodStart": "2026-01-01T00:00:00Z"},
        "INVALID_INPUT",
        ["periodStart"],
        "both periodStart and periodEnd",
    ),
    (
        {"periodStart": "2026-01-01T00:00:00Z", "periodEnd": "2026-01-01T00:00:00Z"},
        "INVALID_INPUT",
        ["periodEnd"],
        "end after it starts",
    ),
    (
        {"periodStart": "1969-01-01T00:00:00Z", "periodEnd": "2026-01-01T00:00:00Z"},
        "INVALID_INPUT",
        ["periodStart"],
        "1970 to 2199",
    ),
]
"""A change of a good line, and the refusal with its path below the line."""


@pytest.mark.parametrize(("change", "code", "field", "words"), BAD_LINES)
async def test_a_bad_line_is_refused_at_its_place(
    api: Api, base: Json, change: Json, code: str, field: list[str], words: str
) -> None:
    good = {"name": "Setup", "amount": "10"}
    lines = [good, {**good, **change}]
    at = ["lineItems", "1", *field]
    await api.refused("invoiceCreate", INVOICE, code, at, words, **{**base, "lineItems": lines})
    await api.done("invoiceCreate", INVOICE, **{**base, "lineItems": [good, good]})


BIG = {"name": "Big", "amount": "999999999999999"}


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"customerId": "cus_x"}, "NOT_FOUND", ["customerId"], "no customer 'cus_x'"),
        (
            {"customerId": None, "externalCustomerId": "nobody"},
            "NOT_FOUND",
            ["externalCustomerId"],
            "no customer 'nobody'",
        ),
        ({"externalCustomerId": "acme"}, "INVALID_INPUT", ["externalCustomerId"], "exactly one"),
        ({"customerId": None}, "INVALID_INPUT", ["externalCustomerId"], "exactly one"),
        ({"currency": "EUR"}, "CURRENCY_MISMATCH", ["currency"], "billed in USD, not EUR"),
        ({"lineItems": []}, "INVALID_INPUT", ["lineItems"], "1 to 250 lines, not 0"),
        (
            {"lineItems": [{"name": "x", "amount": "1"}] * 251},
            "TOO_MANY_ITEMS",
            ["lineItems"],
            "1 to 250 lines, not 251",
        ),
        ({"lineItems": [BIG, BIG]}, "AMOUNT_OUT_OF_RANGE", ["lineItems"], "stay below 10000"),
        ({"memo": ""}, "INVALID_INPUT", ["memo"], "blank"),
        ({"memo": "m" * 5001}, "INVALID_INPUT", ["memo"], "5000 characters"),
        ({"metadata": []}, "INVALID_INPUT", ["metadata"], "Must be an object"),
        ({"metadata": {"a": {}}}, "INVALID_INPUT", ["metadata", "a"], "a text, a number"),
    ],
)
@pytest.mark.parametrize("finalize", [False, True])
async def test_a_bad_invoice_is_refused(
    api: Api, base: Json, change: Json, code: str, field: list[str], words: str, finalize: bool
) -> None:
    values = {**base, **change, "finalize": finalize}
    await api.refused("invoiceCreate", INVOICE, code, field, words, **values)
    payload = await api.done("invoiceCreate", INVOICE, **base, finalize=True)
    assert payload["invoice"]["number"] == "ACM-001-001"


async def test_finalize_at_once_makes_a_finalized_invoice(api: Api, base: Json) -> None:
    payload = await api.done("invoiceCreate", INVOICE, **base, finalize=True)
    invoice = await read(api, payload["invoice"])
    assert invoice == payload["invoice"]
    assert (invoice["status"], invoice["number"]) == ("FINALIZED", "ACM-001-001")
    assert (invoice["issueDate"], invoice["dueDate"]) == ("2026-01-01", "2026-01-31")
    assert (invoice["paymentStatus"], invoice["amountRemaining"]) == ("PENDING", "10.00")
    assert (invoice["finalizedAt"], invoice["paidAt"]) == ("2026-01-01T00:00:00Z", None)


async def test_nothing_to_pay_is_paid_at_once(api: Api) -> None:
    customer = await api.customer()
    free = {"customerId": customer["id"], "lineItems": [{"name": "Free", "amount": "0"}]}
    draft = (await api.done("invoiceCreate", INVOICE, **free))["invoice"]
    assert (draft["paymentStatus"], draft["paidAt"]) == ("PENDING", None)
    invoice = (await api.done("invoiceCreate", INVOICE, **free, finalize=True))["invoice"]
    assert (invoice["paymentStatus"], invoice["paidAt"]) == ("PAID", "2026-01-01T00:00:00Z")
    assert (invoice["total"], invoice["amountRemaining"]) == ("0.00", "0.00")


async def test_said_twice_without_a_key_it_makes_two(api: Api, base: Json) -> None:
    first, second = [
        (await api.done("invoiceCreate", INVOICE, **base))["invoice"] for _ in range(2)
    ]
    assert first["id"] != second["id"]
    assert len(await api.invoices()) == 2


async def test_as_many_lines_as_allowed_keep_their_order(api: Api, base: Json) -> None:
    lines = [{"name": f"Line {n}", "amount": str(n)} for n in range(250)]
    payload = await api.done("invoiceCreate", INVOICE, **{**base, "lineItems": lines})
    invoice = await read(api, payload["invoice"])
    assert [line["name"] for line in invoice["lineItems"]] == [line["name"] for line in lines]
    assert invoice["total"] == f"{sum(range(250))}.00"
