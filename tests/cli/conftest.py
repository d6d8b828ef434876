"""The command line as people run it: real processes, each with an environment of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.databases import new_database

COMMAND = [sys.executable, "-m", "billing_gql"]
Done = subprocess.CompletedProcess[str]


@dataclass
class Cli:
    """The command with an environment that has nothing of ours but what is given."""

    environment: Mapping[str, str]

    @property
    def env(self) -> dict[str, str]:
        plain = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), "LC_ALL": "C.UTF-8"}
        return {**plain, **self.environment}

    def run(self, *words: str, **more: str) -> Done:
        """Runs a command to its end; `more` goes into the environment."""
        return subprocess.run(
            [*COMMAND, *words],
            env={**self.env, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, *words: str, **more: str) -> Done:
        """The same, for what must succeed."""
        ran = self.run(*words, **more)
        assert ran.returncode == 0, ran.stderr
        return ran

    def refused(self, *words: str, **more: str) -> str:
        """What a command says that must end with status 1, nothing on stdout and no traceback."""
        ran = self.run(*words, **more)
        assert (ran.returncode, ran.stdout) == (1, ""), ran
        assert "Traceback" not in ran.stderr, ran.stderr
        assert "billing-gql: " in ran.stderr, ran.stderr
        return ran.stderr.partition("billing-gql: ")[2].strip()

    def organization(self, *words: str) -> dict[str, str]:
        """A new organization's id and key."""
        made = self.done(
            "organization", "create", "--name=Acme", "--timezone=UTC", "--currency=USD", *words
        )
        answer: dict[str, str] = msgspec.json.decode(made.stdout)
        return answer

    @contextmanager
    def running(self, *words: str, says: str) -> Iterator["Running"]:
        """A command that stays, once it has said `says`; it is told to end at the end."""
        process = subprocess.Popen(
            [*COMMAND, *words],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        reader: threading.Thread | None = None
        try:
            said = ""
            while not (found := re.search(says, said)):
                line = process.stderr.readline() if process.stderr else ""
                assert line, f"it ended: {said}"
                said += line
            running = Running(process, found[0], said, [])
            # Read all the time: a full pipe would stop the process.
            reader = threading.Thread(target=running.read)
            reader.start()
            yield running
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            finally:
                if reader is not None:
                    reader.join()


@dataclass
class Running:
    """A command that stays."""

    process: subprocess.Popen[str]
    found: str
    said: str
    lines: list[str]
    """What it has said on stderr since."""

    def read(self) -> None:
        """Takes what it says, until its end."""
        assert self.process.stderr
        self.lines.extend(self.process.stderr)

    def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The JSON lines of an event, once there are as many."""
        give_up = time.monotonic() + 20
        while True:
            lines = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
            found = [line for line in lines if line["event"] == event]
            if len(found) >= count:
                return found
            assert time.monotonic() < give_up, self.lines
            time.sleep(0.05)

    @property
    def url(self) -> str:
        """The address that it has told."""
        address = re.search(r"http://[^/\s]+", self.said)
        assert address, self.said
        return address[0]

    def listen(self) -> None:
        """Waits until the service listens, which it does soon after it has told its address."""
        give_up = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.url}/healthz", timeout=30)
                return
            except httpx.ConnectError:
                assert time.monotonic() < give_up
                time.sleep(0.05)

    def ask(self, key: str, query: str, **variables: object) -> Any:
        """The data of an answer, once the service listens."""
        self.listen()
        response = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]


@pytest.fixture
async def unmigrated(server_url: str) -> AsyncIterator[Cli]:
    """The command on a database without tables."""
    async with new_database(server_url) as url:
        yield Cli({"BILLING_GQL_DATABASE_URL": url})


@pytest.fixture
async def cli(database_url: str, database: object) -> Cli:
    """The command on the worker's database, which is migrated."""
    return Cli({"BILLING_GQL_DATABASE_URL": database_url})


@pytest.fixture
def bundled() -> Iterator[Cli]:
    """The command with a bundled server of its own, in a folder that any account may enter."""
    place = Path(tempfile.mkdtemp(dir="/tmp", prefix="bgql-")).resolve()
    place.chmod(0o755)
    try:
        yield Cli({"BILLING_GQL_DATA_DIR": str(place / "data")})
    finally:
        give_up = time.monotonic() + 10
        while place.exists() and time.monotonic() < give_up:
            # The last user has gone, but its supervisor may still be stopping the server.
            if not (place / "data/pgdata/postmaster.pid").exists():
                shutil.rmtree(place, ignore_errors=True)
            time.sleep(0.05)
