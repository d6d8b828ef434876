"""Clients from npm: each has a folder here with its package.json and lock file."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

NpmInstalled = Callable[[str], Path]
"""From the name of a folder beside this file to the folder, its packages installed."""


def install(folder: Path) -> None:
    """Installs what the lock file names, unless that was done before.

    Workers of one run wait for each other. The packages' own scripts are not run.
    """
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".installed"
    with (folder / ".npm.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if done.exists() and done.read_bytes() == lock.read_bytes():
            return
        ran = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        done.write_bytes(lock.read_bytes())


@pytest.fixture(scope="session")
def npm_installed() -> NpmInstalled:
    """Gives a client's folder with its packages; skips the test where there is no Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node with npm is not installed")
    root = Path(__file__).parent

    def installed(name: str) -> Path:
        install(root / name)
        return root / name

    return installed
