"""What a query may ask for, held against the limits of DESIGN before anything is executed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from graphql import get_introspection_query

from billing_gql.app import make_app
from billing_gql.graph.graphiql import examples
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from tests.serving import serving
from tests.support import Api, Json, counted

Variables = dict[str, object]
ORG = "organization { name }"


async def answer_of(api: Api, query: str, variables: Variables | None = None) -> Json:
    """The whole answer, extensions too."""
    response = await api.http.post(
        "/graphql", json={"query": query, "variables": variables or {}}, headers=api.headers
    )
    found: Json = response.json()
    return found


async def cost_of(api: Api, query: str, variables: Variables | None = None) -> int:
    """What the answer says that it cost."""
    answer = await answer_of(api, query, variables)
    assert answer["extensions"]["cost"]["limit"] == 10_000
    cost: int = answer["extensions"]["cost"]["requested"]
    return cost


async def over(api: Api, query: str, variables: Variables | None = None) -> Json:
    """The extensions of the only error; nothing may have been asked of the database but the key."""
    with counted(api.database) as statements:
        answer = await answer_of(api, query, variables)
    assert len(statements) == 1
    assert "data" not in answer
    (error,) = answer["errors"]
    found: Json = error["extensions"]
    if "requested" in found:
        assert f"{found['requested']:,}" in error["message"]
    assert f"{found['limit']:,}" in error["message"]
    return found


BREAKDOWN = 'usageBreakdown(groupBy: ["source"]{}) {{ groups {{ usage }} }}'
LINE = '{{ node(id: "lin_x") {{ ... on LineItem {{ {} }} }} }}'


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ __typename }", {}, 0),
        ("{ organization { name mode } }", {}, 1),
        ("{ organization { name } again: organization { name } }", {}, 2),
        # A page has its size, or 25; what is in it is counted for each row.
        ("{ customers { nodes { id } } }", {}, 1 + 25),
        ("{ customers { totalCount } }", {}, 1),
        ("{ customers(first: 3) { nodes { id } } }", {}, 1 + 3),
        ("{ customers(last: 4) { nodes { id } } }", {}, 1 + 4),
        ("{ customers(first: 3) { edges { node { id } } pageInfo { endCursor } } }", {}, 1 + 6 + 1),
        ("{ features { nodes { id } } }", {}, 1 + 25),
        ("{ customers(first: 0) { nodes { id } } }", {}, 1),
        (
            "{ invoices(first: 5) { nodes { customer { id } lineItems { id } } } }",
            {},
            1 + 5 * (1 + 1 + 10),
        ),
        # Sizes come from variables, their defaults, or nothing.
        ("query ($n: Int) { customers(first: $n) { nodes { id } } }", {"n": 7}, 1 + 7),
        ("query ($n: Int) { customers(first: $n) { nodes { id } } }", {"n": None}, 1 + 25),
        ("query ($n: Int) { customers(first: $n) { nodes { id } } }", {}, 1 + 25),
        ("query ($n: Int = 9) { customers(first: $n) { nodes { id } } }", {}, 1 + 9),
        ("query ($n: Int = 9) { customers(first: $n) { nodes { id } } }", {"n": 2}, 1 + 2),
        # A list of ids is as long as it is.
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 3),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 40}, 40),
        # Other lists are 10.
        ("{ coupons { id } }", {}, 10),
        # A breakdown is 20, a recalculated one 100.
        (
            '{ invoice(number: "x") { usageBreakdown(groupBy: ["source"]) {'
            " feature { key } groups { usage keys { value } } } } }",
            {},
            1 + 20 + 10 * 1,
        ),
        (LINE.format(BREAKDOWN.format("")), {}, 1 + 20),
        (
            LINE.format(BREAKDOWN.format(", forceRuntimeRecalculation: false")),
            {},
            1 + 20,
        ),
        (
            LINE.format(BREAKDOWN.format(", forceRuntimeRecalculation: true")),
            {},
            1 + 100,
        ),
        # Fragments cost as if they were written out.
        ("{ ...f ...f } fragment f on Query { organization { name } }", {}, 2),
        (
            "{ customers(first: 6) { ...f } } fragment f on CustomerConnection { nodes { id } }",
            {},
            1 + 6,
        ),
        ("{ ... { ... on Query { organization { name } } } }", {}, 1),
        # What is left out is free.
        ("{ organization @skip(if: true) { name } }", {}, 0),
        ("{ organization @include(if: true) { name } }", {}, 1),
        ("query ($a: Boolean!) { organization @include(if: $a) { name } }", {"a": False}, 0),
        ("query ($a: Boolean!) { ... @skip(if: $a) { organization { name } } }", {"a": False}, 1),
    ],
)
async def test_cost(api: Api, query: str, variables: Variables, cost: int) -> None:
    for _ in range(2):  # the second time it is remembered
        assert await cost_of(api, query, variables) == cost


async def test_a_remembered_cost_is_of_the_same_variables(api: Api) -> None:
    recalculated = "query ($f: Boolean!) " + LINE.format(
        BREAKDOWN.format(", forceRuntimeRecalculation: $f")
    )
    values: list[tuple[object, int]] = [(1, 21), (True, 101), (False, 21), (0, 21), (True, 101)]
    for value, cost in values:
        assert await cost_of(api, recalculated, {"f": value}) == cost
    both = """query ($out: Boolean!, $n: Int!) {
      customers(first: $n) @skip(if: $out) { nodes { id } } }"""
    for out, size, cost in [(True, 5, 0), (False, 5, 6), (True, 9, 0), (False, 9, 10)]:
        assert await cost_of(api, both, {"out": out, "n": size}) == cost


DEEP = (
    '{ customer(id: "x") { ...c } } fragment c on Customer { '
    + "invoices(first: 1) { nodes { customer { " * 3
    + "invoices(first: 1) { nodes { id } }"
    + " } } }" * 3
    + " }"
)
"""13 levels of fields."""


@pytest.mark.parametrize(
    ("query", "code", "requested", "limit"),
    [
        (
            DEEP,
            "QUERY_TOO_DEEP",
            13,
            12,
        ),
        (
            "{ " + " ".join(f"a{n}: {ORG}" for n in range(31)) + " }",
            "TOO_MANY_ALIASES",
            31,
            30,
        ),
        (
            "{ "
            + "...f " * 4
            + "} fragment f on Query { "
            + " ".join(f"a{n}: organization {{ b: name }}" for n in range(4))
            + " }",
            "TOO_MANY_ALIASES",
            32,
            30,
        ),
        (
            "{ customers(first: 100) { nodes { invoices(first: 100) { nodes { id } } } } }",
            "QUERY_TOO_COMPLEX",
            1 + 100 * (1 + 1 + 100),
            10_000,
        ),
        ("{ customers(first: 99999999) { nodes { id } } }", "QUERY_TOO_COMPLEX", 10**8, 10_000),
        ("{ " + "organization { " + "name " * 200 + "} }", "QUERY_TOO_COMPLEX", 19_900, 10_000),
    ],
)
async def test_what_is_over_a_limit_is_refused(
    api: Api, query: str, code: str, requested: int, limit: int
) -> None:
    found = await over(api, query)
    assert found == {"code": code, "requested": requested, "limit": limit}


@pytest.mark.parametrize("count", [10, 11])
async def test_at_most_ten_mutation_fields(api: Api, count: int) -> None:
    field = 'm{}: organizationUpdate(input: {{name: "New {}"}}) {{ userErrors {{ code }} }}'
    query = "mutation { ...all } fragment all on Mutation { "
    query += " ".join(field.format(n, n) for n in range(count)) + " }"
    if count == 11:
        found = await over(api, query)
        assert found == {"code": "TOO_MANY_MUTATIONS", "requested": 11, "limit": 10}
    else:
        await api.query(query)
    name = (await api.query("{ organization { name } }"))["organization"]["name"]
    assert name == ("New 9" if count == 10 else "Acme")


async def test_tokens_are_counted_before_anything_else(api: Api) -> None:
    # Two braces and 1,998 directives' halves: exactly 2,000 tokens, then 2,002.
    for directives, code in [(998, "BAD_REQUEST"), (999, "TOO_MANY_TOKENS")]:
        query = "{ organization " + "@a " * directives + "{ } }"
        (error, *_) = (await answer_of(api, query[:-4] + "}"))["errors"]
        assert error["extensions"]["code"] == code
    answer = await answer_of(api, "#\n" * 2_001 + "{ organization { name } }")
    assert answer["errors"][0]["extensions"]["code"] == "TOO_MANY_TOKENS"


async def test_an_answer_that_was_refused_tells_its_cost_too(api: Api) -> None:
    aliases = "{ " + " ".join(f"a{n}: {ORG}" for n in range(31)) + " }"
    for query, cost in [
        (aliases, 31),
        ("{ customers(first: 20000) { nodes { id } } }", 20_001),
        ("query ($n: Int!) { customers(first: $n) { nodes { id } } }", 26),
        ("{ customers(first: 101) { nodes { id } } }", 102),
    ]:
        answer = await answer_of(api, query)
        assert answer["errors"]
        assert answer["extensions"] == {"cost": {"requested": cost, "limit": 10_000}}
    for invalid in ("{", "{ nope }"):
        assert "extensions" not in await answer_of(api, invalid)


async def test_introspection_is_possible_and_bounded(api: Api) -> None:
    whole = get_introspection_query(
        descriptions=True,
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    answer = await answer_of(api, whole)
    assert "errors" not in answer
    assert answer["extensions"]["cost"]["requested"] == 0
    cycle = "{ __schema { types { " + "fields { type { " * 3 + "name" + " } }" * 3 + " } } }"
    assert "introspection depth" in (await answer_of(api, cycle))["errors"][0]["message"]
    types = '{{ __type(name: "Query") {{ {} }} }}'.format("ofType { " * 20 + "name" + " }" * 20)
    assert (await over(api, types))["code"] == "QUERY_TOO_DEEP"
    start = whole.index("__schema")
    end = whole.index("fragment FullType")
    body = whole[start:end].strip().removesuffix("}")
    thrice = "{ " + " ".join(f"s{n}: {body}" for n in range(3)) + " } " + whole[end:]
    found = await over(api, thrice)
    assert (found["code"], found["limit"]) == ("QUERY_TOO_COMPLEX", 400_000)


@pytest.mark.parametrize("name", examples())
async def test_the_examples_are_within_the_limits(api: Api, name: str) -> None:
    answer = await answer_of(api, examples()[name])
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    if name.endswith("watch_invoices"):
        assert codes == {"NOT_ACCEPTABLE"}  # as a stream it is tried in tests/cli
        return
    assert codes <= {"BAD_REQUEST"}  # variables that are missing here
    assert answer["extensions"]["cost"]["requested"] < 5_000


@asynccontextmanager
async def service(api: Api, database: Database, settings: Settings) -> AsyncIterator[Api]:
    """The organization at a service with settings of its own."""
    async with (
        serving(make_app(settings, database)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as http,
    ):
        yield replace(api, http=http)


async def test_every_limit_is_a_setting(api: Api, database: Database) -> None:
    strict = Settings(max_depth=2, max_aliases=1, max_tokens=100, max_mutation_fields=1, max_cost=5)
    rename = 'm{}: organizationUpdate(input: {{name: "A"}}) {{ userErrors {{ code }} }}'
    async with service(api, database, strict) as small:
        for query, code in [
            ("{ customers(first: 1) { nodes { id } } }", "QUERY_TOO_DEEP"),
            ("{ a: __typename b: __typename }", "TOO_MANY_ALIASES"),
            ("{ " + "__typename " * 100 + "}", "TOO_MANY_TOKENS"),
            ("{ customers(first: 6) { totalCount } coupons { id } }", "QUERY_TOO_COMPLEX"),
        ]:
            assert (await over(small, query))["code"] == code
    fields = strict.model_copy(update={"max_depth": 12, "max_cost": 10_000, "max_aliases": 2})
    async with service(api, database, fields) as small:
        both = "mutation { " + rename.format(1) + rename.format(2) + " }"
        assert (await over(small, both))["code"] == "TOO_MANY_MUTATIONS"


async def test_without_introspection_nothing_tells_names(api: Api, database: Database) -> None:
    async with service(api, database, Settings(introspection=False)) as quiet:
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
            answer = await answer_of(quiet, query)
            assert "introspection has been disabled" in answer["errors"][0]["message"]
        sort: Variables = {"sort": {"field": "ISSUE_DAT", "direction": "DESC", "directio": "ASC"}}
        misspelt = "query ($sort: InvoiceSortInput) { invoices(sort: $sort) { totalCount } }"
        for query in ("{ organisation { name } }", "{ invoices(frist: 1) { totalCount } }"):
            assert "Did you mean" not in str(await answer_of(quiet, query))
            assert "Did you mean" in str(await answer_of(api, query))
        assert "Did you mean" not in str(await answer_of(quiet, misspelt, sort))
        assert "Did you mean" in str(await answer_of(api, misspelt, sort))
        assert "errors" not in await answer_of(quiet, "{ __typename organization { name } }")
        page = await quiet.http.get("/graphql", headers={"Accept": "text/html"})
        assert (page.status_code, page.json()["errors"][0]["extensions"]["code"]) == (
            401,
            "UNAUTHENTICATED",
        )
        assert (await quiet.http.get("/graphiql/page.js")).status_code == 404


async def test_a_key_uses_up_its_minute(api: Api, other: Api, database: Database) -> None:
    async with service(api, database, Settings(rate_limit=100)) as limited:
        first = await answer_of(limited, "{ customers(first: 59) { nodes { id } } }")
        assert "errors" not in first
        left = first["extensions"]["rateLimit"]
        assert (left["limit"], 40 <= left["remaining"] <= 42) == (100, True)
        assert 30 <= left["resetSeconds"] <= 36
        response = await limited.http.post(
            "/graphql",
            json={"query": "{ customers(first: 98) { nodes { id } } }"},
            headers=api.headers,
        )
        assert response.status_code == 429
        assert 25 <= int(response.headers["retry-after"]) <= 40
        answer = response.json()
        assert answer["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
        assert answer["extensions"]["cost"]["requested"] == 99
        assert answer["extensions"]["rateLimit"]["remaining"] < 42
        # What is invalid is not free, and another key has a minute of its own.
        for _ in range(50):
            answer = await answer_of(limited, "{")
        assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        theirs = await answer_of(replace(limited, key=other.key), "{ __typename }")
        assert theirs["extensions"]["rateLimit"]["remaining"] >= 98
