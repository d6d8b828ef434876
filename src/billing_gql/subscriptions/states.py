"""What a subscription is at an instant. Pure."""

from datetime import datetime
from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """PENDING before its start, ACTIVE from then on."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"


class BillingAnchor(StrEnum):
    """CALENDAR periods follow the calendar of the customer's zone."""

    CALENDAR = "CALENDAR"


def status_at(now: datetime, started_at: datetime) -> SubscriptionStatus:
    """The status, a function of time alone."""
    return SubscriptionStatus.PENDING if now < started_at else SubscriptionStatus.ACTIVE
