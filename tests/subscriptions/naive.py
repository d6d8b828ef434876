"""Cycles told slowly: day by day, and boundary by boundary from the anchor."""

from collections.abc import Iterator
from datetime import date, timedelta

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.subscriptions.states import BillingAnchor

DAY = timedelta(days=1)
FIRST_MONTHS = {
    BillingPeriod.MONTHLY: set(range(1, 13)),
    BillingPeriod.QUARTERLY: {1, 4, 7, 10},
    BillingPeriod.SEMIANNUAL: {1, 7},
    BillingPeriod.YEARLY: {1},
}
"""The months with whose first day a period of the calendar starts."""


def cycle_of(
    billing_period: BillingPeriod, anchor: BillingAnchor, anchor_date: date, day: date
) -> tuple[date, date]:
    """The first day of the whole period that has the day, and the first of the next.

    The day must not lie before the anchor.
    """
    if anchor is BillingAnchor.CALENDAR:
        first, following = day, day + DAY
        while not _starts(billing_period, first):
            first -= DAY
        while not _starts(billing_period, following):
            following += DAY
        return first, following
    bounds = _bounds(billing_period, anchor_date)
    first, following = next(bounds), next(bounds)
    while following <= day:
        first, following = following, next(bounds)
    return first, following


def _starts(billing_period: BillingPeriod, day: date) -> bool:
    if billing_period is BillingPeriod.DAILY:
        return True
    if billing_period is BillingPeriod.WEEKLY:
        return day.isoweekday() == 1
    return day.day == 1 and day.month in FIRST_MONTHS[billing_period]


def _bounds(billing_period: BillingPeriod, anchor_date: date) -> Iterator[date]:
    day = anchor_date
    fixed = {BillingPeriod.DAILY: 1, BillingPeriod.WEEKLY: 7}.get(billing_period)
    while fixed is not None:
        yield day
        day += fixed * DAY
    step = 12 // len(FIRST_MONTHS[billing_period])
    year, month = anchor_date.year, anchor_date.month
    while True:
        yield _day_or_last(year, month, anchor_date.day)
        for _ in range(step):
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _day_or_last(year: int, month: int, day: int) -> date:
    while True:
        try:
            return date(year, month, day)
        except ValueError:
            day -= 1
