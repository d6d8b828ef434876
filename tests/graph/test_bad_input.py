"""Bad input: a clear message at the argument's place, and nothing stored."""

import json
from base64 import urlsafe_b64encode

import pytest

from tests.support import Api, Json

INVOICE = """mutation ($input: InvoiceCreateInput!) {
  invoiceCreate(input: $input) { invoice { id } userErrors { code message field } } }"""
PLAN = """mutation ($input: PlanCreateInput!) {
  planCreate(input: $input) { plan { id } userErrors { code message field } } }"""
STORED = """{ organization { name } plans { totalCount }
  customers { totalCount nodes { externalId } }
  invoices(filter: {statuses: [DRAFT, FINALIZED, VOIDED]}) { totalCount } }"""
DECIMAL = 'A Decimal is a string of digits, like "12.50".'
DATE_TIME = "A DateTime has a date, a time and an offset: 2026-01-31T12:00:00Z."


async def raw(api: Api, query: str, variables: str = "{}") -> Json:
    """The answer to variables written as JSON, so that any number can be sent."""
    body = f'{{"query": {json.dumps(query)}, "variables": {variables}}}'
    headers = {**api.headers, "Content-Type": "application/json"}
    response = await api.http.post("/graphql", content=body.encode(), headers=headers)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    answer: Json = response.json()
    return answer


def only_error(answer: Json, code: str = "BAD_REQUEST") -> Json:
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == code, error
    found: Json = error
    return found


def refused_argument(answer: Json) -> Json:
    """The error of a query's argument: its message, path and kind."""
    error = only_error(answer, "BAD_USER_INPUT")
    return {"message": error["message"], **error["extensions"]}


def amount(value: str) -> str:
    line = f'{{"name": "x", "amount": {value}}}'
    return f'{{"input": {{"externalCustomerId": "acme", "lineItems": [{line}]}}}}'


NO_DECIMALS = [
    *("1", "1.5", "1e400", "-0.0", "true", "[]", "{}", '"NaN"', '"Infinity"', '"-Infinity"'),
    *('"1e400"', '"1e5"', '"1E5"', '"1."', '".5"', '"+1"', '" 1"', '"1\\n"', '"1,5"', '"1_0"'),
    *('""', '"0x1F"', '"٣"', f'"{"1" * 31}"', f'"0.{"1" * 31}"', f'"{"9" * 5_000}"'),
]


@pytest.mark.parametrize("value", NO_DECIMALS)
async def test_a_decimal_is_a_string_of_digits(api: Api, value: str) -> None:
    await api.customer()
    message = only_error(await raw(api, INVOICE, amount(value)))["message"]
    assert message.startswith("Variable '$input' has invalid value at .lineItems[0].amount: ")
    assert DECIMAL in message
    assert (await api.query(STORED))["invoices"]["totalCount"] == 0


@pytest.mark.parametrize("value", ["1", "1.5", '"1e5"', '"NaN"', "true", "[]"])
async def test_a_decimal_in_the_query_itself_is_a_string_too(api: Api, value: str) -> None:
    error = only_error(
        await raw(api, f"{{ invoices(filter: {{totalFrom: {value}}}) {{ totalCount }} }}")
    )
    assert DECIMAL in error["message"]
    assert error["locations"][0]["column"] == len("{ invoices(filter: {totalFrom: ") + 1


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('"-0.01"', "AMOUNT_OUT_OF_RANGE"),
        ('"0.0000000000001"', "AMOUNT_OUT_OF_RANGE"),
        ('"1000000000000000"', "AMOUNT_OUT_OF_RANGE"),
        ("null", "INVALID_INPUT"),
    ],
)
async def test_a_decimal_out_of_range_is_a_user_error(api: Api, value: str, code: str) -> None:
    await api.customer()
    payload = (await raw(api, INVOICE, amount(value)))["data"]["invoiceCreate"]
    assert payload["invoice"] is None
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == (code, ["lineItems", "0", "amount"])
    assert error["message"]
    assert (await api.query(STORED))["invoices"]["totalCount"] == 0


USAGE = """query ($at: DateTime!) { customer(externalId: "acme") {
  usage(periodStart: $at, periodEnd: "2026-02-01T00:00:00Z") { quantity } } }"""


