"""Room in the pages of roll-ups for the next versions of their rows."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # For pages yet to come; those that are there keep their layout until a VACUUM FULL.
    for table in ("hourly_usage", "daily_usage"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
