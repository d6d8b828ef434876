"""Relay's compiler takes our connections, ids and nodes for its own."""

import shutil
from pathlib import Path

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from tests.clients.conftest import Installed, commands, run
from tests.support import Api

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("source", ["the file", "introspection"])
async def test_a_list_of_invoices_loads_its_next_page(
    npm_installed: Installed, api: Api, tmp_path: Path, source: str
) -> None:
    folder = npm_installed("relay")
    # In a copy: the compiler writes beside the sources, and adds that to git by itself.
    shutil.copytree(folder / "src", tmp_path / "src")
    shutil.copy(folder / "relay.config.json", tmp_path)
    schema = (ROOT / "schema.graphql").read_text()
    if source == "introspection":
        schema = print_schema(build_client_schema(await api.query(get_introspection_query())))  # type: ignore[arg-type] # the answer is one
    (tmp_path / "schema.graphql").write_text(schema)
    ((npx, *words),) = commands("relay")
    compile_ = [npx, "--prefix", str(folder), *words]
    done = run(tmp_path, *compile_)
    assert done.returncode == 0, done.stderr
    made = {file.name: file.read_text() for file in (tmp_path / "src/__generated__").iterdir()}
    assert set(made) == {
        "InvoiceList_query.graphql.ts",
        "InvoiceListPaginationQuery.graphql.ts",
        "InvoiceListQuery.graphql.ts",
        "InvoiceRow_invoice.graphql.ts",
        "InvoiceRowQuery.graphql.ts",
    }
    # The next page is asked for by the last one's cursor, and a row again by its id.
    assert "$cursor" in made["InvoiceListPaginationQuery.graphql.ts"]
    assert "endCursor" in made["InvoiceListPaginationQuery.graphql.ts"]
    assert "node(id: $id)" in made["InvoiceRowQuery.graphql.ts"]
    assert "readonly total: string;" in made["InvoiceList_query.graphql.ts"]
    file = tmp_path / "src/InvoiceList.ts"
    file.write_text(file.read_text().replace("number\n", "nummer\n", 1))
    refused = run(tmp_path, *compile_)
    assert refused.returncode != 0
    assert "nummer" in refused.stderr + refused.stdout
