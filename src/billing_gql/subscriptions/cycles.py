"""The periods of a subscription, which tile its life, and the usage that is its own. Pure.

A period starts and ends at local midnight in the zone that the customer had when the subscription
was made: a later change of the customer's zone would bill a day twice or skip one. The one
exception is the instant at which a subscription is cancelled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from billing_gql.catalog.terms import MONTHS, BillingPeriod
from billing_gql.kernel.period import (
    Period,
    add_months,
    local_date,
    local_days,
    midnight,
    start_of_day,
)
from billing_gql.subscriptions.states import BillingAnchor


@dataclass(frozen=True, slots=True)
class Cycle:
    """The days at which periods are cut.

    `anchor_date` is the first day that is billed; ANNIVERSARY periods are counted from it for ever,
    also after a change of plan.
    """

    billing_period: BillingPeriod
    anchor: BillingAnchor
    anchor_date: date
    timezone: str


def first_instant(started_at: datetime, timezone: str) -> datetime:
    """Local midnight of the day on which the subscription starts: its first day counts whole."""
    return start_of_day(started_at, timezone)


def trial_end(first: datetime, trial_days: int, timezone: str) -> datetime:
    """The local midnight after so many days; `first` itself for none."""
    return midnight(local_date(first, timezone) + timedelta(days=trial_days), timezone)


def whole_cycle(cycle: Cycle, day: date) -> tuple[date, date]:
    """The first day of the whole period in which the day lies, and the day after its last."""
    if cycle.billing_period is BillingPeriod.DAILY:
        return day, day + timedelta(days=1)
    calendar = cycle.anchor is BillingAnchor.CALENDAR
    if cycle.billing_period is BillingPeriod.WEEKLY:
        # ISO 8601: a week of the calendar starts on Monday.
        passed = day.weekday() if calendar else (day - cycle.anchor_date).days % 7
        first = day - timedelta(days=passed)
        return first, first + timedelta(days=7)
    months = MONTHS[cycle.billing_period]
    counted_from = date(day.year, 1, 1) if calendar else cycle.anchor_date
    between = (day.year - counted_from.year) * 12 + day.month - counted_from.month
    passed = between // months * months
    if add_months(counted_from, passed) > day:
        passed -= months
    return add_months(counted_from, passed), add_months(counted_from, passed + months)


def period_from(cycle: Cycle, start: datetime) -> Period:
    """The period that starts at `start`, a local midnight; partial if inside of a whole one."""
    _, following = whole_cycle(cycle, local_date(start, cycle.timezone))
    return Period(start, midnight(following, cycle.timezone))


def period_containing(cycle: Cycle, instant: datetime, since: datetime) -> Period:
    """The period in which the instant lies; the first one starts at `since`, a local midnight."""
    day = local_date(max(instant, since), cycle.timezone)
    first, _ = whole_cycle(cycle, day)
    return period_from(cycle, max(since, midnight(first, cycle.timezone)))


def days_of(cycle: Cycle, period: Period) -> tuple[int, int]:
    """The period's days, and the days of the whole period it lies in: what proration divides."""
    first, following = whole_cycle(cycle, local_date(period.start, cycle.timezone))
    whole = Period(midnight(first, cycle.timezone), midnight(following, cycle.timezone))
    return local_days(period, cycle.timezone), local_days(whole, cycle.timezone)


def own_windows(period: Period, older_lives: Iterable[Period]) -> list[Period]:
    """The parts of a period whose unnamed events are this subscription's.

    An event that names no subscription belongs to the customer's oldest one that prices the
    feature: so the lives of the older ones are cut out.
    """
    windows = [period]
    for life in older_lives:
        windows = [left for window in windows for left in window.without(life)]
    return windows
