"""Arguments that a resolver refuses: keys of groups, U+0000; and what stands beside an error."""

import pytest
from sqlalchemy import text

from billing_gql.store.database import run_sql
from tests.support import Api

ALLOWED = "Allowed: 1 to 5 of source, feature_id, properties.<path>."
SPAN = 'periodStart: "2026-01-01T00:00:00Z", periodEnd: "2026-02-01T00:00:00Z"'
BACKWARD = 'periodStart: "2026-02-01T00:00:00Z", periodEnd: "2026-01-01T00:00:00Z"'


@pytest.mark.parametrize(
    ("keys", "at", "code"),
    [
        (["airport"], ["groupBy", "0"], "INVALID_INPUT"),
        (["source", "Source"], ["groupBy", "1"], "INVALID_INPUT"),
        (["properties"], ["groupBy", "0"], "INVALID_INPUT"),
        (["properties."], ["groupBy", "0"], "INVALID_INPUT"),
        (["properties.a..b"], ["groupBy", "0"], "INVALID_INPUT"),
        (["properties.a."], ["groupBy", "0"], "INVALID_INPUT"),
        (["properties.\0"], ["groupBy", "0"], "INVALID_INPUT"),
        (["properties." + "a" * 256], ["groupBy", "0"], "INVALID_INPUT"),
        ([""], ["groupBy", "0"], "INVALID_INPUT"),
        ([" source"], ["groupBy", "0"], "INVALID_INPUT"),
        (["source", "properties.a", "source"], ["groupBy", "2"], "INVALID_INPUT"),
        ([f"properties.{letter}" for letter in "abcdef"], ["groupBy"], "TOO_MANY_ITEMS"),
        ([], ["groupBy"], "INVALID_INPUT"),
    ],
)
async def test_a_wrong_group_key_is_refused_with_what_is_allowed_even_where_nothing_is_metered(
    api: Api, keys: list[str], at: list[str], code: str
) -> None:
    one_off = await api.one_off(await api.customer(), "5.00")
    for place in ("usageBreakdown", "lineItems { usageBreakdown", f"customer {{ usage({SPAN}, "):
        opened = place if place.endswith(" ") else f"{place}("
        closing = "}" * opened.count("{")
        answer = await api.post(
            f"query ($id: ID!, $keys: [String!]!) {{ organization {{ name }}"
            f" invoice(id: $id) {{ {opened}groupBy: $keys) {{ __typename }} {closing} }} }}",
            {"id": one_off["id"], "keys": keys},
        )
        if "usage(" in place and not keys:
            assert "errors" not in answer
            continue
        assert answer["data"]["organization"] == {"name": "Acme"}
        assert answer["data"]["invoice"] in (None, {"lineItems": [{"usageBreakdown": None}]})
        (error,) = answer["errors"]
        assert error["message"].endswith(ALLOWED)
        assert error["path"][0] == "invoice"
        assert error["extensions"] == {
            "code": "BAD_USER_INPUT",
            "argument": at,
            "problem": code,
        }


ARGUMENTS = [
    ("customer(id: {})", "ID"),
    ("customer(externalId: {})", "String"),
    ("customers(search: {})", "String"),
    ("invoice(id: {})", "ID"),
    ("invoice(number: {})", "String"),
    ("invoices(filter: {{search: {}}})", "String"),
    ("invoices(filter: {{customerId: {}}})", "ID"),
    ("invoices(filter: {{externalCustomerId: {}}})", "String"),
    ("invoices(filter: {{subscriptionId: {}}})", "ID"),
    ("invoices(filter: {{metadata: {{a: {}}}}})", "JSON"),
    ("subscription(id: {})", "ID"),
    ("subscription(externalId: {})", "String"),
    ("plan(id: {})", "ID"),
    ("plan(key: {})", "String"),
    ("feature(id: {})", "ID"),
    ("feature(key: {})", "String"),
    ("node(id: {})", "ID"),
    ("nodes(ids: [{}])", "ID"),
    ("upcomingInvoice(subscriptionId: {})", "ID"),
]


