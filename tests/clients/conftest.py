"""The tools of front ends, from npm: each folder here is a package with its own lock.

Node is not needed to run the service, so without it these tests are skipped.
"""

import fcntl
import re
import shlex
import subprocess
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from tests.needs import program, unavailable

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
OLDEST_NODE = 20

Installed = Callable[[str], Path]


@pytest.fixture(scope="session")
def npm_installed() -> Installed:
    """Gives a folder by its name, with the packages of its lock in `node_modules`."""
    return _installed


@cache
def _installed(name: str) -> Path:
    _require_node()
    folder = HERE / name
    lock = folder / "package-lock.json"
    wanted = sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another worker of the run may want it too
        if not stamp.exists() or stamp.read_text() != wanted:
            done = run(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
            assert done.returncode == 0, done.stderr
            stamp.write_text(wanted)
    return folder


def run(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def blocks(mark: str, language: str, page: str = "bff.md") -> list[str]:
    """The code of a page of docs/ behind `<!-- mark -->`."""
    text = (DOCS / page).read_text()
    return re.findall(rf"<!-- {re.escape(mark)} -->\n```{language}\n(.*?)```", text, re.DOTALL)


def commands(name: str) -> list[list[str]]:
    """The words of each command of docs/bff.md that is not preparation."""
    (block,) = blocks(f"run: {name}", "sh")
    lines = [shlex.split(line) for line in block.replace("\\\n", "").splitlines()]
    return [words for words in lines if words[0] not in ("cd", "npm", "mkdir")]


def _require_node() -> None:
    program("npm")
    version = run(HERE, program("node"), "--version").stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        unavailable(f"needs Node {OLDEST_NODE} or newer, and this is {version}")
