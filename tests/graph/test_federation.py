"""What a gateway asks of us: the schema, and entities by their keys."""

import re
from pathlib import Path

import pytest
from graphql import (
    DefinitionNode,
    GraphQLUnionType,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    is_interface_type,
    is_object_type,
    parse,
)

from billing_gql.graph.nodes import NODES
from billing_gql.graph.schema import make_schema
from tests.graph.every_kind import every_kind
from tests.support import Api, Json, counted

ROOT = Path(__file__).parents[2]
ENTITIES = """query ($representations: [_Any!]!) {
  _entities(representations: $representations) { __typename ... on Node { id } } }"""


def ref(type_name: str, node_id: str) -> Json:
    return {"__typename": type_name, "id": node_id}


async def entities(api: Api, *representations: object) -> list[Json | None]:
    data = await api.query(ENTITIES, {"representations": representations})
    found: list[Json | None] = data["_entities"]
    return found


async def test_a_gateway_reads_the_schema_that_the_file_has_but_for_live_updates(api: Api) -> None:
    sdl = (await api.query("{ _service { sdl } }"))["_service"]["sdl"]
    whole = parse((ROOT / "schema.graphql").read_text(), no_location=True).definitions
    rest = parse(sdl, no_location=True).definitions
    assert [one for one in whole if one not in rest and not is_root(one)] == [
        one
        for one in whole
        if isinstance(one, TypeDefinitionNode) and one.name.value == "LiveUpdates"
    ]
    assert [one for one in rest if one not in whole and not is_root(one)] == []


def is_root(node: DefinitionNode) -> bool:
    """It names the roots."""
    return isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)


def test_every_type_of_a_node_is_an_entity_by_its_id() -> None:
    schema = make_schema()
    types = schema._schema.type_map
    node, union = types["Node"], types["_Entity"]
    assert is_interface_type(node)
    assert isinstance(union, GraphQLUnionType)
    nodes = {one.name for one in types.values() if is_object_type(one) and node in one.interfaces}
    assert nodes == {one.name for one in union.types}
    assert nodes == {type_.__name__ for type_, _ in NODES.values()}
    assert nodes == set(
        re.findall(r'type (\w+) implements Node @key\(fields: "id"\) \{', schema.sdl)
    )


def test_what_other_subgraphs_are_likely_to_have_too_is_shareable() -> None:
    assert set(re.findall(r"type (\w+)[\w& ]* @shareable", make_schema().sdl)) == {
        "Address",
        "AlreadyExistsError",
        "IdempotencyMismatchError",
        "InvalidInputError",
        "NotFoundError",
        "PageInfo",
    }


async def test_entities_of_every_kind_come_in_order(api: Api, other: Api) -> None:
    mine = await every_kind(api)
    refs = [ref(*one) for one in mine.items()]
    assert await entities(api, *refs) == refs
    assert await entities(api, *refs[::-1], refs[0]) == [*refs[::-1], refs[0]]
    assert await entities(other, *refs) == [None] * len(refs)
    assert await entities(api) == []


async def test_what_is_not_there_is_null_at_its_place(api: Api, other: Api) -> None:
    mine, theirs = await every_kind(api), await every_kind(other)
    customer = ref("Customer", mine["Customer"])
    names = list(mine)
    wrong = [
        ref("Customer", "cus_unknown"),
        ref("Customer", ""),
        ref("Customer", "nope"),
        ref("Customer", "key_1"),
        *(ref(name, one) for name, one in theirs.items()),
        # Each id under the next type's name.
        *(ref(names[at - 1], mine[name]) for at, name in enumerate(names)),
    ]
    with counted(api.database) as statements:
        assert await entities(api, *wrong[-len(names) :]) == [None] * len(names)
    asked = len(statements)
    with counted(api.database) as statements:
        await api.query("{ __typename }")
    assert asked == len(statements)
    for one in wrong:
        assert await entities(api, customer, one, customer) == [customer, None, customer], one


