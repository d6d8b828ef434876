"""Asks a provider how an attempt ended, outside of any transaction, and takes over its answer.

Safe to kill anywhere: the attempt is stored before the provider is asked, stays due until the
outcome is stored, and is asked for again with the same key, so that the money moves once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.actor import Actor
from billing_gql.observe.tracing import span
from billing_gql.payments.providers import Providers
from billing_gql.payments.providers.provider import Outcome, Provider
from billing_gql.payments.tables import Payment, Refund
from billing_gql.store.database import Database

log = structlog.get_logger()

PATIENCE_SECONDS = 20.0
"""How long a provider is waited for."""
PAUSE_SECONDS = 0.2
"""After an attempt was found in other hands: looking costs a connection."""
UNKNOWN = Outcome(PaymentState.PROCESSING)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)

Attempt = TypeVar("Attempt", Payment, Refund)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and of whom."""

    provider: PaymentProvider
    put: Callable[[Provider], Awaitable[Outcome]]


async def ask(
    database: Database,
    attempt_id: str,
    question: Callable[[AsyncSession], Awaitable[Question | None]],
    record: Callable[[AsyncSession, Outcome], Awaitable[PaymentState]],
    providers: Providers,
) -> PaymentState | None:
    """How the attempt stands now; None where it is not due, or another process has it in hand.

    `question` makes of the attempt what is asked, None where it is not due; `record` stores the
    answer. Several at once: a lock that no transaction holds lets one ask, and a process that is
    killed lets go of it.
    """
    async with database.exclusive(f"provider {attempt_id}") as mine:
        if not mine:
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        async with database.transaction() as session:
            asked = await question(session)
        if asked is None:
            return None
        outcome = await _answer(providers, attempt_id, asked)
        return await database.work(lambda session: record(session, outcome))


async def due_attempt(
    session: AsyncSession, actor: Actor, table: type[Attempt], attempt_id: str
) -> Attempt | None:
    """The attempt, if its provider is to be asked now."""
    return (
        await session.exec(
            select(table).where(
                table.organization_id == actor.organization_id,
                table.id == attempt_id,
                col(table.next_check_at) <= actor.now,
            )
        )
    ).first()


async def _answer(providers: Providers, attempt_id: str, asked: Question) -> Outcome:
    """The provider's answer, or that it is unknown. Its error may hold a secret: its type alone
    is logged."""
    try:
        with span("provider", client=True, provider=asked.provider.value):
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asked.put(providers[asked.provider])
    except Exception as failure:
        log.warning(
            "the provider did not answer",
            attempt=attempt_id,
            provider=asked.provider.value,
            error=type(failure).__name__,
        )
        return UNKNOWN


def take_answer(attempt: Payment | Refund, outcome: Outcome, now: datetime) -> bool:
    """Writes what the provider said into the attempt; False where it does not count any more.

    A success that comes after a failure counts; after a success nothing does.
    """
    stands, says = attempt.state, outcome.state
    ended = stands is not PaymentState.PROCESSING
    if says is stands is PaymentState.PROCESSING:
        attempt.checks += 1
        attempt.next_check_at = ask_again_at(now, attempt.checks)
    elif stands not in (PaymentState.PROCESSING, PaymentState.FAILED) or (
        ended and says is not PaymentState.SUCCEEDED
    ):
        return False
    else:
        attempt.state = says
        attempt.next_check_at = None
        attempt.failure_reason = None
        if says is PaymentState.FAILED:
            attempt.failure_reason = (outcome.reason or "No reason was given.")[:500]
    attempt.provider_reference = outcome.reference or attempt.provider_reference
    attempt.updated_at = now
    return True


def ask_again_at(now: datetime, checks: int) -> datetime:
    """A minute after the first answer without an end, then twice as long each time, to 6 hours."""
    return now + min(FIRST_PAUSE * (1 << min(checks - 1, 9)), LONGEST_PAUSE)