@pytest.mark.parametrize(("argument", "kind"), ARGUMENTS)
async def test_a_query_with_the_character_zero_is_refused(
    api: Api, argument: str, kind: str
) -> None:
    literal = "{ " + argument.format('"cus_\\u0000"')
    variable = f"query ($text: {kind}!) {{ {argument.format('$text')}"
    for query, variables in ((literal, {}), (variable, {"text": "cus_\0"})):
        answer = await api.post(f"{query} {{ __typename }} }}", variables)
        (error,) = answer["errors"]
        assert "U+0000" in error["message"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


MUTATIONS = [
    'customerCreate(input: {externalId: @, name: "x"})',
    'customerCreate(input: {externalId: "x", name: @})',
    'customerCreate(input: {externalId: "x", name: "x", email: @})',
    'customerCreate(input: {externalId: "x", name: "x", timezone: @})',
    'customerCreate(input: {externalId: "x", name: "x", taxIdentifier: @})',
    'customerCreate(input: {externalId: "x", name: "x", address: {line1: @}})',
    'customerCreate(input: {externalId: "x", name: "x", metadata: {a: @}})',
    'customerCreate(input: {externalId: "x", name: "x", idempotencyKey: @})',
    'customerUpdate(input: {customerId: @, name: "x"})',
    "organizationUpdate(input: {name: @})",
    "organizationUpdate(input: {invoicePrefix: @})",
    'featureCreate(input: {key: @, name: "x", aggregation: COUNT})',
    'featureCreate(input: {key: "x", name: @, aggregation: COUNT})',
    'featureCreate(input: {key: "x", name: "x", aggregation: COUNT, eventName: @})',
    'featureCreate(input: {key: "x", name: "x", aggregation: SUM, valueProperty: @})',
    'featureCreate(input: {key: "x", name: "x", aggregation: COUNT, dimensions: [@]})',
    'planCreate(input: {key: "x", name: @, currency: "USD", billingPeriod: MONTHLY, prices: []})',
    'subscriptionCreate(input: {customerId: @, planId: "x"})',
    'invoiceCreate(input: {externalCustomerId: @, lineItems: [{name: "x", amount: "1"}]})',
    'invoiceCreate(input: {externalCustomerId: "acme", lineItems: [{name: @, amount: "1"}]})',
    'invoiceCreate(input: {externalCustomerId: "acme", memo: @,'
    ' lineItems: [{name: "x", amount: "1"}]})',
    "invoiceFinalize(input: {invoiceId: @})",
    "invoiceVoid(input: {invoiceId: @})",
    "invoiceLineItemDelete(input: {lineItemId: @})",
    'usageEventsIngest(input: {events: [{transactionId: @, eventName: "e",'
    ' externalCustomerId: "acme"}]})',
    'usageEventsIngest(input: {events: [{transactionId: "t", eventName: @,'
    ' externalCustomerId: "acme"}]})',
    'usageEventsIngest(input: {events: [{transactionId: "t", eventName: "e",'
    " externalCustomerId: @}]})",
    'usageEventsIngest(input: {events: [{transactionId: "t", eventName: "e",'
    ' externalCustomerId: "acme", properties: {a: {b: [@]}}}]})',
    'usageEventsIngest(input: {events: [{transactionId: "t", eventName: "e",'
    ' externalCustomerId: "acme", externalSubscriptionId: @}]})',
]
STORED = """{ organization { name invoicePrefix } customers { totalCount }
  features { totalCount } plans { totalCount }
  invoices(filter: {statuses: [DRAFT, FINALIZED, VOIDED]}) { totalCount } }"""


async def stored_events(api: Api) -> int:
    async with api.database.snapshot() as session:
        rows = await run_sql(
            session,
            text("SELECT count(*) FROM usage_events WHERE organization_id = :id"),
            {"id": api.organization_id},
        )
        count: int = rows.scalar_one()
    return count


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_mutation_with_the_character_zero_is_refused_and_stores_nothing(
    api: Api, mutation: str
) -> None:
    await api.customer()
    before = await api.query(STORED)
    field = mutation.replace("@", '"a\\u0000b"')
    payload = await api.query(f"mutation {{ it: {field} {{ userErrors {{ code message }} }} }}")
    (error,) = payload["it"]["userErrors"]
    assert error["code"] in ("INVALID_INPUT", "NOT_FOUND")
    assert error["message"]
    assert await api.query(STORED) == before
    assert await stored_events(api) == 0


async def test_a_refused_argument_leaves_the_same_field_with_others_standing(api: Api) -> None:
    await api.feature("calls")
    # Nodes of one kind are read together, and so is what is below them.
    arguments = {
        "backward": BACKWARD,
        "good": SPAN,
        "zero": SPAN + ', featureIds: ["\\u0000"]',
        "unknown": SPAN + ', featureIds: ["fea_1"]',
        "last": SPAN + ", window: MONTH",
    }
    fields = [
        f'{name}: node(id: "{(await api.customer(name))["id"]}")'
        f" {{ ... on Customer {{ usage({values}) {{ quantity }} }} }}"
        for name, values in arguments.items()
    ]
    answer = await api.post(f"{{ {' '.join(fields)} organization {{ name }} }}")
    assert answer["data"] == {
        "backward": None,
        "good": {"usage": [{"quantity": "0"}]},
        "zero": None,
        "unknown": None,
        "last": {"usage": [{"quantity": "0"}]},
        "organization": {"name": "Acme"},
    }
    assert {error["path"][0]: error["extensions"]["argument"] for error in answer["errors"]} == {
        "backward": ["periodEnd"],
        "zero": [],
        "unknown": ["featureIds", "0"],
    }


async def test_an_error_is_told_while_other_fields_are_still_being_read(api: Api) -> None:
    await api.customer()
    reading = "{ totalCount nodes { id } }"
    query = f"""{{ customer(externalId: "acme") {{
      usage({SPAN}, featureIds: ["fea_1"]) {{ quantity }}
      a: invoices(first: 1) {reading} b: invoices(first: 2) {reading}
      c: subscriptions(first: 1) {reading} d: subscriptions(first: 2) {reading} }} }}"""
    for _ in range(20):
        answer = await api.post(query)
        assert answer["data"] == {"customer": None}
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert api.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # a queue


async def test_an_error_below_a_mutation_does_not_stop_the_next_one(api: Api) -> None:
    create = (
        'customerCreate(input: {{externalId: "{0}", name: "{0}"}}) {{ customer {{ id'
        " {1} subscriptions {{ nodes {{ id }} }} }} userErrors {{ code }} }}"
    )
    broken = f"usage({BACKWARD}) {{ quantity }} invoices {{ nodes {{ id }} }}"
    answer = await api.post(
        f"mutation {{ a: {create.format('a', broken)} b: {create.format('b', 'name')} }}"
    )
    assert answer["data"]["a"] == {"customer": None, "userErrors": []}
    assert answer["data"]["b"]["customer"]["name"] == "b"
    (error,) = answer["errors"]
    assert error["path"] == ["a", "customer", "usage"]
    assert (await api.query("{ customers { totalCount } }"))["customers"]["totalCount"] == 2
