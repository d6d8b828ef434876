"""How long a request may take: until its time is over, or until nobody waits for its answer."""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive

WATCHED_AFTER = 0.1
"""Seconds before a request looks whether its client is still there: most are answered by then."""


class Stopped(Exception):
    """The request was stopped before it was answered."""


class TimeIsOver(Stopped):
    """It took longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request took longer than {seconds:g} seconds and was stopped.")


class ClientGone(Stopped):
    """Its client closed the connection."""

    def __init__(self) -> None:
        super().__init__("The client went away.")


class Deadline:
    """Around the work of a request: cancels it, and raises Stopped once it has ended."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._scope = asyncio.timeout(seconds)
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        return self

    def watch(self, receive: Receive) -> None:
        """From now on, with the body read, all that can come is that the client goes away."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(WATCHED_AFTER, self._begin, receive)

    def _begin(self, receive: Receive) -> None:
        self._watcher = asyncio.create_task(self._until_gone(receive))

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        try:
            await self._scope.__aexit__(kind, raised, traceback)
        except TimeoutError:
            if not self._scope.expired():
                raise
            raise (ClientGone() if self._gone else TimeIsOver(self.seconds)) from None
