"""The outbox of events, and the periods of deleted drafts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

ID = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)

# The worker purges what is 30 days old; the day less is for clocks that differ.
FREEZE_OUTBOX = """
CREATE FUNCTION freeze_outbox_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' OR OLD.created_at > now() - interval '29 days' THEN
    RAISE EXCEPTION 'events of the outbox are never changed, and kept for 30 days';
  END IF;
  RETURN OLD;
END
$$
"""

TRIGGER = (
    "CREATE TRIGGER freeze_outbox_event BEFORE UPDATE OR DELETE ON outbox_events"
    " FOR EACH ROW EXECUTE FUNCTION freeze_outbox_event()"
)


def upgrade() -> None:
    op.create_table(
        "outbox_streams",
        sa.Column("id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("last_transaction", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outbox_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        sa.Column("stream_id", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("subject_kind", sa.String(32), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("invoice_id", ID),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("happened_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_outbox_events_sequence", "outbox_events", ["stream_id", "sequence"], unique=True
    )
    op.create_index(
        "ix_outbox_events_reading", "outbox_events", ["organization_id", "transaction", "id"]
    )
    op.create_index(op.f("ix_outbox_events_created_at"), "outbox_events", ["created_at"])
    op.create_table(
        "waived_periods",
        sa.Column("invoice_id", ID, nullable=False),
        sa.Column("organization_id", ID, nullable=False),
        sa.Column("subscription_id", ID, nullable=False),
        sa.Column("period_start", INSTANT, nullable=False),
        sa.Column("period_end", INSTANT, nullable=False),
        sa.Column("deleted_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"]),
        sa.PrimaryKeyConstraint("invoice_id"),
    )
    op.create_index(
        op.f("ix_waived_periods_subscription_id"), "waived_periods", ["subscription_id"]
    )
    for statement in (FREEZE_OUTBOX, TRIGGER):
        op.execute(sa.text(statement.replace(":", "\\:")))
