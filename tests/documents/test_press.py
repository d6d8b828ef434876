"""Documents are set beside the event loop: so many at once, so long, so large."""

import asyncio
import os
import time

import pytest

from billing_gql.documents.frames import ANSWER
from billing_gql.documents.printed import DocumentForm
from billing_gql.documents.turns import Busy
from billing_gql.documents.typeset import NotSet, Press, TooLarge, encoded, tag_of
from tests.documents.pdfs import pdf_of
from tests.documents.samples import invoice, line

ONE = encoded(invoice())
MANY = encoded(invoice(*(line(number) for number in range(1, 1001))))


def press(*, at_once: int = 1, seconds: float = 60, most_bytes: int = 10**7) -> Press:
    return Press(at_once=at_once, seconds=seconds, most_bytes=most_bytes)


def processes(of: Press) -> set[int]:
    return {process.pid for process in of._idle}


async def test_one_process_sets_one_document_after_another() -> None:
    made = press()
    try:
        assert await made.pdf(ONE) == pdf_of(invoice())
        (first,) = processes(made)
        assert await made.pdf(ONE) == pdf_of(invoice())
        assert processes(made) == {first}
    finally:
        await made.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_no_more_are_set_at_once_than_may_be_and_no_more_wait() -> None:
    made = press(at_once=2)
    try:
        answers = await asyncio.gather(*(made.pdf(ONE) for _ in range(30)), return_exceptions=True)
        assert len(processes(made)) == 2
    finally:
        await made.close()
    done = [one for one in answers if isinstance(one, bytes)]
    refused = [one for one in answers if isinstance(one, Busy)]
    # Two are begun at once, and eight may wait for each.
    assert 16 <= len(done) <= 18
    assert len(done) + len(refused) == 30
    assert len(set(done)) == 1


async def test_what_takes_too_long_is_ended_and_the_next_is_set() -> None:
    made = press(seconds=0.001)
    with pytest.raises(Busy, match="in time"):
        await made.pdf(MANY)
    assert processes(made) == set()
    made._seconds = 60
    try:
        assert (await made.pdf(ONE)).startswith(b"%PDF-")
    finally:
        await made.close()


async def test_a_reader_who_goes_away_ends_the_process() -> None:
    made = press()
    task = asyncio.create_task(made.pdf(MANY))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes(made) == set()
    try:
        assert (await made.pdf(ONE)).startswith(b"%PDF-")
    finally:
        await made.close()


async def test_a_process_that_was_killed_is_replaced() -> None:
    made = press()
    try:
        await made.pdf(ONE)
        (pid,) = processes(made)
        os.kill(pid, 9)
        while made._idle[0].returncode is None:  # noqa: ASYNC110 # the loop reaps it
            await asyncio.sleep(0.01)
        assert (await made.pdf(ONE)).startswith(b"%PDF-")
        assert pid not in processes(made)
    finally:
        await made.close()


async def test_what_is_too_large_or_nonsense_is_refused() -> None:
    small = press(most_bytes=10_000)
    try:
        with pytest.raises(TooLarge, match="10,000 bytes"):
            await small.pdf(ONE)
    finally:
        await small.close()
    made = press()
    with pytest.raises(NotSet, match="could not be made"):
        await made.pdf(b"nonsense")
    await made.close()


async def test_the_event_loop_goes_on_meanwhile() -> None:
    made = press()
    gaps: list[float] = []

    async def beat() -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - before)
            before = time.monotonic()

    beating = asyncio.create_task(beat())
    try:
        await made.pdf(MANY)
    finally:
        beating.cancel()
        await made.close()
    # The thousand lines take half a second and more; a busy machine may take its time too.
    assert len(gaps) > 10


async def test_the_process_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_GQL_DATABASE_URL", "postgresql://u:secret@h/d")
    made = press()
    try:
        await made.pdf(ONE)
        (pid,) = processes(made)
        ran = await asyncio.create_subprocess_exec(
            "ps", "eww", "-o", "command", "-p", str(pid), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await ran.communicate()
        assert b"typesetter" in said and b"secret" not in said
    finally:
        await made.close()


def test_a_tag_is_of_all_that_a_document_says() -> None:
    pdf, xml = DocumentForm.PDF, DocumentForm.XML
    assert tag_of(ONE, pdf) == tag_of(encoded(invoice()), pdf)
    assert tag_of(ONE, pdf) != tag_of(encoded(invoice(is_void=True)), pdf)
    assert tag_of(ONE, pdf) != tag_of(ONE, xml)
    assert ANSWER.size == 6
