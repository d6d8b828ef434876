"""Work on documents is done by so many at once; some wait for a turn, and no more than some."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Busy(Exception):
    """Too many wait, or it took too long: the same may succeed later. The message is for people."""


class Turns:
    """Who works and who waits, in one process."""

    def __init__(self, *, at_once: int, waiting: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting = 0
        self._seconds = seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Held around the work; raises Busy where none comes in time."""
        crowd = "Too many documents are asked for at this moment. Try again soon."
        if self._waiting >= self._most_waiting:
            raise Busy(crowd)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(crowd) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
