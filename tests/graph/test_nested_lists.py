"""Lists of customers, lists below a customer or subscription, and nodes by id."""

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from billing_gql.app import make_app
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from tests.graph.every_kind import every_kind
from tests.serving import serving
from tests.support import Api, Json, counted, new_organization

PAGE = "pageInfo { hasNextPage hasPreviousPage endCursor startCursor }"


async def pages(api: Api, query: str, *path: str, **variables: object) -> list[list[str]]:
    """The ids of every page of a query with `$after`, read from the first."""
    found: list[list[str]] = []
    after = None
    while True:
        data: Json = await api.query(query, {**variables, "after": after})
        for step in path:
            data = data[step]
        found.append([node["id"] for node in data["nodes"]])
        assert data["totalCount"] >= sum(len(page) for page in found)
        if not data["pageInfo"]["hasNextPage"]:
            assert data["totalCount"] == sum(len(page) for page in found)
            return found
        after = data["pageInfo"]["endCursor"]


def flat(found: list[list[str]]) -> list[str]:
    return [one for page in found for one in page]


async def test_customers_are_paged_newest_first_either_way(api: Api, other: Api) -> None:
    ids = [(await api.customer(f"c{n}"))["id"] for n in range(8)]
    await other.customer("c0")
    shown = f"{{ totalCount {PAGE} nodes {{ id }} }}"
    forward = await pages(
        api, f"query ($after: String) {{ customers(first: 3, after: $after) {shown} }}", "customers"
    )
    assert [len(page) for page in forward] == [3, 3, 2]
    assert flat(forward) == ids[::-1]
    before: str | None = None
    backward: list[str] = []
    for size in (3, 3, 2):
        page = (
            await api.query(
                f"query ($at: String) {{ customers(last: 3, before: $at) {shown} }}", {"at": before}
            )
        )["customers"]
        assert len(page["nodes"]) == size
        backward = [node["id"] for node in page["nodes"]] + backward
        before = page["pageInfo"]["startCursor"]
    assert backward == ids[::-1]
    assert page["pageInfo"]["hasPreviousPage"] is False


SEARCHES = {
    "ACM": {"acme"},
    "Billing@": {"acme"},
    "%": {"50%_off\\"},
    "_": {"50%_off\\"},
    "%_": {"50%_off\\"},
    "\\": {"50%_off\\"},
    "f\\": {"50%_off\\"},
    "50": {"50%_off\\", "500ff"},
    "": {"acme", "50%_off\\", "500ff"},
    "nobody": set(),
    "' OR 1=1 --": set(),
}


@pytest.mark.parametrize("search", SEARCHES)
async def test_customers_are_searched_literally(api: Api, other: Api, search: str) -> None:
    await api.customer("acme", email="billing@example.test", name="First")
    await api.customer("50%_off\\", name="Second")
    await api.customer("500ff", name="Third")
    await other.customer("acme")
    data = await api.query(
        "query ($s: String) { customers(search: $s) { totalCount nodes { externalId } } }",
        {"s": search},
    )
    found = data["customers"]
    assert {node["externalId"] for node in found["nodes"]} == SEARCHES[search]
    assert found["totalCount"] == len(found["nodes"]) == len(SEARCHES[search])


@pytest.fixture
async def served(api: Api) -> tuple[Api, Json, Json]:
    """A customer with 5 subscriptions, the first of them billed 7 times, and 2 one-off invoices."""
    customer = await api.customer()
    plan = await api.plan("p", [{"name": "x", "model": {"flat": {"amount": "1"}}}])
    oldest = await api.subscription(customer, plan, startedAt="2026-01-01T00:00:00Z")
    await api.advance("2026-08-05T00:00:00Z")
    for month in (10, 10, 9, 11):
        await api.subscription(customer, plan, startedAt=f"2026-{month:02}-01T00:00:00Z")
    for _ in range(2):
        await api.one_off(customer, "5", finalize=True)
    await api.one_off(customer, "6")
    return api, customer, oldest


async def test_the_lists_of_a_customer_and_of_a_subscription_are_paged(
    served: tuple[Api, Json, Json],
) -> None:
    api, customer, oldest = served
    shown = f"{{ totalCount {PAGE} nodes {{ id }} }}"
    every = await api.query("{ invoices(first: 100) { nodes { id subscription { id } } } }")
    nodes = every["invoices"]["nodes"]
    of_customer = await pages(
        api,
        f"query ($id: ID, $after: String) {{ customer(id: $id) {{"
        f" invoices(first: 2, after: $after) {shown} }} }}",
        "customer",
        "invoices",
        id=customer["id"],
    )
    assert [len(page) for page in of_customer] == [2, 2, 2, 2, 1]
    assert flat(of_customer) == [node["id"] for node in nodes]
    of_subscription = await pages(
        api,
        f"query ($id: ID, $after: String) {{ subscription(id: $id) {{"
        f" invoices(first: 3, after: $after) {shown} }} }}",
        "subscription",
        "invoices",
        id=oldest["id"],
    )
    assert [len(page) for page in of_subscription] == [3, 3, 1]
    assert flat(of_subscription) == [
        node["id"] for node in nodes if (node["subscription"] or {}).get("id") == oldest["id"]
    ]
    subscriptions = await pages(
        api,
        f"query ($id: ID, $after: String) {{ customer(id: $id) {{"
        f" subscriptions(first: 2, after: $after) {shown} }} }}",
        "customer",
        "subscriptions",
        id=customer["id"],
    )
    assert [len(page) for page in subscriptions] == [2, 2, 1]
    started = (
        await api.query(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Subscription { startedAt } } }",
            {"ids": flat(subscriptions)},
        )
    )["nodes"]
    assert [one["startedAt"][5:7] for one in started] == ["11", "10", "10", "09", "01"]


