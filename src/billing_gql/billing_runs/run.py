"""Does what is due, each subscription and draft in a transaction of its own.

Safe to kill anywhere and to run any number of times at once: a transaction either moved its
subscription on together with its invoice, or left no trace. Providers of payments are asked
between two transactions; see `payments.ask`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import structlog
from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.claim import claim
from billing_gql.billing_runs.due import Due, Task, retry_at
from billing_gql.billing_runs.queries import LATE_AFTER_THE_END, OUTDATED, due_by, next_due
from billing_gql.billing_runs.tables import BillingFailure
from billing_gql.invoices.draft import draft_late, draft_next
from billing_gql.invoices.finalize import finalize_locked
from billing_gql.invoices.refresh import refresh_locked
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import Problem
from billing_gql.ledger.expire import expire_wallet
from billing_gql.ledger.tables import Wallet
from billing_gql.observe.metrics import TASKS, WORKER
from billing_gql.observe.tracing import span
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.payments.providers import Providers
from billing_gql.payments.refund import settle_refund
from billing_gql.payments.settle import settle_attempt
from billing_gql.payments.start import start_collecting
from billing_gql.store.database import Database, is_outage, run_sql
from billing_gql.subscriptions.tables import Subscription

log = structlog.get_logger()

BATCH = 200
SIDE_BY_SIDE = 4
"""Transactions at once: enough to keep PostgreSQL busy while Python composes."""
PATIENCE_SECONDS = 30.0
"""How long a run waits for rows that others hold before it leaves them to the next run."""


@dataclass(slots=True)
class RunReport:
    """What a run did; `failed` has the subjects that are recorded as failures."""

    drafted: int = 0
    finalized: int = 0
    refreshed: int = 0
    expired: int = 0
    """Wallets."""
    settled: int = 0
    """Answers of providers about payments and refunds."""
    failed: set[str] = field(default_factory=set)


Progress = Callable[[RunReport], None]


async def run_due(
    database: Database,
    organization_id: str,
    providers: Providers,
    *,
    report: RunReport | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Does all that is due in the organization at its present, in order of time."""
    report = report or RunReport()
    gate = asyncio.Semaphore(SIDE_BY_SIDE)
    waited = 0.0
    while True:
        async with database.transaction() as session:
            organization = await _organization(session, organization_id)
            actor = actor_of(organization)
            due = await due_by(session, organization_id, actor.now, most=BATCH)
        if not due:
            return report
        # One instant and one kind at a time, so that what follows from it comes after it.
        first = due[0]
        together = [one for one in due if (one.at, one.task) == (first.at, first.task)]

        async def work(one: Due, organization: Organization = organization) -> bool:
            async with gate:
                return await _do(database, organization, one, report, providers)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work(one)) for one in together]
        except ExceptionGroup as outage:
            raise outage.exceptions[0] from outage
        if progress is not None:
            progress(report)
        if any(task.result() for task in tasks):
            waited = 0.0
        elif waited >= PATIENCE_SECONDS:
            return report
        else:
            # All are held by others: another run, an ingest, a caller's mutation.
            await asyncio.sleep(0.02)
            waited += 0.02


async def advance_clock(
    database: Database,
    organization_id: str,
    to: datetime,
    providers: Providers,
    progress: Progress | None = None,
) -> RunReport:
    """Moves a TEST organization's clock to `to`, and on the way does all that falls due, in order.

    The clock stops at each instant at which something is due, so that what is made carries that
    date. Killed on the way, it stands where it got to, and the same call goes on from there.
    """
    report = RunReport()
    await run_due(database, organization_id, providers, report=report, progress=progress)
    while True:
        async with database.transaction() as session:
            organization = await _organization(session, organization_id)
            now = actor_of(organization).now
            stop = await next_due(session, organization_id, now)
            reached = stop is None or stop > to
            await session.exec(
                update(Organization)
                .where(col(Organization.id) == organization_id)
                .values(test_clock=max(now, to) if reached else stop)
            )
        await run_due(database, organization_id, providers, report=report, progress=progress)
        if reached:
            return report


async def _organization(session: AsyncSession, organization_id: str) -> Organization:
    return (
        await session.exec(select(Organization).where(Organization.id == organization_id))
    ).one()


async def _do(
    database: Database,
    organization: Organization,
    due: Due,
    report: RunReport,
    providers: Providers,
) -> bool:
    """Does one task; False where another holds it or has done it."""
    kind = due.task.name.lower()
    if organization.test_clock is None:
        WORKER.met((actor_of(organization).now - due.at).total_seconds())
    with span(kind, subject=due.subject_id):
        outcome = await _attempt(database, organization, due, report, providers)
    if outcome is not None:
        TASKS.labels(kind, outcome).inc()
    return outcome is not None


