"""Sets documents outside of the event loop: so many at once, so long, so large, and no more."""

import asyncio
import hashlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import msgspec
import structlog

from billing_gql.documents.frames import ANSWER, DONE, LARGE, REQUEST
from billing_gql.documents.printed import DocumentForm, PrintedDocument
from billing_gql.documents.turns import Busy, Turns

WAITING_PER_PROCESS = 8
"""Documents that may wait for each process; what comes beyond is told to come again."""
PROGRAMS = ("typst", "factur-x", "lxml", "pypdf", "python-stdnum")
"""That have a say in the bytes of a document."""
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""Of the environment. Not the database's address, nor any secret."""
ONE_CORE = {"RAYON_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""A process works on one core, and its memory's bound holds on a machine of many cores too."""

log = structlog.get_logger()


def encoded(document: PrintedDocument) -> bytes:
    """The document as a typesetter reads it: the same bytes give the same PDF."""
    return msgspec.json.encode(document)


def tag_of(given: bytes, form: DocumentForm) -> str:
    """Names a form of an encoded document without making it, as this version would."""
    return hashlib.sha256(_version() + form.value.encode() + given).hexdigest()[:32]


@lru_cache(maxsize=1)
def _version() -> bytes:
    """Whatever else decides on the bytes: the program that sets and how it is told to."""
    folder = Path(__file__).parent
    told = sorted([*folder.glob("*.typ"), *folder.glob("*.py"), *folder.glob("words/*.toml")])
    parts = [*(version(name).encode() for name in PROGRAMS), *(path.read_bytes() for path in told)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


class NotSet(Exception):
    """Nothing was made; the message says why, to people."""


class TooLarge(NotSet):
    """It would have more bytes than it may."""


class Press:
    """The processes that set documents. One is started when it is first needed."""

    def __init__(self, *, at_once: int, seconds: float, most_bytes: int) -> None:
        waiting = at_once * WAITING_PER_PROCESS
        self._turns = Turns(at_once=at_once, waiting=waiting, seconds=seconds)
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._idle: list[Process] = []
        self._closed = False

    async def pdf(self, given: bytes) -> bytes:
        """The PDF of an `encoded` document; raises as `make` does."""
        return await self.make(given, DocumentForm.PDF)

    async def make(self, given: bytes, form: DocumentForm) -> bytes:
        """An `encoded` document in a form; raises Busy or TooLarge, or NotSet for a fault of ours.

        A process that is not done in time, or whose reader goes away, is ended.
        """
        async with self._turns.turn():
            return await self._set(given, form)

    async def _set(self, given: bytes, form: DocumentForm) -> bytes:
        process = self._idle.pop() if self._idle else None
        goes_on = False
        try:
            async with asyncio.timeout(self._seconds):
                if process is None or process.returncode is not None:
                    process = await self._start()
                status, goes_on, made = await _exchange(process, given, form)
        except TimeoutError:
            log.warning("document not set in time", seconds=self._seconds)
            raise Busy("The document could not be made in time. Try again later.") from None
        except (OSError, EOFError) as error:
            log.error("typesetter ended", error=type(error).__name__)
            raise NotSet("The document could not be made.") from None
        finally:
            if process is not None:
                if goes_on and not self._closed:
                    self._idle.append(process)
                else:
                    await _end(process)
        if status == LARGE:
            raise TooLarge(f"The document would have more than {self._most_bytes:,} bytes.")
        if status != DONE:
            log.error("document not set", error=made.decode(errors="replace"))
            raise NotSet("The document could not be made.")
        return made

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "billing_gql.documents.typesetter",
            str(self._most_bytes),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={
                **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
                **ONE_CORE,
            },
            start_new_session=True,  # Ctrl-C is for the service, which ends them itself
        )

    async def close(self) -> None:
        """Ends the processes that wait; those at work end when they are done."""
        self._closed = True
        while self._idle:
            await _end(self._idle.pop())


async def _exchange(
    process: Process, given: bytes, form: DocumentForm
) -> tuple[bytes, bool, bytes]:
    """One input and its answer; raises OSError or EOFError where the process ended instead."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started with pipes")
    process.stdin.write(REQUEST.pack(form.value.encode(), len(given)) + given)
    await process.stdin.drain()
    head = await process.stdout.readexactly(ANSWER.size)
    status, goes_on, length = ANSWER.unpack(head)
    return status, goes_on, await process.stdout.readexactly(length)


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