async def test_a_customers_invoices_are_filtered(served: tuple[Api, Json, Json]) -> None:
    api, customer, oldest = served
    stranger = await api.customer("stranger")
    for filters, count in {
        "": 9,
        "statuses: [DRAFT]": 1,
        "statuses: [DRAFT, FINALIZED]": 10,
        "invoiceTypes: [ONE_TIME]": 2,
        f'subscriptionId: "{oldest["id"]}"': 7,
        f'customerId: "{stranger["id"]}"': 0,
        f'customerId: "{customer["id"]}"': 9,
        'externalCustomerId: "stranger"': 0,
        'totalFrom: "5"': 2,
    }.items():
        data = await api.query(
            f"query ($id: ID) {{ customer(id: $id) {{ invoices(filter: {{{filters}}})"
            " { totalCount nodes { id } } } }",
            {"id": customer["id"]},
        )
        found = data["customer"]["invoices"]
        assert (found["totalCount"], len(found["nodes"])) == (count, count), filters


NESTED = """query ($first: Int) { customers(first: $first) { nodes { name
  invoices { totalCount nodes { id lineItems { name feature { key } } } }
  subscriptions { totalCount nodes {
    billingProblem invoices { nodes { id } } plan { prices { feature { key } } } } }
  usage(periodStart: "2026-01-01T00:00:00Z", periodEnd: "2026-02-01T00:00:00Z",
        groupBy: ["source"], window: DAY) { quantity feature { key } } } } }"""


async def test_nested_lists_take_as_many_statements_for_50_customers_as_for_one(
    api: Api, database: Database
) -> None:
    company = await new_organization(api.http, database, clock=datetime(2026, 1, 1, tzinfo=UTC))
    feature = await company.feature("calls")
    plans = [
        await company.plan(
            f"p{n}",
            [
                {"name": "Access", "model": {"flat": {"amount": "9"}}},
                {
                    "name": "Calls",
                    "featureId": feature["id"],
                    "model": {"perUnit": {"unitAmount": "2"}},
                },
            ],
        )
        for n in range(2)
    ]
    for n in range(50):
        customer = await company.customer(f"c{n}")
        await company.subscription(customer, plans[n % 2])
    await company.ingest(
        *[
            {
                "transactionId": f"t{n}",
                "externalCustomerId": f"c{n % 50}",
                "eventName": "calls",
                "timestamp": "2026-01-05T00:00:00Z",
            }
            for n in range(100)
        ]
    )
    await company.advance("2026-02-05T00:00:00Z")
    taken = []
    # 50 customers cost 87,401, which is over the limit unless the operator raises it.
    settings = Settings(max_cost=100_000, request_seconds=300)
    async with (
        serving(make_app(settings, company.database)) as address,
        httpx.AsyncClient(base_url=address, timeout=120) as http,
    ):
        company = replace(company, http=http)
        for first in (1, 2, 50):
            with counted(database) as statements:
                nodes = (await company.query(NESTED, {"first": first}))["customers"]["nodes"]
            assert len(nodes) == first
            taken.append(len(statements))
            for node in nodes:
                (invoice,) = node["invoices"]["nodes"]
                assert [line["feature"] for line in invoice["lineItems"]] == [
                    None,
                    {"key": "calls"},
                ]
                (subscription,) = node["subscriptions"]["nodes"]
                assert subscription["invoices"]["nodes"] == [{"id": invoice["id"]}]
                assert subscription["plan"]["prices"][1]["feature"] == {"key": "calls"}
                assert [one["quantity"] for one in node["usage"]] == ["2"]
        assert taken[0] == taken[1] == taken[2] <= 15, taken


async def test_nodes_of_every_kind_come_in_order_and_foreign_ones_are_null(
    api: Api, other: Api
) -> None:
    mine = await every_kind(api)
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    ids = list(mine.values())
    expected = [{"__typename": kind, "id": one} for kind, one in mine.items()]
    assert (await api.query(query, {"ids": ids}))["nodes"] == expected
    unknown = ["", "nope", "cus_", "xyz_1", mine["Customer"].upper(), mine["Customer"] + "0"]
    unknown += [one.partition("_")[0] + "_unknown" for one in ids]
    assert (await api.query(query, {"ids": unknown}))["nodes"] == [None] * len(unknown)
    mixed = (await api.query(query, {"ids": [ids[2], "nope", ids[1], ids[2]]}))["nodes"]
    assert mixed == [expected[2], None, expected[1], expected[2]]
    assert (await other.query(query, {"ids": ids}))["nodes"] == [None] * len(ids)
    for kind, one in mine.items():
        node = "query ($id: ID!) { node(id: $id) { __typename id } }"
        assert (await api.query(node, {"id": one}))["node"] == {"__typename": kind, "id": one}
        assert (await other.query(node, {"id": one}))["node"] is None
    assert (await api.query(query, {"ids": []}))["nodes"] == []
    too_many = await api.post(query, {"ids": ids * 8})
    assert too_many["errors"][0]["extensions"]["argument"] == ["ids"]


async def test_nodes_of_one_kind_are_read_together(api: Api) -> None:
    ids = [(await api.customer(f"c{n}"))["id"] for n in range(20)]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Customer { name } } }"
    taken = []
    for count in (1, 20):
        with counted(api.database) as statements:
            await api.query(query, {"ids": ids[:count]})
        taken.append(len(statements))
    assert taken[0] == taken[1]
