"""Tables of events, of their roll-ups by hour and by day, and of what came late.

None has foreign keys: the one writer, `ingest`, has locked the customer and read the features,
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


FILLING = {"postgresql_with": {"fillfactor": 50}}
"""Half of a page stays free for the next versions of its rows: each batch writes again the groups
that it adds to. So they stay where they are, with no new index entries and close together."""


class UsageRollup(Row):
    """Events of one hour or day (UTC), feature, customer, named subscription, source, dimensions.

    `dimensions` has the values in the order of the feature's own list, null where the event lacks
    the property. `group_hash` stands for subscription, source, dimensions and `value` in the unique
    index, whose rows must stay short. What the feature's aggregation does not need is null.
    """

    organization_id: str = Field(primary_key=True, sa_type=Id)
    customer_id: str = Field(primary_key=True, sa_type=Id)
    feature_id: str = Field(primary_key=True, sa_type=Id)
    starts_at: datetime = Field(primary_key=True, sa_type=Instant)
    generation: int = Field(primary_key=True)
    group_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    subscription_id: str | None = Field(default=None, sa_type=Id)
    source: str | None = None
    dimensions: list[str | None] = Field(sa_type=ARRAY(Text))
    event_count: int = Field(sa_type=BigInteger)
    total: Decimal | None = Field(default=None, sa_type=Exact)
    """SUM, WEIGHTED_SUM: the sum of the values."""
    peak: Decimal | None = Field(default=None, sa_type=Exact)
    """MAX: the greatest value."""
    latest_at: datetime | None = Field(default=None, sa_type=Instant)
    """LATEST: when the last event was; of several at that instant it is that of `latest_id`."""
    latest_id: str | None = Field(default=None, sa_type=Id)
    """LATEST: the last event's transaction id."""
    latest: Decimal | None = Field(default=None, sa_type=Exact)
    """LATEST: the last event's value."""
    moment: Decimal | None = Field(default=None, sa_type=Exact)
    """WEIGHTED_SUM: the sum of each value times its timestamp, in seconds since 1970, exact."""
    value: str | None = Field(default=None, sa_type=Id)
    """UNIQUE_COUNT: the value that these events share."""


class HourlyUsage(UsageRollup, table=True):
    """Roll-ups by the hour; `starts_at` is a whole hour of UTC."""

    __tablename__ = "hourly_usage"
    __table_args__ = FILLING


class DailyUsage(UsageRollup, table=True):
    """Roll-ups by the day; `starts_at` is a midnight of UTC.

    The hours summed up once more, in a table of their own so that days lie together on disk.
    """

    __tablename__ = "daily_usage"
    __table_args__ = FILLING


class LateUsage(Row, table=True):
    """Marks that events came for a day whose usage may have been on an invoice already."""

    __tablename__ = "late_usage"

    organization_id: str = Field(primary_key=True, sa_type=Id)
    customer_id: str = Field(primary_key=True, sa_type=Id)
    event_name: str = Field(primary_key=True)
    day: datetime = Field(primary_key=True, sa_type=Instant)
    """The UTC day of the events."""
    generation: int = Field(primary_key=True)
    """That of the events: the customer's at their arrival."""
