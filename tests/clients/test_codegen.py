"""GraphQL codegen makes TypeScript's types from the schema and the examples of GraphiQL."""

from tests.clients.conftest import Installed, run


def test_the_examples_are_typed(npm_installed: Installed) -> None:
    folder = npm_installed("codegen")
    tools = folder / "node_modules" / ".bin"
    made = run(folder, tools / "graphql-codegen", "--config", "codegen.json")
    assert made.returncode == 0, made.stdout + made.stderr
    types = (folder / "generated" / "graphql.ts").read_text()
    assert ": any" not in types
    assert "total: string" in types
    options = "--noEmit --strict --target es2022 --module esnext --moduleResolution bundler"
    checked = run(folder, tools / "tsc", *options.split(), "use.ts")
    assert checked.returncode == 0, checked.stdout
