"""What printed documents say of the seller, their language, and the key that signs their links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

# 244 random bits for the organizations that are there; new ones get theirs from the service.
RANDOM = "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"


def upgrade() -> None:
    op.add_column("customers", sa.Column("language", sa.String()))
    op.add_column(
        "organizations",
        sa.Column("language", sa.String(), nullable=False, server_default="en"),
    )
    op.alter_column("organizations", "language", server_default=None)
    op.add_column("organizations", sa.Column("email", sa.String()))
    op.add_column("organizations", sa.Column("tax_identifier", sa.String()))
    op.add_column("organizations", sa.Column("address", postgresql.JSONB()))
    op.add_column("organizations", sa.Column("payment_instructions", sa.String()))
    op.add_column(
        "organizations",
        # Volatile, so that each row has its own.
        sa.Column("link_key", sa.LargeBinary(), nullable=False, server_default=sa.text(RANDOM)),
    )
    op.alter_column("organizations", "link_key", server_default=None)
