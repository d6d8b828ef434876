"""The table of what a billing run could not do."""

from datetime import datetime

from sqlmodel import Field

from billing_gql.store.columns import Id, Instant, Row


class BillingFailure(Row, table=True):
    """Why a subscription or a draft could not be billed; gone once it is.

    Instants are by the organization's clock.
    """

    __tablename__ = "billing_failures"

    subject_id: str = Field(primary_key=True, sa_type=Id)
    """The subscription, or the draft invoice."""
    organization_id: str = Field(foreign_key="organizations.id", index=True, sa_type=Id)
    message: str
    attempts: int
    failed_at: datetime = Field(sa_type=Instant)
    retry_at: datetime = Field(sa_type=Instant)
