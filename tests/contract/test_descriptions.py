"""Every part of the API says what it is, in the schema's file, in introspection and to gateways."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    build_client_schema,
    build_schema,
    introspection_from_schema,
)

from billing_gql.graph import schema as api
from billing_gql.graph.descriptions import describe, described, words
from billing_gql.graph.schema import BillingSchema, make_schema
from tests.support import FEDERATION, schema_of_the_file

MOST = 120
"""Characters of an entry: one short sentence, which a tool shows without cutting it."""


def texts(schema: GraphQLSchema) -> dict[str, str | None]:
    """Each type and member with its description, but for introspection's own."""
    return {
        type_name if member is None else f"{type_name}.{member}": one.description
        for type_name, member, one in described(schema)
    }


@pytest.fixture(scope="module")
def built() -> BillingSchema:
    return make_schema()


@pytest.fixture
def as_coded(monkeypatch: pytest.MonkeyPatch) -> Iterator[GraphQLSchema]:
    """The schema before it is described."""
    with monkeypatch.context() as patch:
        patch.setattr(api, "describe", lambda schema: set())
        yield make_schema()._schema


def test_all_is_described(built: BillingSchema) -> None:
    undescribed = [name for name, text in texts(built._schema).items() if not (text or "").strip()]
    assert undescribed == []


def test_each_entry_is_needed(as_coded: GraphQLSchema) -> None:
    entries = {(table, name) for table, names in words().items() for name in names}
    assert entries - describe(as_coded) == set(), "named nothing, or what has words in code"


def test_words_in_code_stay(as_coded: GraphQLSchema, built: BillingSchema) -> None:
    in_code = {name: text for name, text in texts(as_coded).items() if text}
    assert len(in_code) > 100
    assert in_code.items() <= texts(built._schema).items()


def test_entries_are_short_sentences() -> None:
    wrong = [
        (table, name)
        for table, names in words().items()
        for name, text in names.items()
        if len(text) >= MOST or text != text.strip() or not text.endswith(".")
    ]
    assert wrong == []


def test_a_gap_would_be_found() -> None:
    field = GraphQLField(GraphQLString, args={"of": GraphQLArgument(GraphQLString)})
    schema = GraphQLSchema(GraphQLObjectType("Query", {"nobodyKnows": field}))
    describe(schema)
    assert texts(schema)["Query.nobodyKnows"] is None
    assert texts(schema)["Query.nobodyKnows(of)"] is None


def test_the_file_and_introspection_say_the_same(built: BillingSchema) -> None:
    told = texts(built._schema)
    introspected = texts(build_client_schema(introspection_from_schema(built._schema)))
    assert introspected.items() <= told.items()
    printed = texts(schema_of_the_file())
    # What the printer leaves out is what every gateway brings along.
    left_out = {name for name in told if name.startswith(("link__", "_FieldSet"))}
    assert {name: printed.get(name) for name in told.keys() - left_out} == {
        name: text for name, text in told.items() if name not in left_out
    }


def test_a_gateway_reads_them_too(built: BillingSchema) -> None:
    subgraph = texts(build_schema(built.subgraph_sdl + FEDERATION))
    assert subgraph["Invoice.isOverdue"] == texts(built._schema)["Invoice.isOverdue"]
    assert subgraph["InvoiceStatus.DRAFT"] == texts(built._schema)["InvoiceStatus.DRAFT"]
    assert subgraph["Customer.usage(window)"] == texts(built._schema)["Customer.usage(window)"]