NO_INSTANTS = [
    *("2026-01-01T00:00:00", "2026-01-01", "2026-01-01Z", "2026-13-01T00:00:00Z", "2026-W01"),
    *("2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "yesterday", "", 1_767_225_600, True, []),
]


@pytest.mark.parametrize("value", NO_INSTANTS)
async def test_an_instant_needs_a_date_a_time_and_an_offset(api: Api, value: object) -> None:
    error = only_error(await api.post(USAGE, {"at": value}))
    assert error["message"].startswith("Variable '$at' has invalid value: ")
    assert DATE_TIME in error["message"]


@pytest.mark.parametrize(
    "value",
    [
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
async def test_an_instant_out_of_range_is_refused_at_its_argument(api: Api, value: str) -> None:
    await api.customer()
    assert refused_argument(await api.post(USAGE, {"at": value})) == {
        "message": "Must lie in the years 1970 to 2199.",
        "code": "BAD_USER_INPUT",
        "argument": ["periodStart"],
        "problem": "INVALID_INPUT",
    }


PLAN_INPUT: Json = {"key": "p", "name": "p", "currency": "USD", "billingPeriod": "MONTHLY"}
FLAT, PER_UNIT = {"amount": "1"}, {"unitAmount": "1"}


def plan(**values: object) -> Json:
    return {"input": {**PLAN_INPUT, "prices": [{"name": "x", "model": {"flat": FLAT}}], **values}}


def priced(model: Json) -> Json:
    return plan(prices=[{"name": "x", "model": model}])


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (plan(nope=1), "unknown field 'nope'"),
        (priced({"flat": {**FLAT, "nope": 1}}), "unknown field 'nope'"),
        (priced({"tiered": FLAT}), "unknown field 'tiered'"),
        (plan(currency="usd"), 'A CurrencyCode is of ISO 4217, upper case: "USD".'),
        (plan(currency="XYZ"), 'A CurrencyCode is of ISO 4217, upper case: "USD".'),
        (plan(billingPeriod="HOURLY"), "'HOURLY' does not exist in 'BillingPeriod' enum"),
        (plan(billingPeriod=5), "'BillingPeriod'"),
        (plan(name=5), ".name: String cannot represent a non string value: 5"),
        (plan(name=None), ".name: Expected value of non-null type 'String!'"),
        (plan(prices=5), ".prices: Expected value of type 'PriceInput' to be an object"),
        (plan(prices=[None]), ".prices[0]: Expected value of non-null type"),
        ({"input": PLAN_INPUT}, "to include required field 'prices'"),
        ({"input": None}, "Expected value of non-null type 'PlanCreateInput!'"),
        ({}, "'$input'"),
        (priced({}), "must specify exactly one key"),
        (priced({"flat": FLAT, "perUnit": PER_UNIT}), "must specify exactly one key"),
        (priced({"flat": FLAT, "perUnit": None}), "must specify exactly one key"),
        (priced({"flat": None}), "'flat' must be non-null"),
    ],
)
async def test_an_input_of_the_wrong_shape_is_refused_whole(
    api: Api, variables: Json, says: str
) -> None:
    answer = await api.post(PLAN, variables)
    assert "data" not in answer
    assert says in only_error(answer)["message"]
    assert (await api.query(STORED))["plans"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("{ invoices(filter: {statuses: [NOPE]}) { totalCount } }", "'InvoiceStatus' enum"),
        ("{ invoices(sort: {field: NAME}) { totalCount } }", "'InvoiceSortField' enum"),
        ("{ invoices(filter: {nope: 1}) { totalCount } }", "unknown field 'nope'"),
        ("{ invoices(nope: 1) { totalCount } }", "Unknown argument 'nope'"),
        ("{ customers(first: 1.5) { totalCount } }", "Int cannot represent"),
        ('{ customers(first: "1") { totalCount } }', "Int cannot represent"),
        ("{ customers(first: 9999999999) { totalCount } }", "Int cannot represent"),
        ("{ nodes(ids: [null]) { id } }", "non-null type 'ID!'"),
        ("{ nodes { id } }", "nodes(ids:)"),
        ('{ invoices(filter: {issueDateFrom: "2026-02-30"}) { totalCount } }', "A Date is a day"),
        ('{ invoices(filter: {issueDateFrom: "1969-12-31"}) { totalCount } }', "A Date is a day"),
        (f"{{ invoices(filter: {{metadata: {{a: {'9' * 5_000}}}}}) {{ totalCount }} }}", "digits"),
        ("{ invoices(filter: {metadata: {a: 1e9999999999999999999}}) { totalCount } }", "digits"),
    ],
)
async def test_an_argument_of_the_wrong_type_is_refused_with_its_place(
    api: Api, query: str, says: str
) -> None:
    answer = await api.post(query)
    assert "data" not in answer
    error = only_error(answer)
    assert says in error["message"]
    assert error["locations"]


