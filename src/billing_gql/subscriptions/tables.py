"""The tables of subscriptions and of the plans that they were on."""

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.kernel.period import Period
from billing_gql.store.columns import Id, Instant, Row, choice
from billing_gql.subscriptions.cycles import Cycle, first_instant, period_containing
from billing_gql.subscriptions.states import BillingAnchor, SubscriptionStatus, status_at


class Subscription(Row, table=True):
    """A customer on a plan.

    All before `period_start` is billed. At `next_bill_at` the period from there ends, and the next
    one is opened; the two are equal where a first period is opened that nothing comes before.
    Null: nothing will be billed any more, but usage that comes late.
    """

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
    plan_since: datetime = Field(sa_type=Instant)
    """Where the periods of this plan start: the first day billed, or the day of its change."""
    pending_plan_id: str | None = Field(default=None, foreign_key="plans.id", sa_type=Id)
    """The plan from `next_bill_at` on, after a downgrade."""
    billing_anchor: BillingAnchor = Field(sa_type=choice(BillingAnchor))
    anchor_date: date
    """The first day that is billed, after the trial, if there is one."""
    timezone: str
    """The customer's zone when the subscription was made; its periods are cut in it."""
    started_at: datetime = Field(sa_type=Instant)
    trial_ends_at: datetime | None = Field(default=None, sa_type=Instant)
    cancels_at: datetime | None = Field(default=None, sa_type=Instant)
    """The end of the period at which it is to end."""
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    period_start: datetime = Field(sa_type=Instant)
    next_bill_at: datetime | None = Field(default=None, sa_type=Instant)
    settled_generation: int = -1
    """Late usage of generations up to this one is on an invoice; see `usage.tables.LateUsage`."""
    created_at: datetime = Field(sa_type=Instant)

    @property
    def ends_at(self) -> datetime | None:
        """When it ended or is to end."""
        return self.cancels_at if self.ended_at is None else self.ended_at

    def status(self, now: datetime) -> SubscriptionStatus:
        """What it is at an instant."""
        return status_at(now, self.started_at, self.trial_ends_at, self.ends_at)

    def current_period(self, now: datetime, billing_period: BillingPeriod) -> Period | None:
        """The period of its plan, or the trial, that is running; None before and after its life."""
        status = self.status(now)
        if status is SubscriptionStatus.TRIALING and self.trial_ends_at is not None:
            return Period(first_instant(self.started_at, self.timezone), self.trial_ends_at)
        if status is not SubscriptionStatus.ACTIVE:
            return None
        return period_containing(self.cycle(billing_period), now, self.plan_since)

    def cycle(self, billing_period: BillingPeriod) -> Cycle:
        """The days at which its periods are cut on a plan of such a period."""
        return Cycle(billing_period, self.billing_anchor, self.anchor_date, self.timezone)


class SubscriptionPlan(Row, table=True):
    """The plan of a subscription from `starts_at` until the next one or the subscription's end."""

    __tablename__ = "subscription_plans"

    subscription_id: str = Field(foreign_key="subscriptions.id", primary_key=True, sa_type=Id)
    starts_at: datetime = Field(primary_key=True, sa_type=Instant)
    organization_id: str = Field(foreign_key="organizations.id", sa_type=Id)
    plan_id: str = Field(foreign_key="plans.id", sa_type=Id)
