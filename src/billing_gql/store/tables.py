"""Tables that belong to no slice: number series, idempotency keys, the worker's heartbeat."""

from datetime import datetime

from sqlmodel import Field

from billing_gql.store.columns import Id, Instant, Json, Row


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
