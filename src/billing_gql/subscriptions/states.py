"""What a subscription is at an instant. Pure."""

from datetime import datetime
from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """PENDING before its start, TRIALING while it bills nothing yet, ENDED once cancelled."""

    PENDING = "PENDING"
    TRIALING = "TRIALING"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"


class BillingAnchor(StrEnum):
    """CALENDAR periods follow the calendar, ANNIVERSARY periods the day of the start."""

    CALENDAR = "CALENDAR"
    ANNIVERSARY = "ANNIVERSARY"


def status_at(
    now: datetime,
    started_at: datetime,
    trial_ends_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> SubscriptionStatus:
    """The status, a function of time alone; `ends_at` is when it ended or is to end."""
    if ends_at is not None and ends_at <= now:
        return SubscriptionStatus.ENDED
    if now < started_at:
        return SubscriptionStatus.PENDING
    if trial_ends_at is not None and now < trial_ends_at:
        return SubscriptionStatus.TRIALING
    return SubscriptionStatus.ACTIVE
