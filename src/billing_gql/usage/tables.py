"""Tables of events and of their hourly roll-ups.

Neither has foreign keys: the one writer, `ingest`, has locked the customer and read the features,
and a check per row would cost more than the row.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ARRAY, BigInteger, Index, LargeBinary, Text
from sqlmodel import Field

from billing_gql.store.columns import Exact, Id, Instant, Json, Row


class UsageEvent(Row, table=True):
    """An event, stored once for its transaction id and never changed."""

    __tablename__ = "usage_events"
    __table_args__ = (
        # Read by time for one customer: hours at the edge of a period, keys that no roll-up has.
        Index(
            "ix_usage_events_reading", "organization_id", "customer_id", "event_name", "timestamp"
        ),
        # Read by `featureCreate`, which rolls up what arrived before the feature.
        Index("ix_usage_events_name", "organization_id", "event_name"),
    )

    organization_id: str = Field(primary_key=True, sa_type=Id)
    transaction_id: str = Field(primary_key=True, sa_type=Id)
    customer_id: str = Field(sa_type=Id)
    subscription_id: str | None = Field(default=None, sa_type=Id)
    """The subscription that the event names; null where it names none."""
    event_name: str
    timestamp: datetime = Field(sa_type=Instant)
    source: str | None = None
    properties: dict[str, object] = Field(sa_type=Json)
    generation: int
    """The customer's usage generation at arrival: a line counts events up to its own."""
    received_at: datetime = Field(sa_type=Instant)


class UsageRollup(Row, table=True):
    """Events of one hour (UTC), feature, customer, named subscription, source and dimensions.

    `dimensions` has the values in the order of the feature's own list, null where the event lacks
    the property. `group_hash` stands for subscription, source and dimensions in the unique index,
    whose rows must stay short.
    """

    __tablename__ = "usage_rollups"

    organization_id: str = Field(primary_key=True, sa_type=Id)
    customer_id: str = Field(primary_key=True, sa_type=Id)
    feature_id: str = Field(primary_key=True, sa_type=Id)
    hour: datetime = Field(primary_key=True, sa_type=Instant)
    generation: int = Field(primary_key=True)
    group_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    subscription_id: str | None = Field(default=None, sa_type=Id)
    source: str | None = None
    dimensions: list[str | None] = Field(sa_type=ARRAY(Text))
    event_count: int = Field(sa_type=BigInteger)
    total: Decimal = Field(sa_type=Exact)
    """Sum of the feature's value property; 0 for COUNT."""
