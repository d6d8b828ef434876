"""Documents that front ends may run by their ids."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "trusted_documents",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("operations", postgresql.JSONB(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "hash = sha256(convert_to(text, 'UTF8'))", name="ck_trusted_documents_hash"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_trusted_documents_hash"), "trusted_documents", ["hash"])
