"""The table of codes in docs/api.md is the codes that the code has."""

import re
from pathlib import Path

from tests.cli.test_readme import table

ROOT = Path(__file__).parents[2]
GRAPH = ROOT / "src" / "billing_gql" / "graph"
WRITTEN = re.compile(
    r"""(?:"code":\s*|too_much\(\s*|HttpProblem\(\s*\d+,\s*|super\(\).__init__\(\s*\d+,\s*"""
    r"""|failure\.status_code,\s*|code\s*=\s*|ended\(\s*)"([A-Z_]{5,})\""""
)
"""A code where an error gets it."""


def test_the_table_of_codes_is_whole() -> None:
    written = {
        code
        for path in [*GRAPH.glob("*.py"), ROOT / "src/billing_gql/app.py"]
        for code in WRITTEN.findall(path.read_text())
    }
    page = (ROOT / "docs" / "api.md").read_text()
    answers, streams = page.split("## Live updates")
    documented = set()
    for part in (answers, streams):
        found = [code for row in table(part, "Code") for code in re.findall(r"`([A-Z_]+)`", row[0])]
        assert len(found) == len(set(found))
        documented |= set(found)
    assert documented == written