async def _attempt(
    database: Database,
    organization: Organization,
    due: Due,
    report: RunReport,
    providers: Providers,
) -> str | None:
    """What became of the task: done, problem or fault; None where it was in other hands."""
    actor = actor_of(organization)

    async def verb(session: AsyncSession) -> int | None:
        made = await _in_transaction(session, actor, organization, due)
        if made is not None and due.failed_before:
            await session.exec(
                delete(BillingFailure).where(col(BillingFailure.subject_id) == due.subject_id)
            )
        return made

    try:
        if due.task in (Task.SETTLE, Task.REFUND):
            settle = settle_attempt if due.task is Task.SETTLE else settle_refund
            stands = await settle(database, actor, due.subject_id, providers)
            made = None if stands is None else 1
        else:
            made = await database.work(verb)
    except Problem as problem:
        log.warning("not billed", subject=due.subject_id, task=due.task.name, code=problem.code)
        await _record(database, actor, due, problem.message)
        report.failed.add(due.subject_id)
        return "problem"
    except Exception as fault:
        if is_outage(fault):
            raise
        # Whatever is wrong with one subscription must not stop the others.
        reference = uuid4().hex[:12]
        log.exception("billing fault", subject=due.subject_id, reference=reference)
        await _record(database, actor, due, f"Internal fault, reference {reference}.")
        report.failed.add(due.subject_id)
        return "fault"
    if made is None:
        return None
    match due.task:
        case Task.FINALIZE:
            report.finalized += made
        case Task.REFRESH:
            report.refreshed += made
        case Task.EXPIRE:
            report.expired += made
        case Task.DRAFT | Task.LATE:
            report.drafted += made
        case Task.SETTLE | Task.REFUND:
            report.settled += made
        case Task.COLLECT:
            pass  # what has been started is settled next
    return "done"


async def _in_transaction(
    session: AsyncSession, actor: Actor, organization: Organization, due: Due
) -> int | None:
    match due.task:
        case Task.DRAFT:
            return await _draft(session, actor, organization, due.subject_id)
        case Task.FINALIZE:
            return await _finalize(session, actor, organization, due.subject_id)
        case Task.REFRESH:
            return await _refresh(session, actor, due.subject_id)
        case Task.EXPIRE:
            return await _expire(session, actor, due.subject_id)
        case Task.LATE:
            return await _draft_late(session, actor, due.subject_id)
        case Task.COLLECT:
            return await _collect(session, actor, due.subject_id)
        case Task.SETTLE | Task.REFUND:
            raise AssertionError("a provider is asked outside of any transaction")


async def _draft(
    session: AsyncSession, actor: Actor, organization: Organization, subscription_id: str
) -> int | None:
    due = text("it.next_bill_at <= :now").bindparams(now=actor.now)
    claimed = await claim(session, actor, Subscription, subscription_id, due)
    if claimed is None:
        return None
    subscription, customer = claimed
    made = await draft_next(session, actor, organization, customer, subscription)
    return int(made is not None)


async def _draft_late(session: AsyncSession, actor: Actor, subscription_id: str) -> int | None:
    claimed = await claim(session, actor, Subscription, subscription_id, text(LATE_AFTER_THE_END))
    if claimed is None:
        return None
    subscription, customer = claimed
    # The claim's snapshot is older than its locks: another run may have made the draft between.
    still = text(
        "SELECT 1 FROM subscriptions AS it WHERE it.organization_id = :organization"
        f" AND it.id = :id AND {LATE_AFTER_THE_END}"
    )
    facts = {"organization": actor.organization_id, "id": subscription_id}
    if (await run_sql(session, still, facts)).first() is None:
        return None
    return int(await draft_late(session, actor, customer, subscription) is not None)


async def _finalize(
    session: AsyncSession, actor: Actor, organization: Organization, invoice_id: str
) -> int | None:
    due = text("it.finalize_at <= :now AND it.status = 'DRAFT'").bindparams(now=actor.now)
    claimed = await claim(session, actor, Invoice, invoice_id, due)
    if claimed is None:
        return None
    invoice, customer = claimed
    await finalize_locked(session, actor, organization, customer, invoice)
    return 1


async def _refresh(session: AsyncSession, actor: Actor, invoice_id: str) -> int | None:
    claimed = await claim(session, actor, Invoice, invoice_id, text(OUTDATED))
    if claimed is None:
        return None
    invoice, customer = claimed
    await refresh_locked(session, actor, customer, invoice)
    return 1


async def _expire(session: AsyncSession, actor: Actor, wallet_id: str) -> int | None:
    due = text("NOT it.expired AND it.expires_at <= :now").bindparams(now=actor.now)
    claimed = await claim(session, actor, Wallet, wallet_id, due)
    if claimed is None:
        return None
    wallet, customer = claimed
    await expire_wallet(session, actor, customer, wallet)
    return 1


async def _collect(session: AsyncSession, actor: Actor, invoice_id: str) -> int | None:
    due = text("it.collect_at <= :now").bindparams(now=actor.now)
    claimed = await claim(session, actor, Invoice, invoice_id, due)
    if claimed is None:
        return None
    invoice, customer = claimed
    return int(await start_collecting(session, actor, customer, invoice) is not None)


async def _record(database: Database, actor: Actor, due: Due, message: str) -> None:
    async with database.transaction() as session:
        before = (
            await session.exec(
                select(BillingFailure).where(BillingFailure.subject_id == due.subject_id)
            )
        ).first()
        attempts = 1 if before is None else before.attempts + 1
        facts = {
            "message": message[:1000],
            "attempts": attempts,
            "failed_at": actor.now,
            "retry_at": retry_at(actor.now, attempts),
        }
        await session.exec(
            insert(BillingFailure)
            .values(subject_id=due.subject_id, organization_id=actor.organization_id, **facts)
            .on_conflict_do_update(index_elements=["subject_id"], set_=facts)
        )