BAD: list[tuple[object, list[str], str]] = [
    (5, [], "an object with __typename and id"),
    ("Customer", [], "an object with __typename and id"),
    ([], [], "an object with __typename and id"),
    ({"id": "cus_1"}, ["__typename"], "must be one of BalanceTransaction, Coupon"),
    ({"__typename": 5, "id": "cus_1"}, ["__typename"], "must be one of"),
    ({"__typename": "Node", "id": "cus_1"}, ["__typename"], "must be one of"),
    ({"__typename": "UsageGroup", "id": "cus_1"}, ["__typename"], "must be one of"),
    ({"__typename": "Nothing", "id": "cus_1"}, ["__typename"], "must be one of"),
    ({"__typename": "Customer"}, ["id"], "a string"),
    ({"__typename": "Customer", "id": None}, ["id"], "a string"),
    ({"__typename": "Customer", "id": 5}, ["id"], "a string"),
    ({"__typename": "Customer", "id": ["cus_1"]}, ["id"], "a string"),
    ({"__typename": "Customer", "id": "cus_\u0000"}, [], ""),
]


@pytest.mark.parametrize(("representation", "field", "words"), BAD)
async def test_what_is_no_reference_is_refused_at_its_place(
    api: Api, representation: object, field: list[str], words: str
) -> None:
    mine = ref("Organization", api.organization_id)
    answer = await api.post(ENTITIES, {"representations": [mine, representation, mine]})
    assert answer["data"] == {"_entities": [mine, None, mine]}
    (error,) = answer["errors"]
    assert error["path"] == ["_entities", 1]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert words in error["message"]
    if field:
        assert error["extensions"]["argument"] == ["representations", "1", *field]


async def test_a_key_may_be_written_into_the_query_and_say_more(api: Api) -> None:
    customer = await api.customer()
    written = f'{{__typename: "Customer", id: "{customer["id"]}", name: "x", nested: [{{a: 1.5}}]}}'
    found = await api.query(
        f"{{ _entities(representations: [{written}]) {{ ... on Customer {{ name }} }} }}"
    )
    assert found == {"_entities": [{"name": "Acme"}]}


async def test_a_number_with_too_many_digits_is_refused(api: Api) -> None:
    answer = await api.post(
        f"{{ _entities(representations: [{{id: {'9' * 5000}}}]) {{ __typename }} }}"
    )
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "too many digits" in error["message"]


async def test_a_hundred_entities_take_the_statements_of_nodes(api: Api) -> None:
    customers = [await api.customer(f"c{n}") for n in range(4)]
    ids = [(await api.one_off(customers[n % 4], "5", "6"))["id"] for n in range(100)]
    shown = "{ ... on Invoice { id customer { name } lineItems { amount } } }"
    asked = f"query ($ids: [ID!]!) {{ found: nodes(ids: $ids) {shown} }}"
    with counted(api.database) as by_nodes:
        nodes = (await api.query(asked, {"ids": ids}))["found"]
    asked = f"query ($of: [_Any!]!) {{ found: _entities(representations: $of) {shown} }}"
    with counted(api.database) as by_entities:
        found = (await api.query(asked, {"of": [ref("Invoice", one) for one in ids]}))["found"]
    assert found == nodes
    assert [one["id"] for one in found] == ids
    assert len(by_entities) <= len(by_nodes)
    with counted(api.database) as by_one:
        await api.query(asked, {"of": [ref("Invoice", ids[0])]})
    assert len(by_one) == len(by_entities)


async def test_more_than_a_thousand_are_refused(api: Api) -> None:
    customer = await api.customer()
    one = ref("Customer", customer["id"])
    assert await entities(api, *[one] * 1000) == [one] * 1000
    answer = await api.post(ENTITIES, {"representations": [one] * 1001})
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"] == "At most 1000 representations, not 1001."
    assert error["extensions"] == {
        "code": "BAD_USER_INPUT",
        "argument": ["representations"],
        "problem": "TOO_MANY_ITEMS",
    }


async def test_entities_need_a_key(api: Api) -> None:
    response = await api.http.post("/graphql", json={"query": "{ _service { sdl } }"})
    assert response.status_code == 401
