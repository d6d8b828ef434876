"""The provider's own reference of a customer, for STRIPE."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

FREEZE = """
CREATE FUNCTION freeze_provider_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what payment % is for cannot change', OLD.id;
END
$$
"""

TRIGGER = (
    "CREATE TRIGGER freeze_provider_customer BEFORE UPDATE ON payments FOR EACH ROW"
    " WHEN (OLD.provider_customer IS DISTINCT FROM NEW.provider_customer)"
    " EXECUTE FUNCTION freeze_provider_customer()"
)


def upgrade() -> None:
    op.add_column("customers", sa.Column("payment_customer", sa.String()))
    op.create_check_constraint(
        "ck_customers_payment_customer",
        "customers",
        "(coalesce(payment_provider, '') = 'STRIPE') = (payment_customer IS NOT NULL)",
    )
    op.add_column("payments", sa.Column("provider_customer", sa.String()))
    op.create_check_constraint(
        "ck_payments_provider_customer",
        "payments",
        "(provider = 'STRIPE') = (provider_customer IS NOT NULL)",
    )
    for statement in (FREEZE, TRIGGER):
        op.execute(sa.text(statement))
