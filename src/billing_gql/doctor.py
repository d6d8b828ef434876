"""What `billing-gql doctor` looks at, and what it says to do."""

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import select

from billing_gql.billing_runs.queries import failures
from billing_gql.kernel.clock import WallClock
from billing_gql.settings import Settings
from billing_gql.store.database import Database, DatabaseError
from billing_gql.store.migrate import is_current
from billing_gql.store.tables import WorkerHeartbeat
from billing_gql.store.trusted_documents import registered


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do where the message does not."""

    subject: str
    ok: bool
    message: str
    remedy: str = ""


async def examine(settings: Settings, database: Database) -> list[Finding]:
    """Looks at the settings, the database, its schema, the worker, what was not billed, and what
    may be run where little may."""
    which = "set by BILLING_GQL_DATABASE_URL" if settings.database_url else "bundled"
    shown = Finding("settings", ok=True, message=_settings(settings))
    try:
        await database.check_server()
    except DatabaseError as error:
        return [shown, Finding("database", ok=False, message=str(error))]
    found = [shown, Finding("database", ok=True, message=f"answers, new enough ({which})")]
    if not await is_current(database):
        return [
            *found,
            Finding(
                "migrations",
                ok=False,
                message="the schema is not this version's",
                remedy="Run: billing-gql migrate",
            ),
        ]
    return [
        *found,
        Finding("migrations", ok=True, message="the schema is this version's"),
        await _worker(settings, database),
        await _billing(database),
        *([await _documents(database)] if settings.trusted_documents_only else []),
    ]


def _settings(settings: Settings) -> str:
    shown = settings.model_dump(exclude={"database_url"})
    return ", ".join(f"{name}={value}" for name, value in shown.items())


async def _worker(settings: Settings, database: Database) -> Finding:
    async with database.snapshot() as session:
        beats = (await session.exec(select(WorkerHeartbeat.beat_at))).all()
    newest = max(beats, default=None)
    late = timedelta(seconds=settings.worker_seconds * 3 + 30)
    if newest is None or WallClock().now() - newest > late:
        return Finding(
            "worker",
            ok=False,
            message="none has run lately" if newest is None else f"last seen {newest:%F %T} UTC",
            remedy="Nothing is billed without one. Run: billing-gql worker (or serve, which has one"
            " with the bundled server)",
        )
    return Finding("worker", ok=True, message=f"last seen {newest:%F %T} UTC")


async def _billing(database: Database) -> Finding:
    async with database.snapshot() as session:
        failed = await failures(session)
    if not failed:
        return Finding("billing", ok=True, message="nothing has failed")
    shown = "; ".join(f"{one.subject_id}: {one.message}" for one in failed[:5])
    return Finding(
        "billing",
        ok=False,
        message=f"{len(failed)} could not be billed: {shown}",
        remedy="Mend what the message says; the worker tries again by itself.",
    )


async def _documents(database: Database) -> Finding:
    async with database.snapshot() as session:
        count = len(await registered(session))
    return Finding(
        "documents",
        ok=count > 0,
        message=f"{count:,} are registered, and nothing else is run",
        remedy="" if count else "Run: billing-gql documents register FILE",
    )
