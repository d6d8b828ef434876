"""What the documents say is what the code does: the README's commands are run as they stand."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from billing_gql.invoices.states import TRANSITIONS, InvoiceAction, InvoiceStatus
from billing_gql.settings import Settings
from tests.cli.conftest import COMMAND, Cli
from tests.needs import program

ROOT = Path(__file__).parents[2]
SOURCES = "".join(one.read_text() for one in (ROOT / "src").rglob("*.py"))
OF_OTHERS = {"ACM", "CN", "WebSocket", "webSocketImpl"}
"""What docs/api.md names that is of an example, or of JavaScript."""
README = (ROOT / "README.md").read_text()


def blocks(mark: str, language: str) -> list[str]:
    """The code blocks behind `<!-- mark -->`."""
    return re.findall(rf"<!-- {mark} -->\n```{language}\n(.*?)```", README, re.DOTALL)


def answer_behind(mark: str) -> Any:
    (block,) = blocks(mark, "json")
    return json.loads(block)


def table(document: str, first_cell: str) -> list[list[str]]:
    """The rows of the table whose header starts with the cell."""
    lines = document[document.index(f"| {first_cell} |") :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_first_customer(bundled: Cli) -> None:
    program("curl")
    (service,) = blocks("run: service", "sh")
    words = shlex.split(service)
    assert words == [".venv/bin/billing-gql", "serve"]
    with bundled.running(*words[1:], "--port=0", says="Serving on.*") as running:
        script = "set -eu\n" + "".join(blocks("run", "sh"))
        script = script.replace("http://127.0.0.1:8000", running.url)
        script = script.replace(words[0], shlex.join(COMMAND))
        await_it = f"until curl -sf {running.url}/readyz; do sleep 0.1; done; echo\n"
        ran = subprocess.run(
            ["sh", "-c", await_it + script],
            env=bundled.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert '{"acceptedCount":2,"duplicateCount":0,"errors":[]}' in ran.stdout
    assert 'rrors":[{' not in ran.stdout, ran.stdout
    last = ran.stdout[ran.stdout.rindex('{"data"') :]
    assert json.loads(last) == answer_behind("last answer")


def test_the_table_of_settings() -> None:
    assert table(README, "Variable") == [
        [
            f"`BILLING_GQL_{name.upper()}`",
            "none" if field.default is None else f"`{field.default}`",
            field.description,
        ]
        for name, field in Settings.model_fields.items()
    ]


def test_the_table_of_states() -> None:
    def cell(action: InvoiceAction, status: InvoiceStatus) -> str:
        condition = TRANSITIONS[action].get(status)
        if condition is None:
            return "-"
        if action is InvoiceAction.UPDATE and status is not InvoiceStatus.DRAFT:
            return "metadata"
        name = condition.__name__.strip("_").replace("_", " ")
        return "yes" if name == "always" else name

    api = (ROOT / "docs" / "api.md").read_text()
    assert table(api, "Action") == [
        [f"`{action.value}`", *(cell(action, status) for status in InvoiceStatus)]
        for action in TRANSITIONS
    ]


def test_links_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
            assert "//" in target or (document.parent / target).exists(), (document, target)


def test_the_map_has_every_folder_and_nothing_else() -> None:
    package = ROOT / "src" / "billing_gql"
    there = {f"{one.name}/" for one in package.iterdir() if (one / "__init__.py").exists()}
    there |= {one.name for one in package.glob("[!_]*.py")}
    named = {name for row in table(README, "Folder") for name in re.findall(r"`([^`]+)`", row[0])}
    assert named == there


def names_of_the_schema() -> set[str]:
    """Its types, fields, arguments and values of enums."""
    text = re.sub(r'"""[\s\S]*?"""', "", (ROOT / "schema.graphql").read_text())
    return set(re.findall(r"\w+", text))


def test_what_the_api_page_names_is_there() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    prose = re.sub(r"```[\s\S]*?```", "", page)
    named = re.findall(
        # camelCase, PascalCase of two words, and what is in capitals.
        r"(?<![\w-])(?:[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}(?:_[A-Z]+)*)(?![\w])",
        " ".join(re.findall(r"`([^`\n]+)`", prose)),
    )
    known = names_of_the_schema() | {f"BILLING_GQL_{one.upper()}" for one in Settings.model_fields}
    assert len(named) > 200
    assert [
        one
        for one in dict.fromkeys(named)
        if one not in known | OF_OTHERS and f'"{one}"' not in SOURCES
    ] == []
