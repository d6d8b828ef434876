"""GraphQL codegen makes TypeScript's types from the schema and the examples of GraphiQL."""

from tests.clients.conftest import Installed, commands, run


def test_the_examples_are_typed(npm_installed: Installed) -> None:
    folder = npm_installed("codegen")
    generate, check = commands("codegen")
    made = run(folder, *generate)
    assert made.returncode == 0, made.stdout + made.stderr
    types = (folder / "generated" / "graphql.ts").read_text()
    assert ": any" not in types
    assert "total: string" in types
    checked = run(folder, *check)
    assert checked.returncode == 0, checked.stdout
