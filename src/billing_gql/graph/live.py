"""Who wants to know of changed invoices, in this process, and what they have not been told yet.

The hub never waits for anybody. A watch holds the ids of what changed, each once, so a slow client
gets the latest state of each invoice and never a growing queue.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from weakref import WeakSet

from graphql import GraphQLError, OperationType
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from billing_gql.auth import Unauthenticated, authenticate
from billing_gql.graph.admission import Admission
from billing_gql.graph.bodies import HttpProblem
from billing_gql.graph.context import Context
from billing_gql.graph.links import Links
from billing_gql.graph.read_document import Operation
from billing_gql.observe.metrics import HUBS
from billing_gql.store.database import Database
from billing_gql.store.listen import Change, Listener

MOST_PENDING = 1_000
"""Invoices that changed and were not taken yet; with more, the stream ends."""
ORGANIZATIONS = 10
"""So many times an organization's bound is the process's, in streams and in connections."""
CLOSE_SECONDS = 1.0

RELOAD = "Read what you show again, and subscribe again."


def ended(code: str, message: str) -> GraphQLError:
    """The error that ends a stream, or refuses it."""
    return GraphQLError(message, extensions={"code": code})


class Watch:
    """One subscription: what it is about, and what changed since it last took something."""

    def __init__(self, invoice_id: str | None, customer_id: str | None) -> None:
        self.invoice_id = invoice_id
        self.customer_id = customer_id
        self._pending: dict[str, None] = {}
        self._end: GraphQLError | None = None
        self._something = asyncio.Event()

    def tell(self, change: Change) -> None:
        """Notes the change if it is one of those that are watched."""
        if self.invoice_id not in (None, change.invoice_id) or self._end:
            return
        if self.customer_id not in (None, change.customer_id):
            return
        self._pending[change.invoice_id] = None
        self._something.set()
        if len(self._pending) > MOST_PENDING:
            self.end(
                ended(
                    "TOO_SLOW",
                    f"More than {MOST_PENDING:,} invoices changed before you took them. {RELOAD}",
                )
            )

    def end(self, why: GraphQLError) -> None:
        """Ends the stream; what is pending is not sent any more."""
        self._pending.clear()
        self._end = why
        self._something.set()

    async def changed(self) -> str:
        """The id of the next invoice that changed. Raises what ended the stream."""
        await self._something.wait()
        if self._end is not None:
            raise self._end
        invoice_id = next(iter(self._pending))
        del self._pending[invoice_id]
        if not self._pending:
            self._something.clear()
        return invoice_id


class Live:
    """The hub of a process: one listener, and the watches that it tells."""

    def __init__(self, database: Database, *, most: int, readers: int) -> None:
        """At most `most` watches an organization; `readers` of them read at the same time."""
        self.database = database
        self.most = most
        # A change may wake a thousand watches: requests need the pool's connections too.
        self.turns = asyncio.Semaphore(readers)
        # Whoever drops a watch without a word is forgotten with it.
        self._watches: dict[str, WeakSet[Watch]] = {}
        self._closers: set[Callable[[int, str], Awaitable[None]]] = set()
        self._listener = Listener(database, self)
        self._stopping = False
        HUBS.add(self)

    @property
    def subscriptions(self) -> int:
        """How many watches there are, of all organizations."""
        return sum(len(one) for one in self._watches.values())

    async def watch(
        self, organization_id: str, invoice_id: str | None, customer_id: str | None
    ) -> Watch:
        """A watch that is told of every commit from now on. Raises GraphQLError."""
        if self._stopping:
            raise _stopping()
        watches = self._watches.setdefault(organization_id, WeakSet())
        if len(watches) >= self.most or self.subscriptions >= self.most * ORGANIZATIONS:
            raise ended(
                "TOO_MANY_SUBSCRIPTIONS",
                f"There are {self.most:,} live subscriptions already: end some first.",
            )
        watch = Watch(invoice_id, customer_id)
        watches.add(watch)
        try:
            await self._listener.listen()
        except BaseException as error:
            self.leave(organization_id, watch)
            if isinstance(error, TimeoutError):
                message = "Changes cannot be heard of now. Try again in a moment."
                raise ended("UNAVAILABLE", message) from None
            raise
        return watch

    def leave(self, organization_id: str, watch: Watch) -> None:
        """Forgets a watch."""
        watches = self._watches.get(organization_id)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watches[organization_id]

    def count(self, organization_id: str) -> int:
        """How many watches the organization has here."""
        return len(self._watches.get(organization_id, ()))

    def organizations(self) -> Sequence[str]:
        return [one for one, watches in self._watches.items() if watches]

    def tell(self, change: Change) -> None:
        for watch in self._watches.get(change.organization_id, ()):
            watch.tell(change)

    def lost(self, organization_id: str) -> None:
        for watch in self._watches.get(organization_id, ()):
            watch.end(ended("CHANGES_LOST", f"Changes may have been missed. {RELOAD}"))

    def opened(self, close: Callable[[int, str], Awaitable[None]]) -> bool:
        """Remembers a connection that `stop` is to close; False if there are too many."""
        if self._stopping or len(self._closers) >= self.most * ORGANIZATIONS:
            return False
        self._closers.add(close)
        return True

    def closed(self, close: Callable[[int, str], Awaitable[None]]) -> None:
        """Forgets it."""
        self._closers.discard(close)

    async def stop(self) -> None:
        """Ends every stream and connection, so that the server can go; none can begin after it."""
        self._stopping = True
        message = "The server goes down. Connect again."
        closing = [asyncio.create_task(_close(one, message)) for one in list(self._closers)]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for watches in self._watches.values():
            for watch in watches:
                watch.end(_stopping())
        await self._listener.close()


async def _close(close: Callable[[int, str], Awaitable[None]], reason: str) -> None:
    await close(1001, reason)


def _stopping() -> GraphQLError:
    return ended("SERVER_STOPPING", "The server goes down. Subscribe again.")


class StreamContext(Context):
    """What a subscription carries, or a WebSocket for the subscriptions that come over it.

    A snapshot is opened for each update by `authenticate`, and closed before anybody waits for the
    client.
    """

    def __init__(
        self, live: Live, admission: Admission, links: Links, request: HTTPConnection
    ) -> None:
        # A subscription moves no money, so no provider is asked.
        super().__init__(live.database, {}, links, request, live.turns)
        self.live = live
        self.admission = admission
        self.connection_params: dict[str, object] = {}
        """What a WebSocket's `connection_init` said; strawberry puts it here."""
        self.started = asyncio.Event()
        """Set once the subscription hears of every change."""

    def of_one_operation(self) -> "StreamContext":
        """A context of the operation's own."""
        own = StreamContext(self.live, self.admission, self.links, self.request)
        own.authorization = self.authorization
        own.started = self.started
        own.enter(self.organization)
        return own

    def admit(
        self, query: str | None, name: str | None, variables: Mapping[str, object] | None
    ) -> list[GraphQLError]:
        """What is wrong with the operation, if anything; only subscriptions are streamed."""
        try:
            return self.admission.admit(self, query, name, variables, _may_be_streamed)
        except HttpProblem as problem:
            return [ended(problem.code, problem.message)]

    async def authenticate(self) -> None:
        """Enters the organization of the key, at its present. Raises Unauthenticated.

        Begins to read anew, after `close` too.
        """
        self.reopen()
        async with self.reading() as session:
            self.enter(await authenticate(session, self.authorization))

    async def authenticate_again(self) -> None:
        """The same for a stream that runs: a key that was taken back ends it."""
        try:
            await self.authenticate()
        except Unauthenticated as error:
            raise ended("UNAUTHENTICATED", str(error)) from None

    async def streamed(
        self, source: AsyncGenerator[ExecutionResult, None]
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The results as the caller may see them, with nothing held while each is sent."""
        try:
            async with aclosing(source):
                async for result in source:
                    await self.close()
                    if result.errors:
                        result.errors = [self.admission.shown(one) for one in result.errors]
                    # What it costs is told once.
                    result.extensions = self.extensions or None
                    self.extensions = {}
                    yield result
        except Exception as failure:
            await self.close()
            error = (
                failure
                if isinstance(failure, GraphQLError)
                else GraphQLError("fault", original_error=failure)
            )
            yield PreExecutionError(data=None, errors=[self.admission.shown(error)])
        finally:
            await self.close()


def _may_be_streamed(operation: Operation) -> None:
    if operation.node.operation is not OperationType.SUBSCRIPTION:
        message = "Only subscriptions are streamed: send queries and mutations for JSON."
        raise HttpProblem(400, "BAD_REQUEST", message)
