"""Hears of invoices that changed, from whichever process, as soon as the change is committed.

`store.outbox.emit` notifies in the transaction of the change, so what is undone is not heard of.
What was not heard while the connection was lost is read from the outbox once it is back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from asyncpg import Connection, InterfaceError
from asyncpg.exceptions import PostgresError
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from billing_gql.store.database import Database
from billing_gql.store.outbox import CHANNEL

log = structlog.get_logger()

BEAT_SECONDS = 10.0
"""How often the connection is tried, and how long an answer may take."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
MOST_MISSED = 1_000
"""Changes of one organization that are caught up; with more, its streams end."""

_HORIZON = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")
_MISSED = text(
    """
SELECT invoice_id, max(payload ->> 'customerId') AS customer_id FROM outbox_events
WHERE organization_id = :organization AND transaction >= :horizon AND subject_kind = 'INVOICE'
GROUP BY invoice_id LIMIT :most
"""
)


@dataclass(frozen=True, slots=True)
class Change:
    """An invoice that was made, changed or deleted."""

    organization_id: str
    invoice_id: str
    customer_id: str


class Hearer(Protocol):
    """Who is told. Nothing of it may wait."""

    def organizations(self) -> Sequence[str]:
        """Whose changes somebody wants to know."""

    def tell(self, change: Change) -> None:
        """One changed."""

    def lost(self, organization_id: str) -> None:
        """So many changed unheard that they cannot be told one by one."""


class Listener:
    """The one connection of a process that listens, made anew whenever it is lost.

    A transaction is heard of a moment after others can see it, so the horizon that catching up
    starts from is the one of two beats ago: what is told twice does no harm.
    """

    def __init__(self, database: Database, hearer: Hearer) -> None:
        self._engine = create_async_engine(
            database.engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "timeout": BEAT_SECONDS,
                "server_settings": {"application_name": "billing-gql live", "timezone": "UTC"},
            },
        )
        self._hearer = hearer
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._horizons: tuple[int, int] | None = None

    async def listen(self) -> None:
        """Returns once every later commit is heard of. Raises TimeoutError."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen_for_ever())
        async with asyncio.timeout(BEAT_SECONDS):
            await self._listening.wait()

    async def close(self) -> None:
        """Stops listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _listen_for_ever(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._listen_once()
            except (DBAPIError, PostgresError, InterfaceError, OSError) as error:
                if self._listening.is_set():
                    pause = FIRST_PAUSE
                log.warning("not listening", again_in_seconds=pause, reason=type(error).__name__)
            self._listening.clear()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen_once(self) -> None:
        """Listens until the connection is lost, which raises."""
        over = asyncio.Event()
        async with self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            if not isinstance(driver, Connection):
                raise AssertionError("the driver is asyncpg")
            driver.add_termination_listener(lambda _: over.set())
            await driver.add_listener(CHANNEL, self._hear)
            async with asyncio.timeout(BEAT_SECONDS):
                await self._catch_up(connection)
            self._listening.set()
            while True:
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await over.wait()
                except TimeoutError:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._beat(connection)
                else:
                    raise ConnectionResetError

    def _hear(self, _: object, __: int, ___: str, payload: object) -> None:
        self._hearer.tell(Change(*str(payload).split()))

    async def _beat(self, connection: AsyncConnection) -> None:
        """Sees that the connection lives, and how far it has certainly been heard."""
        horizon = int((await connection.execute(_HORIZON)).scalar_one())
        self._horizons = (self._horizons[1] if self._horizons else horizon, horizon)

    async def _catch_up(self, connection: AsyncConnection) -> None:
        before = self._horizons
        await self._beat(connection)
        if before is None:
            return
        now = int((await connection.execute(_HORIZON)).scalar_one())
        for organization_id in self._hearer.organizations():
            values = {"organization": organization_id, "horizon": before[0], "most": MOST_MISSED}
            rows = (await connection.execute(_MISSED, values)).all()
            # Numbers that fall are of another cluster: nothing says what was missed.
            if len(rows) == MOST_MISSED or now < before[0]:
                self._hearer.lost(organization_id)
                continue
            for row in rows:
                self._hearer.tell(Change(organization_id, row.invoice_id, row.customer_id))
