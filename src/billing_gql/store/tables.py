"""Tables that belong to no slice: number series, idempotency keys, the outbox, heartbeats, and
the documents that front ends may run."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index
from sqlmodel import Field

from billing_gql.store.columns import Id, Instant, Json, Row, choice
from billing_gql.store.subjects import Subject


class IdempotencyKey(Row, table=True):
    """A mutation done under a caller's key, and the ids that it answered with."""

    __tablename__ = "idempotency_keys"

    organization_id: str = Field(primary_key=True, sa_type=Id)
    key: str = Field(primary_key=True, sa_type=Id)
    mutation: str
    input_hash: bytes
    answer: dict[str, str] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(sa_type=Instant, index=True)


class WorkerHeartbeat(Row, table=True):
    """When a worker last looked for work, by the wall clock."""

    __tablename__ = "worker_heartbeats"

    worker: str = Field(primary_key=True)
    beat_at: datetime = Field(sa_type=Instant)


class NumberSeries(Row, table=True):
    """The last number taken of a series: customers, invoices of one or all, credit notes."""

    __tablename__ = "number_series"

    organization_id: str = Field(primary_key=True, foreign_key="organizations.id", sa_type=Id)
    series: str = Field(primary_key=True, sa_type=Id)
    last_number: int


class OutboxStream(Row, table=True):
    """Where the events of one invoice, or of one wallet, have got to. Its row is their lock."""

    __tablename__ = "outbox_streams"

    id: str = Field(primary_key=True, sa_type=Id)
    """The invoice's or the wallet's."""
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    last_sequence: int
    last_transaction: int = Field(sa_type=BigInteger)


class OutboxEvent(Row, table=True):
    """Something that happened, for readers outside of the transaction. Never changed."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        Index("uq_outbox_events_sequence", "stream_id", "sequence", unique=True),
        # Read by `read_events`, in this order.
        Index("ix_outbox_events_reading", "organization_id", "transaction", "id"),
    )

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    transaction: int = Field(sa_type=BigInteger)
    """The number of the transaction that wrote it, or a later one of the same stream's: so it never
    falls within a stream. Events below every running transaction's number are complete."""
    stream_id: str = Field(sa_type=Id)
    sequence: int
    """From 1, without gaps, in its stream."""
    subject_kind: Subject = Field(sa_type=choice(Subject))
    subject_id: str = Field(sa_type=Id)
    invoice_id: str | None = Field(default=None, sa_type=Id)
    """The invoice that it is about, where there is one; for a wallet what it paid."""
    type: str
    payload: dict[str, object] = Field(sa_type=Json)
    happened_at: datetime = Field(sa_type=Instant)
    """By the organization's clock."""
    created_at: datetime = Field(sa_type=Instant, index=True)
    """By the wall clock: from then on it is kept for 30 days."""


class TrustedDocument(Row, table=True):
    """A GraphQL document that front ends run by its id.

    It is the whole service's and no organization's: operations are code, which is deployed once for
    all who use it, and hold nothing of anybody's. So the statements on this table are the only
    ones that name no organization; what a document reads when it is run is the key's as ever.
    """

    __tablename__ = "trusted_documents"
    __table_args__ = (
        CheckConstraint(
            "hash = sha256(convert_to(text, 'UTF8'))", name="ck_trusted_documents_hash"
        ),
    )

    id: str = Field(primary_key=True, sa_type=Id)
    hash: bytes = Field(index=True)
    """SHA-256 of the text, by which it is found too."""
    text: str
    operations: list[str] = Field(sa_type=Json)
    """Their names, for people."""
    registered_at: datetime = Field(sa_type=Instant)
