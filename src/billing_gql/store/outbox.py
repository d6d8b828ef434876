"""The outbox: what happened, written in the transaction in which it did, read in a safe order.

Transactions commit in another order than they number their events, so a reader that remembers the
highest id it saw would miss some. Here events are read in the order of (transaction, id), and only
those whose transaction number is below that of every transaction still running: nothing can come
before them any more. Within one invoice or wallet that order is also the order of `sequence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.actor import Actor
from billing_gql.kernel.clock import WallClock
from billing_gql.store.columns import Json
from billing_gql.store.database import run_sql
from billing_gql.store.subjects import Subject

EVENTS_ARE_KEPT = timedelta(days=30)
PURGED_AT_ONCE = 5_000
MOST_READ = 1_000
CHANNEL = "billing_gql_invoices"
"""Where every commit that changes an invoice tells "organization invoice customer"; see `listen`.
What becomes of a payment or a credit note ends in an event of its invoice, so that is enough."""

# The stream's row is locked before the event takes its id, so ids rise within a stream. A
# transaction may number itself before it waits for a stream that a later one holds: its events then
# take the later number, which is never above the newest transaction's.
_EMIT = text(
    """
WITH stream AS (
  INSERT INTO outbox_streams AS kept (id, organization_id, last_sequence, last_transaction)
  VALUES (:stream, :organization, 1, CAST(CAST(pg_current_xact_id() AS text) AS bigint))
  ON CONFLICT (id) DO UPDATE
    SET last_sequence = kept.last_sequence + 1,
        last_transaction = greatest(kept.last_transaction, excluded.last_transaction)
  RETURNING id, organization_id, last_sequence, last_transaction
), event AS (
  INSERT INTO outbox_events (organization_id, transaction, stream_id, sequence, subject_kind,
                             subject_id, invoice_id, type, payload, happened_at, created_at)
  SELECT organization_id, last_transaction, id, last_sequence, :subject_kind, :subject_id,
         CAST(:invoice AS text), :type, :payload, :happened_at, :created_at
  FROM stream
  RETURNING organization_id, subject_kind, invoice_id, payload
)
SELECT pg_notify(:channel, format('%s %s %s', organization_id, invoice_id,
                                  payload ->> 'customerId'))
FROM event WHERE subject_kind = 'INVOICE'
"""
).bindparams(bindparam("payload", type_=Json))

_READ = text(
    """
SELECT transaction, id, stream_id, sequence, subject_kind, subject_id, invoice_id, type, payload,
       happened_at, created_at
FROM outbox_events
WHERE organization_id = :organization
  AND transaction < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
  AND (transaction, id) > (:transaction, :id)
ORDER BY transaction, id LIMIT :limit
"""
).columns(payload=Json)

_PURGE = text(
    """
DELETE FROM outbox_events WHERE id IN (
  SELECT id FROM outbox_events WHERE created_at < :before
  ORDER BY created_at LIMIT :most FOR UPDATE SKIP LOCKED)
"""
)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a reader is: it has seen this event and all before it."""

    transaction: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """An event as a reader sees it; see `store.tables.OutboxEvent`."""

    position: Position
    stream_id: str
    sequence: int
    subject_kind: Subject
    subject_id: str
    invoice_id: str | None
    type: str
    payload: Mapping[str, object]
    happened_at: datetime
    created_at: datetime


async def emit(
    session: AsyncSession,
    actor: Actor,
    subject: Subject,
    subject_id: str,
    type: str,
    payload: Mapping[str, object],
    *,
    invoice_id: str | None = None,
) -> None:
    """Writes an event of the session's transaction; undone with it, it leaves no number behind.

    `type` is the subject and what became of it, as in "invoice.finalized"; `payload` is plain facts
    in the schema's names, amounts as text. `invoice_id` is needed for all but wallets. Whoever
    changes an invoice or a wallet has its customer locked, so nobody waits here for long.
    """
    stream = subject_id if subject is Subject.WALLET else invoice_id
    if stream is None:
        raise ValueError(f"an event of {subject.value} needs its invoice")
    await run_sql(
        session,
        _EMIT,
        {
            "stream": stream,
            "organization": actor.organization_id,
            "subject_kind": subject.value,
            "subject_id": subject_id,
            "invoice": invoice_id,
            "type": type,
            "payload": payload,
            "happened_at": actor.now,
            "created_at": WallClock().now(),
            "channel": CHANNEL,
        },
    )


async def read_events(
    session: AsyncSession, organization_id: str, after: Position | None, limit: int
) -> Sequence[Event]:
    """The next events in order, at most `limit`, from 1 to 1,000; `after` None is the beginning.

    What a transaction that still runs might come before is held back, so an event shows once all
    that began earlier in the cluster has ended: milliseconds, as a rule. Raises ValueError.
    """
    if not 1 <= limit <= MOST_READ:
        raise ValueError(f"from 1 to {MOST_READ} events are read at once, not {limit}")
    start = after or Position()
    rows = await run_sql(
        session,
        _READ,
        {
            "organization": organization_id,
            "transaction": start.transaction,
            "id": start.id,
            "limit": limit,
        },
    )
    return [
        Event(
            position=Position(row.transaction, row.id),
            stream_id=row.stream_id,
            sequence=row.sequence,
            subject_kind=Subject(row.subject_kind),
            subject_id=row.subject_id,
            invoice_id=row.invoice_id,
            type=row.type,
            payload=row.payload,
            happened_at=row.happened_at,
            created_at=row.created_at,
        )
        for row in rows
    ]


async def purge_events(session: AsyncSession, now: datetime) -> int:
    """Deletes the oldest events that are 30 days old, at most 5,000; how many.

    `now` is the wall clock's. Numbers go on where they were: a stream's row stays.
    """
    purged = await run_sql(
        session, _PURGE, {"before": now - EVENTS_ARE_KEPT, "most": PURGED_AT_ONCE}
    )
    return purged.rowcount
