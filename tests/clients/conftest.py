"""The tools of front ends, from npm: each folder here is a package with its own lock.

Node is not needed to run or test the service, so without it these tests are skipped; where
BILLING_GQL_TEST_REQUIRE_NODE=1 says that nothing may be skipped, as in `.ci/run`, they fail.
"""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "bff.md").read_text()
OLDEST_NODE = 20

Installed = Callable[[str], Path]


@pytest.fixture(scope="session")
def npm_installed() -> Installed:
    """Gives a folder by its name, with the packages of its lock in `node_modules`."""
    return _installed


@cache
def _installed(name: str) -> Path:
    missing = _missing()
    if missing:
        required = os.environ.get("BILLING_GQL_TEST_REQUIRE_NODE") == "1"
        (pytest.fail if required else pytest.skip)(missing)
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


def blocks(mark: str, language: str) -> list[str]:
    """The code of docs/bff.md behind `<!-- mark -->`."""
    return re.findall(rf"<!-- {re.escape(mark)} -->\n```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands(name: str) -> list[list[str]]:
    """The words of each command of docs/bff.md that is not preparation."""
    (block,) = blocks(f"run: {name}", "sh")
    lines = [shlex.split(line) for line in block.replace("\\\n", "").splitlines()]
    return [words for words in lines if words[0] not in ("cd", "npm", "mkdir")]


def _missing() -> str | None:
    """Why the tests of this folder cannot run; None if they can."""
    for command in ("node", "npm"):
        if not shutil.which(command):
            return f"{command} is not there; these tests need Node {OLDEST_NODE} or newer"
    version = run(HERE, "node", "--version").stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        return f"Node is {version}; these tests need Node {OLDEST_NODE} or newer"
    return None
