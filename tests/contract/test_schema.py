"""The schema is a contract: printed from the code, and never against what was promised."""

from pathlib import Path

from graphql import GraphQLSchema, build_schema, find_breaking_changes

from billing_gql.graph.schema import make_schema
from tests.support import schema_of_the_file

ROOT = Path(__file__).parents[2]
CONTRACT = Path(__file__).with_name("contract.graphql")


def promised() -> GraphQLSchema:
    return build_schema(CONTRACT.read_text())


def test_the_file_is_what_the_code_prints() -> None:
    assert (ROOT / "schema.graphql").read_text() == make_schema().sdl, "make schema"


def test_nothing_is_against_the_contract() -> None:
    changes = find_breaking_changes(promised(), schema_of_the_file())
    assert [change.description for change in changes] == []


def test_a_difference_would_be_found() -> None:
    text = CONTRACT.read_text()
    changed = text.replace("number: String\n", "number: Int\n", 1)
    assert changed != text
    assert find_breaking_changes(promised(), build_schema(changed))
