"""The two doors to the store: one snapshot for a query, one transaction for a mutation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, TypeVar, cast

from asyncpg.exceptions import (
    AdminShutdownError,
    CannotConnectNowError,
    CharacterNotInRepertoireError,
    CrashShutdownError,
    DeadlockDetectedError,
    PostgresConnectionError,
    QueryCanceledError,
    SerializationError,
    TooManyConnectionsError,
    UniqueViolationError,
    UntranslatableCharacterError,
)
from sqlalchemy import AsyncAdaptedQueuePool, CursorResult, Executable, NullPool, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.problems import InvalidInput
from billing_gql.observe.metrics import POOLS
from billing_gql.store.columns import from_json, to_json
from billing_gql.store.statements import Statements

T = TypeVar("T")

OLDEST_SERVER = 150_000
"""PostgreSQL 15, as `server_version_num`: the oldest that the tests are run on."""
ATTEMPTS = 5
GONE = (
    AdminShutdownError,
    CannotConnectNowError,
    CrashShutdownError,
    PostgresConnectionError,
    TooManyConnectionsError,
)
"""The server goes down, comes up, or takes no more connections."""
PASSING = (DeadlockDetectedError, SerializationError, UniqueViolationError)
"""What another transaction caused, and another try may not meet."""


class DatabaseError(Exception):
    """The database cannot be used; the message says why and what to do."""


class StatementTimeout(Exception):
    """PostgreSQL stopped a statement: it ran for longer than it may, or waited so long."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"The database stopped a statement of this request, which may take {seconds} seconds."
            " Ask for less, or later."
        )


def cause_of(error: DBAPIError) -> BaseException | None:
    """What asyncpg raised."""
    return error.orig.__cause__ if error.orig else None


def refuse_bad_text(error: DBAPIError) -> None:
    """Raises InvalidInput where the server met U+0000, which no text of it can hold."""
    if isinstance(cause_of(error), CharacterNotInRepertoireError | UntranslatableCharacterError):
        raise InvalidInput("Text must not contain the character U+0000.") from error


def is_outage(error: BaseException) -> bool:
    """The database could not be reached or was lost: nothing of what was asked is to blame."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(cause_of(error), GONE)
    return isinstance(error, OSError | PoolTimeout)


def _refuse_closed(connection: Any, *_: object) -> None:
    """Has the pool replace a connection whose server went away, without asking the server."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def _to_its_end(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Awaits it also where the caller is cancelled meanwhile, which is raised then.

    After so many seconds more it is given up.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=seconds)
        if task.done() and not task.cancelled():
            task.exception()  # looked at, or the event loop would log it
        task.cancel()
        raise


async def run_sql(
    session: AsyncSession, statement: Executable, values: Mapping[str, object] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Runs SQL that has no model, on the session's connection and in its transaction."""
    connection = await session.connection()
    return await connection.execute(statement, values)


class WaitingPool(AsyncAdaptedQueuePool):
    """The usual pool; knows how many wait for a connection, or for one to be made."""

    waiting = 0

    def connect(self) -> PoolProxiedConnection:
        self.waiting += 1
        try:
            return super().connect()
        finally:
            self.waiting -= 1


class Outcome(StrEnum):
    """What is known of a transaction's effect."""

    NOT_DONE = "NOT_DONE"
    UNKNOWN = "UNKNOWN"
    DONE = "DONE"


async def _commit(session: AsyncSession, told: Callable[[Outcome], None]) -> None:
    told(Outcome.UNKNOWN)
    await session.commit()
    told(Outcome.DONE)


class Database:
    """A pool of connections and the two ways to use one."""

    def __init__(self, url: str, *, pool_size: int = 10, statement_seconds: int = 10) -> None:
        self.statement_seconds = statement_seconds
        self.engine: AsyncEngine = create_async_engine(
            url,
            poolclass=WaitingPool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=statement_seconds,
            hide_parameters=True,  # what customers sent stays out of the log of a fault
            json_serializer=to_json,
            json_deserializer=from_json,
            connect_args={
                "server_settings": {
                    "application_name": "billing-gql",
                    "timezone": "UTC",
                    "jit": "off",
                    "statement_timeout": str(statement_seconds * 1000),
                    "idle_in_transaction_session_timeout": "60000",
                }
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._statements = Statements(self.engine.sync_engine)
        POOLS.add(self)
        self._snapshots = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @property
    def statements(self) -> int:
        """How many have been run."""
        return self._statements.count

    @property
    def connections_most(self) -> int:
        """How many the pool may have."""
        return self._pool.size()

    @property
    def connections_open(self) -> int:
        """How many the pool has."""
        return self._pool.checkedin() + self._pool.checkedout()

    @property
    def connections_in_use(self) -> int:
        """How many are taken."""
        return self._pool.checkedout()

    @property
    def connections_wanted(self) -> int:
        """How many are waited for."""
        return self._pool.waiting

    @property
    def _pool(self) -> WaitingPool:
        # Asked for each time: `dispose` puts another in its place.
        return cast("WaitingPool", self.engine.pool)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A read-only transaction: all that it reads is of one instant."""
        async with AsyncSession(self._snapshots, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A READ COMMITTED transaction, committed at the end unless something is raised."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def refuse(self, error: DBAPIError) -> None:
        """Raises what the caller can know of an error: InvalidInput or StatementTimeout."""
        refuse_bad_text(error)
        if isinstance(cause_of(error), QueryCanceledError):
            raise StatementTimeout(self.statement_seconds) from error

    async def work(
        self,
        verb: Callable[[AsyncSession], Awaitable[T]],
        told: Callable[[Outcome], None] = lambda _: None,
    ) -> T:
        """Runs a verb in a transaction of its own; runs it again where PostgreSQL asks for that.

        Locks are taken in one order, so a deadlock is rare. A unique index refuses the second of
        two that take one key at the same moment: run again, the verb finds the first and says so.
        The verb must have no effect outside of the session. Who cancels it while it commits waits
        until that is done. `told` hears what is known of the outcome each time that it changes.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                told(Outcome.NOT_DONE)
                async with AsyncSession(self.engine, expire_on_commit=False) as session:
                    answer = await verb(session)
                    await _to_its_end(_commit(session, told), self.statement_seconds)
                    return answer
            except DBAPIError as error:
                self.refuse(error)
                passing = isinstance(cause_of(error), PASSING)
                if not passing or attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[bool]:
        """Holds a lock of that name, or yields False where another process or task holds it.

        It may be held for long, so its connection is none of the pool's; a process that is killed
        lets go of it.
        """
        outside = create_async_engine(
            self.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        async with outside.connect() as connection:
            lock = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
            yield bool(await connection.scalar(lock, {"name": name}))

    async def check_server(self) -> None:
        """Raises DatabaseError unless the server answers and is new enough."""
        try:
            async with self.engine.connect() as connection:
                result = await connection.exec_driver_sql("SHOW server_version_num")
                version = int(str(result.scalar_one()))
        except (OSError, DBAPIError, TimeoutError, PoolTimeout) as error:
            cause = (cause_of(error) or error) if isinstance(error, DBAPIError) else error
            raise DatabaseError(
                f"Cannot reach the database at {self.engine.url.render_as_string()}: {cause}. "
                "Check BILLING_GQL_DATABASE_URL and that the server runs."
            ) from error
        if version < OLDEST_SERVER:
            raise DatabaseError(
                f"PostgreSQL {version // 10_000} is too old: billing-gql needs 15 or newer."
            )

    async def close(self) -> None:
        """Closes every connection."""
        await self.engine.dispose()
