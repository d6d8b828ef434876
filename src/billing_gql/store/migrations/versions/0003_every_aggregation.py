"""Every aggregation: roll-ups by the hour and by the day, and marks of what came late."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# The same number as in 0002, now without FROM: so PostgreSQL puts the body in the function's place,
# which reads twice as fast.
METERED_NUMBER = r"""
CREATE OR REPLACE FUNCTION metered_number(properties jsonb, path text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN properties #>> string_to_array(path, '.') ~ '^-?[0-9]{1,18}(\.[0-9]{1,12})?$'
    THEN (properties #>> string_to_array(path, '.'))::numeric
  END
$$
"""

# The value that a UNIQUE_COUNT feature reads from an event; null where there is none. It accepts
# and gives what `usage.meters.metered_text` does, so that what ingest let in always counts.
METERED_TEXT = """
CREATE FUNCTION metered_text(properties jsonb, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE jsonb_typeof(properties #> string_to_array(path, '.'))
    WHEN 'boolean' THEN properties #>> string_to_array(path, '.')
    WHEN 'string' THEN
      CASE WHEN char_length(properties #>> string_to_array(path, '.')) <= 255
        THEN properties #>> string_to_array(path, '.') END
    WHEN 'number' THEN
      CASE WHEN
        char_length(trim_scale((properties #>> string_to_array(path, '.'))::numeric)::text) <= 255
        THEN trim_scale((properties #>> string_to_array(path, '.'))::numeric)::text END
  END
$$
"""

# Of the aggregations that there were, only SUM has a total from now on.
FORGET_TOTALS = """
UPDATE hourly_usage SET total = NULL
FROM features WHERE features.id = hourly_usage.feature_id AND features.aggregation = 'COUNT'
"""

ROLL_UP_DAYS = """
INSERT INTO daily_usage
  (organization_id, customer_id, feature_id, starts_at, generation, group_hash, subscription_id,
   source, dimensions, event_count, total)
SELECT organization_id, customer_id, feature_id, date_trunc('day', starts_at, 'UTC'), generation,
       group_hash, subscription_id, source, dimensions, sum(event_count), sum(total)
FROM hourly_usage
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


def upgrade() -> None:
    op.rename_table("usage_rollups", "hourly_usage")
    op.execute("ALTER INDEX usage_rollups_pkey RENAME TO hourly_usage_pkey")
    op.alter_column("hourly_usage", "hour", new_column_name="starts_at")
    op.alter_column("hourly_usage", "total", nullable=True)
    op.add_column("hourly_usage", sa.Column("peak", sa.Numeric()))
    op.add_column("hourly_usage", sa.Column("latest_at", INSTANT))
    op.add_column("hourly_usage", sa.Column("latest_id", ID))
    op.add_column("hourly_usage", sa.Column("latest", sa.Numeric()))
    op.add_column("hourly_usage", sa.Column("moment", sa.Numeric()))
    op.add_column("hourly_usage", sa.Column("value", ID))
    op.execute(FORGET_TOTALS)
    op.create_table(
        "daily_usage",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("feature_id", ID, nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("group_hash", sa.LargeBinary(), nullable=False),
        sa.Column("subscription_id", ID),
        sa.Column("source", sa.String()),
        sa.Column("dimensions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Numeric()),
        sa.Column("peak", sa.Numeric()),
        sa.Column("latest_at", INSTANT),
        sa.Column("latest_id", ID),
        sa.Column("latest", sa.Numeric()),
        sa.Column("moment", sa.Numeric()),
        sa.Column("value", ID),
        sa.PrimaryKeyConstraint(
            "organization_id", "customer_id", "feature_id", "starts_at", "generation", "group_hash"
        ),
    )
    op.execute(ROLL_UP_DAYS)
    for statement in (METERED_NUMBER, METERED_TEXT):
        op.execute(sa.text(statement.replace(":", "\\:")))
    op.create_table(
        "late_usage",
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("event_name", sa.String(), nullable=False),
        sa.Column("day", INSTANT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "customer_id", "event_name", "day", "generation"
        ),
    )
    op.add_column("customers", sa.Column("billed_until", INSTANT))
