"""The table of subscriptions."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from billing_gql.kernel.ids import Kind, new_id
from billing_gql.store.columns import Id, Instant, Row, choice
from billing_gql.subscriptions.states import BillingAnchor


class Subscription(Row, table=True):
    """A customer on a plan. `period_start` to `next_bill_at` is the first period not yet billed."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("organization_id", "external_id"),
        # The billing run looks for what is due.
        Index("ix_subscriptions_due", "organization_id", "next_bill_at"),
        Index("ix_subscriptions_customer", "customer_id", "started_at", "id"),
    )

    id: str = Field(default_factory=lambda: new_id(Kind.SUBSCRIPTION), primary_key=True, sa_type=Id)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    external_id: str
    customer_id: str = Field(foreign_key="customers.id", sa_type=Id)
    plan_id: str = Field(foreign_key="plans.id", sa_type=Id)
    billing_anchor: BillingAnchor = Field(sa_type=choice(BillingAnchor))
    timezone: str
    """The customer's zone when the subscription was made; its periods are cut in it."""
    started_at: datetime = Field(sa_type=Instant)
    period_start: datetime = Field(sa_type=Instant)
    next_bill_at: datetime = Field(sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
