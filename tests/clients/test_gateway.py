"""One query over two subgraphs, through a real gateway: ours, and a CRM that extends Customer."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.clients import crm
from tests.clients.conftest import Installed, blocks, commands, run
from tests.serving import serving
from tests.support import Api, Json

BILLING_GQL = str(Path(sys.executable).with_name("billing-gql"))
(CRM,) = blocks("subgraph", "graphql")


@pytest.fixture(scope="module")
async def subgraph() -> AsyncIterator[tuple[crm.Crm, str]]:
    """The second subgraph, and its address."""
    app = crm.Crm()
    async with serving(app) as url:
        yield app, url


@pytest.fixture(scope="module")
async def gateway(
    npm_installed: Installed,
    service_url: str,
    subgraph: tuple[crm.Crm, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[str]:
    """The address of a gateway over both."""
    folder = npm_installed("gateway")
    place = tmp_path_factory.mktemp("gateway")
    here = {
        "http://127.0.0.1:8000/graphql": f"{service_url}/graphql",
        "http://127.0.0.1:4001/graphql": f"{subgraph[1]}/graphql",
        "crm.graphql": str(place / "crm.graphql"),
        "billing.graphql": str(place / "billing.graphql"),
        "supergraph.graphql": str(place / "supergraph.graphql"),
        "4000": "0",
        "../../../.venv/bin/billing-gql": BILLING_GQL,
    }
    subgraph_file, compose, serve = (
        [here.get(word, word) for word in words] for words in commands("gateway")
    )
    *print_it, into, billing = subgraph_file
    assert (into, billing) == (">", str(place / "billing.graphql"))
    printed = run(folder, *print_it)
    assert printed.returncode == 0, printed.stderr
    (place / "billing.graphql").write_text(printed.stdout)
    (place / "crm.graphql").write_text(CRM)
    *compose, into, supergraph = compose
    assert (into, supergraph) == (">", str(place / "supergraph.graphql"))
    composed = run(folder, *compose)
    assert composed.returncode == 0, composed.stderr
    (place / "supergraph.graphql").write_text(composed.stdout)
    process = await asyncio.create_subprocess_exec(
        *serve,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        yield (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def through(gateway: str, http: httpx.AsyncClient, api: Api) -> Api:
    """The organization as one reaches it through the gateway."""

    class Through(Api):
        async def post(self, query: str, variables: Mapping[str, object] | None = None) -> Json:
            sent = {"query": query, "variables": variables or {}}
            response = await self.http.post(gateway, json=sent, headers=self.headers)
            answer: Json = response.json()
            return answer

    return Through(http, api.database, api.organization_id, api.key)


async def test_a_query_goes_from_ours_to_theirs(
    api: Api, through: Api, subgraph: tuple[crm.Crm, str]
) -> None:
    acme, globex = await api.customer("acme"), await api.customer("globex")
    crm.MANAGERS[acme["id"]] = "Ada"
    for one, amount in ((acme, "30"), (globex, "20"), (acme, "10")):
        await api.one_off(one, amount, finalize=True)
    app, _ = subgraph
    asked = app.asked
    data = await through.query(
        "{ invoices(first: 5, sort: {field: TOTAL, direction: DESC})"
        " { totalCount pageInfo { hasNextPage }"
        " nodes { number total customer { name accountManager } } } }"
    )
    assert data["invoices"] == {
        "totalCount": 3,
        "pageInfo": {"hasNextPage": False},
        "nodes": [
            invoice("ACM-001-001", "30.00", "Acme", "Ada"),
            invoice("ACM-002-001", "20.00", "Globex", None),
            invoice("ACM-001-002", "10.00", "Acme", "Ada"),
        ],
    }
    assert app.asked == asked + 1
    assert app.keys == []


def invoice(number: str, total: str, name: str, manager: str | None) -> Json:
    customer = {"name": name, "accountManager": manager}
    return {"number": number, "total": total, "customer": customer}


async def test_a_query_goes_from_theirs_to_ours(api: Api, other: Api, through: Api) -> None:
    mine = [await api.customer(name) for name in ("acme", "globex")]
    theirs = await other.customer("theirs")
    for one in (mine[0], theirs, mine[1], {"id": "cus_unknown"}):
        crm.MANAGERS[one["id"]] = "Grace"
    await api.one_off(mine[1], "25.5", finalize=True)
    answer = await through.post(
        '{ accounts(manager: "Grace")'
        " { id accountManager name invoices(first: 1) { nodes { total } } } }"
    )
    shown = [{"id": one["id"], "accountManager": "Grace"} for one in mine]
    assert answer["data"]["accounts"] == [
        {**shown[0], "name": "Acme", "invoices": {"nodes": []}},
        None,
        {**shown[1], "name": "Globex", "invoices": {"nodes": [{"total": "25.50"}]}},
        None,
    ]
    # A customer that is not ours has no name, which is never null.
    places = {tuple(error["path"][:2]) for error in answer["errors"]}
    assert places == {("accounts", 1), ("accounts", 3)}


async def test_a_mutation_and_its_errors_come_through(api: Api, through: Api) -> None:
    made = await through.done(
        "customerCreate", "customer { id name accountManager }", externalId="new", name="New"
    )
    assert made["customer"]["accountManager"] is None
    assert (await api.query('{ customer(externalId: "new") { id } }'))["customer"] == {
        "id": made["customer"]["id"]
    }
    again = await through.mutate(
        "customerCreate", "customer { id }", externalId="new", name="Other"
    )
    (error,) = again["userErrors"]
    assert (error["code"], error["field"]) == ("ALREADY_EXISTS", ["externalId"])
    assert error["__typename"] == "AlreadyExistsError"


async def test_errors_keep_their_codes(through: Api) -> None:
    answer = await through.post("{ invoices(first: 101) { nodes { id } } }")
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == "At most 100, not 101."
    through.key = "sk_test_wrong"
    answer = await through.post("{ organization { name } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


RELAY = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.0",
  import: ["@key", "@shareable"])
interface Node { id: ID! }
type Dog implements Node @key(fields: "id") { id: ID! }
type DogConnection { nodes: [Dog!]! pageInfo: PageInfo! }
type PageInfo @shareable
  { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
"""


@pytest.mark.parametrize(
    ("field", "refusal"),
    [("dogs: DogConnection!", None), ("node(id: ID!): Node", '"Query.node" is resolved from')],
)
def test_another_relay_subgraph_composes_unless_it_has_nodes_too(
    npm_installed: Installed, tmp_path: Path, field: str, refusal: str | None
) -> None:
    file = tmp_path / "dogs.graphql"
    file.write_text(f"{RELAY}type Query {{ {field} }}")
    schema = tmp_path / "billing.graphql"
    schema.write_text(run(tmp_path, BILLING_GQL, "schema", "--subgraph").stdout)
    billing = ("billing", "http://billing", schema)
    done = run(
        npm_installed("gateway"), "node", "compose.mjs", *billing, "dogs", "http://dogs", file
    )
    assert (done.returncode == 0) == (refusal is None), done.stderr
    assert (refusal or "") in done.stderr
