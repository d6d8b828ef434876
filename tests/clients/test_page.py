"""docs/bff.md shows what is in the folders, and operations that the schema has.

Its commands are run by the other tests here.
"""

from pathlib import Path

import pytest
from graphql import parse, validate

from tests.clients.conftest import HERE, blocks
from tests.support import schema_of_the_file

CONFIGURATIONS = ["codegen/codegen.json"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_is_the_file(name: str) -> None:
    (shown,) = blocks(f"file: {name}", Path(name).suffix[1:])
    assert shown == (HERE / name).read_text()


def test_the_operations_are_of_the_schema() -> None:
    operations = blocks("graphql", "graphql")
    assert len(operations) == 2
    schema = schema_of_the_file()
    for one in operations:
        assert validate(schema, parse(one)) == []
