"""The periods of a subscription, which tile its life, and the usage that is its own. Pure.

A period starts and ends at local midnight in the zone that the customer had when the subscription
was made: a later change of the customer's zone would bill a day twice or skip one.
"""

from collections.abc import Iterable
from datetime import datetime

from billing_gql.kernel.period import (
    Period,
    first_of_next_month,
    local_date,
    local_days,
    midnight,
    start_of_day,
)


def first_instant(started_at: datetime, timezone: str) -> datetime:
    """Local midnight of the day on which the subscription starts: its first day counts whole."""
    return start_of_day(started_at, timezone)


def period_from(start: datetime, timezone: str) -> Period:
    """The calendar month's period that starts at `start`, a local midnight; partial if inside."""
    return Period(start, midnight(first_of_next_month(local_date(start, timezone)), timezone))


def period_containing(instant: datetime, started_at: datetime, timezone: str) -> Period:
    """The period of the subscription in which the instant lies; its first where it is earlier."""
    first = period_from(first_instant(started_at, timezone), timezone)
    if instant < first.end:
        return first
    month_start = midnight(local_date(instant, timezone).replace(day=1), timezone)
    return period_from(month_start, timezone)


def days_of(period: Period, timezone: str) -> tuple[int, int]:
    """The period's days, and the days of the whole calendar month it lies in."""
    first = local_date(period.start, timezone).replace(day=1)
    whole = Period(midnight(first, timezone), midnight(first_of_next_month(first), timezone))
    return local_days(period, timezone), local_days(whole, timezone)


def own_windows(period: Period, older_lives: Iterable[Period]) -> list[Period]:
    """The parts of a period whose unnamed events are this subscription's.

    An event that names no subscription belongs to the customer's oldest one that prices the
    feature: so the lives of the older ones are cut out.
    """
    windows = [period]
    for life in older_lives:
        windows = [left for window in windows for left in window.without(life)]
    return windows
