"""The worker: looks for what is due, for ever."""

import asyncio
import os
import socket
import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from billing_gql.billing_runs.queries import organizations_with_work
from billing_gql.billing_runs.run import RunReport, run_due
from billing_gql.kernel.clock import WallClock
from billing_gql.observe.metrics import WORKER
from billing_gql.observe.tracing import job
from billing_gql.payments.providers import Providers
from billing_gql.store.database import Database
from billing_gql.store.outbox import purge_events
from billing_gql.store.tables import IdempotencyKey, WorkerHeartbeat

log = structlog.get_logger()

KEYS_ARE_KEPT = timedelta(hours=48)
HEARTBEATS_ARE_KEPT = timedelta(days=1)


async def work_for_ever(database: Database, providers: Providers, pause_seconds: float) -> None:
    """Runs until it is cancelled. A fault is logged, and the next round tries again."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    while True:
        try:
            await work_once(database, providers, name)
        except Exception:
            log.exception("worker fault")
        await asyncio.sleep(pause_seconds)


async def work_once(database: Database, providers: Providers, name: str) -> None:
    """One round: a heartbeat, all that is due, and what has outlived its use."""
    WORKER.begin_round()
    now = WallClock().now()
    await _beat(database, name, now)
    async with database.snapshot() as session:
        organizations = await organizations_with_work(session, now)
    for organization_id in organizations:
        with job("billing run", organization_id):
            await _bill(database, providers, organization_id)
    WORKER.end_round()


async def _bill(database: Database, providers: Providers, organization_id: str) -> None:
    started = time.perf_counter()
    report = await run_due(database, organization_id, providers)
    if report != RunReport():
        log.info(
            "billed",
            drafted=report.drafted,
            finalized=report.finalized,
            refreshed=report.refreshed,
            expired=report.expired,
            settled=report.settled,
            failed=len(report.failed),
            duration_ms=round((time.perf_counter() - started) * 1000, 2),
        )


async def _beat(database: Database, name: str, now: datetime) -> None:
    async with database.transaction() as session:
        await session.exec(
            insert(WorkerHeartbeat)
            .values(worker=name, beat_at=now)
            .on_conflict_do_update(index_elements=["worker"], set_={"beat_at": now})
        )
        await session.exec(
            delete(WorkerHeartbeat).where(col(WorkerHeartbeat.beat_at) < now - HEARTBEATS_ARE_KEPT)
        )
        # By the wall clock whatever the organization's: a test clock may jump over a key's day.
        await session.exec(
            delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < now - KEYS_ARE_KEPT)
        )
    async with database.transaction() as session:
        await purge_events(session, now)