def cursor(*content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


FOREIGN = "This cursor is not of this list in this order."
PAGES = [
    ("first: -1", "first", "Must be from 0 to 100, not -1."),
    ("first: 101", "first", "At most 100, not 101."),
    ('after: "x"', "after", FOREIGN),
    ('after: ""', "after", FOREIGN),
    ('after: "é"', "after", FOREIGN),
    (f'after: "{"A" * 10_000}"', "after", FOREIGN),
    (f'after: "{cursor("nope", ["2026-01-01", "x"])}"', "after", FOREIGN),
    (f'after: "{cursor(5)}"', "after", FOREIGN),
]
BOTH_WAYS = [
    ("last: -1", "last", "Must be from 0 to 100, not -1."),
    ("last: 101", "last", "At most 100, not 101."),
    ("first: 1, last: 1", "last", "Give first or last, not both."),
    ('first: 1, before: "x"', "before", "`before` goes with `last`."),
    ('before: "x"', "before", "`before` goes with `last`."),
    ('last: 1, after: "x"', "after", "`after` goes with `first`."),
    ('last: 1, before: "x"', "before", FOREIGN),
]
LISTS = {
    "invoices": "{{ invoices({}) {{ totalCount }} }}",
    "customers": "{{ customers({}) {{ totalCount }} }}",
    "features": "{{ features({}) {{ totalCount }} }}",
    "plans": "{{ plans({}) {{ totalCount }} }}",
    "a customer's invoices": (
        '{{ customer(externalId: "acme") {{ invoices({}) {{ totalCount }} }} }}'
    ),
    "a customer's subscriptions": (
        '{{ customer(externalId: "acme") {{ subscriptions({}) {{ totalCount }} }} }}'
    ),
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_that_cannot_be_is_refused_at_its_argument(api: Api, name: str) -> None:
    await api.customer()
    pages = PAGES + (BOTH_WAYS if name in ("invoices", "customers") else [])
    for arguments, at, message in pages:
        found = refused_argument(await api.post(LISTS[name].format(arguments)))
        assert (found["message"], found["argument"]) == (message, [at]), arguments


async def test_an_empty_page_says_that_more_follows(api: Api) -> None:
    await api.customer()
    page = "{ nodes { id } totalCount pageInfo { hasNextPage hasPreviousPage endCursor } }"
    assert await api.query(f"{{ customers(first: 0) {page} }}") == {
        "customers": {
            "nodes": [],
            "totalCount": 1,
            "pageInfo": {"hasNextPage": True, "hasPreviousPage": False, "endCursor": None},
        }
    }


@pytest.mark.parametrize(
    ("field", "first"),
    [
        ("TOTAL", "1e999999"),
        ("TOTAL", "NaN"),
        ("TOTAL", "Infinity"),
        ("CREATED_AT", "2026-01-01T00:00:00"),
        ("CREATED_AT", "0001-01-01T00:00:00+14:00"),
        ("CREATED_AT", "9999-12-31T23:59:59-14:00"),
        ("ISSUE_DATE", "2026-13-01"),
        ("ISSUE_DATE", 5),
    ],
)
async def test_a_cursor_made_by_hand_is_refused(api: Api, field: str, first: object) -> None:
    made = cursor(f"invoices {field} DESC", [first, "x"])
    answer = await api.post(
        f'{{ invoices(after: "{made}", sort: {{field: {field}}}) {{ totalCount }} }}'
    )
    assert refused_argument(answer)["message"] == FOREIGN


async def test_a_cursor_of_another_order_is_refused(api: Api) -> None:
    await api.one_off(await api.customer(), "5.00", finalize=True)
    cursors = {
        (field, direction): (
            await api.query(
                f"{{ invoices(sort: {{field: {field}, direction: {direction}}})"
                " { edges { cursor } } }"
            )
        )["invoices"]["edges"][0]["cursor"]
        for field in ("ISSUE_DATE", "DUE_DATE", "CREATED_AT", "TOTAL")
        for direction in ("ASC", "DESC")
    }
    for (field, direction), own in cursors.items():
        for other in cursors.values():
            answer = await api.post(
                f'{{ invoices(after: "{other}", sort: {{field: {field}, direction: {direction}}})'
                " { nodes { id } } }"
            )
            if other == own:
                assert answer == {"data": {"invoices": {"nodes": []}}}
            else:
                assert refused_argument(answer)["message"] == FOREIGN
