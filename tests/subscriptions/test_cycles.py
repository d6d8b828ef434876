"""The periods of a subscription tile its life, and several share their usage without overlap."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.kernel.period import Period, known_timezones, local_date, midnight
from billing_gql.subscriptions.cycles import (
    Cycle,
    days_of,
    first_instant,
    own_windows,
    period_containing,
    period_from,
    trial_end,
    whole_cycle,
)
from billing_gql.subscriptions.states import BillingAnchor
from tests.subscriptions.naive import cycle_of

ZONES = sorted(known_timezones())
DAY = timedelta(days=1)
ODD_ZONES = [
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/Havana",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
]
ANY_ZONE = st.one_of(st.sampled_from(ZONES), st.sampled_from(ODD_ZONES))
STARTS = st.integers(0, 88 * 365 * 86_400).map(
    lambda second: datetime(2012, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
"""From 2012: Saint John's, whose local day could go back at 00:01, and Samoa are regular since."""
DAYS = st.dates(date(2012, 1, 1), date(2100, 12, 31))
ANY_PERIOD = st.sampled_from(BillingPeriod)
ANY_ANCHOR = st.sampled_from(BillingAnchor)
TRIALS = st.one_of(st.just(0), st.integers(1, 730))


def periods_of(cycle: Cycle, since: datetime, count: int) -> list[Period]:
    periods = [period_from(cycle, since)]
    while len(periods) < count:
        periods.append(period_from(cycle, periods[-1].end))
    return periods


@settings(deadline=None, max_examples=500)
@given(
    zone=ANY_ZONE,
    started_at=STARTS,
    trial_days=TRIALS,
    billing_period=ANY_PERIOD,
    anchor=ANY_ANCHOR,
)
def test_periods_tile_a_life_and_bill_each_day_once(
    zone: str,
    started_at: datetime,
    trial_days: int,
    billing_period: BillingPeriod,
    anchor: BillingAnchor,
) -> None:
    first = first_instant(started_at, zone)
    since = trial_end(first, trial_days, zone)
    first_day = local_date(since, zone)
    assert first <= started_at
    assert first_day == local_date(started_at, zone) + trial_days * DAY
    cycle = Cycle(billing_period, anchor, first_day, zone)
    periods = periods_of(cycle, since, 20)
    assert periods[0].start == since == midnight(first_day, zone)
    billed: list[date] = []
    for before, after in pairwise(periods):
        assert before.end == after.start
    for period in periods:
        days, of_days = days_of(cycle, period)
        start = local_date(period.start, zone)
        whole = cycle_of(billing_period, anchor, first_day, start)
        billed += [start + one * DAY for one in range(days)]
        assert of_days == (whole[1] - whole[0]).days
        assert (days == of_days) == (start == whole[0])
        # Only the first may be cut.
        assert days == of_days or (period is periods[0] and anchor is BillingAnchor.CALENDAR)
    assert billed == [first_day + one * DAY for one in range(len(billed))]
    assert midnight(billed[-1] + DAY, zone) == periods[-1].end


@settings(deadline=None, max_examples=300)
@given(
    zone=ANY_ZONE,
    anchor_date=DAYS,
    days_after=st.integers(0, 1500),
    billing_period=ANY_PERIOD,
    anchor=ANY_ANCHOR,
)
def test_after_a_change_of_plan_only_the_first_period_is_cut(
    zone: str,
    anchor_date: date,
    days_after: int,
    billing_period: BillingPeriod,
    anchor: BillingAnchor,
) -> None:
    changed_on = anchor_date + days_after * DAY
    cycle = Cycle(billing_period, anchor, anchor_date, zone)
    periods = periods_of(cycle, midnight(changed_on, zone), 6)
    first, following = cycle_of(billing_period, anchor, anchor_date, changed_on)
    assert periods[0].end == midnight(following, zone)
    assert days_of(cycle, periods[0]) == (
        (following - changed_on).days,
        (following - first).days,
    )
    for period in periods[1:]:
        days, of_days = days_of(cycle, period)
        assert days == of_days


@settings(deadline=None, max_examples=400)
@given(
    zone=ANY_ZONE,
    started_at=STARTS,
    billing_period=ANY_PERIOD,
    anchor=ANY_ANCHOR,
    anchored_before=st.integers(0, 800),
    seconds=st.integers(-(10**7), 10**8),
)
def test_the_period_of_an_instant_is_one_of_the_tiles(
    zone: str,
    started_at: datetime,
    billing_period: BillingPeriod,
    anchor: BillingAnchor,
    anchored_before: int,
    seconds: int,
) -> None:
    if billing_period in (BillingPeriod.DAILY, BillingPeriod.WEEKLY):
        seconds //= 10
    moment = started_at + timedelta(seconds=seconds)
    since = first_instant(started_at, zone)
    cycle = Cycle(billing_period, anchor, local_date(since, zone) - anchored_before * DAY, zone)
    found = period_containing(cycle, moment, since)
    periods = periods_of(cycle, since, 1)
    while periods[-1].end <= moment:
        periods.append(period_from(cycle, periods[-1].end))
    if moment < since:
        assert found == periods[0]
    else:
        assert [found] == [period for period in periods if moment in period]


@settings(deadline=None, max_examples=1000)
@given(
    billing_period=ANY_PERIOD,
    anchor=ANY_ANCHOR,
    anchor_date=DAYS,
    days_after=st.integers(0, 6000),
)
def test_the_whole_period_of_a_day_is_the_one_that_counting_finds(
    billing_period: BillingPeriod, anchor: BillingAnchor, anchor_date: date, days_after: int
) -> None:
    day = anchor_date + days_after * DAY
    cycle = Cycle(billing_period, anchor, anchor_date, "UTC")
    first, following = whole_cycle(cycle, day)
    assert first <= day < following
    assert (first, following) == cycle_of(billing_period, anchor, anchor_date, day)


C, A = BillingAnchor.CALENDAR, BillingAnchor.ANNIVERSARY
WHOLE = [
    # Calendar periods.
    ("DAILY", C, "2026-01-15", "2026-02-28", "2026-02-28", "2026-03-01"),
    # ISO weeks: across a year's end, and in a year with 53 of them.
    ("WEEKLY", C, "2025-12-31", "2025-12-31", "2025-12-29", "2026-01-05"),
    ("WEEKLY", C, "2026-01-01", "2026-01-04", "2025-12-29", "2026-01-05"),
    ("WEEKLY", C, "2026-01-01", "2026-01-05", "2026-01-05", "2026-01-12"),
    ("WEEKLY", C, "2020-12-01", "2021-01-03", "2020-12-28", "2021-01-04"),
    ("MONTHLY", C, "2026-01-31", "2026-02-28", "2026-02-01", "2026-03-01"),
    ("MONTHLY", C, "2026-01-31", "2026-12-31", "2026-12-01", "2027-01-01"),
    ("QUARTERLY", C, "2026-02-15", "2026-03-31", "2026-01-01", "2026-04-01"),
    ("QUARTERLY", C, "2026-02-15", "2026-12-31", "2026-10-01", "2027-01-01"),
    ("SEMIANNUAL", C, "2026-02-15", "2026-06-30", "2026-01-01", "2026-07-01"),
    ("SEMIANNUAL", C, "2026-02-15", "2026-07-01", "2026-07-01", "2027-01-01"),
    ("YEARLY", C, "2026-02-15", "2028-02-29", "2028-01-01", "2029-01-01"),
    # From a day that not every month has: the anchor is remembered.
    ("MONTHLY", A, "2026-01-31", "2026-02-27", "2026-01-31", "2026-02-28"),
    ("MONTHLY", A, "2026-01-31", "2026-02-28", "2026-02-28", "2026-03-31"),
    ("MONTHLY", A, "2026-01-31", "2026-03-30", "2026-02-28", "2026-03-31"),
    ("MONTHLY", A, "2026-01-31", "2026-04-30", "2026-04-30", "2026-05-31"),
    ("MONTHLY", A, "2026-01-30", "2026-02-28", "2026-02-28", "2026-03-30"),
    ("MONTHLY", A, "2026-01-29", "2026-02-28", "2026-02-28", "2026-03-29"),
    ("MONTHLY", A, "2028-01-29", "2028-02-29", "2028-02-29", "2028-03-29"),
    ("MONTHLY", A, "2028-01-31", "2028-02-29", "2028-02-29", "2028-03-31"),
    ("QUARTERLY", A, "2025-11-30", "2026-02-28", "2026-02-28", "2026-05-30"),
    ("QUARTERLY", A, "2025-11-30", "2026-05-29", "2026-02-28", "2026-05-30"),
    ("SEMIANNUAL", A, "2025-08-31", "2026-02-28", "2026-02-28", "2026-08-31"),
    ("YEARLY", A, "2028-02-29", "2029-02-27", "2028-02-29", "2029-02-28"),
    ("YEARLY", A, "2028-02-29", "2031-06-01", "2031-02-28", "2032-02-29"),
    ("YEARLY", A, "2028-02-29", "2032-02-29", "2032-02-29", "2033-02-28"),
    ("WEEKLY", A, "2026-01-01", "2026-01-07", "2026-01-01", "2026-01-08"),
    ("WEEKLY", A, "2025-12-27", "2026-01-02", "2025-12-27", "2026-01-03"),
    ("DAILY", A, "2026-01-15", "2026-02-28", "2026-02-28", "2026-03-01"),
]


@pytest.mark.parametrize(("period", "anchor", "anchor_date", "day", "first", "following"), WHOLE)
def test_whole_periods_by_hand(
    period: str, anchor: BillingAnchor, anchor_date: str, day: str, first: str, following: str
) -> None:
    cycle = Cycle(BillingPeriod(period), anchor, date.fromisoformat(anchor_date), "UTC")
    found = whole_cycle(cycle, date.fromisoformat(day))
    assert [one.isoformat() for one in found] == [first, following]


FIRST = [
    ("MONTHLY", "2026-01-15T12:00Z", "UTC", "2026-01-15T00:00Z", "2026-02-01T00:00Z", (17, 31)),
    ("MONTHLY", "2026-02-28T23:59Z", "UTC", "2026-02-28T00:00Z", "2026-03-01T00:00Z", (1, 28)),
    ("MONTHLY", "2028-02-02T00:00Z", "UTC", "2028-02-02T00:00Z", "2028-03-01T00:00Z", (28, 29)),
    (
        "MONTHLY",
        "2026-01-31T15:00Z",
        "Asia/Tokyo",
        "2026-01-31T15:00Z",
        "2026-02-28T15:00Z",
        (28, 28),
    ),
    # A period may be an hour longer or shorter; its days are what counts.
    (
        "MONTHLY",
        "2026-03-01T05:00Z",
        "America/New_York",
        "2026-03-01T05:00Z",
        "2026-04-01T04:00Z",
        (31, 31),
    ),
    (
        "DAILY",
        "2013-11-03T12:00Z",
        "America/New_York",
        "2013-11-03T04:00Z",
        "2013-11-04T05:00Z",
        (1, 1),
    ),
    (
        "DAILY",
        "2013-03-10T12:00Z",
        "America/New_York",
        "2013-03-10T05:00Z",
        "2013-03-11T04:00Z",
        (1, 1),
    ),
    (
        "WEEKLY",
        "2013-11-03T05:30Z",
        "America/New_York",
        "2013-11-03T04:00Z",
        "2013-11-04T05:00Z",
        (1, 7),
    ),
    (
        "WEEKLY",
        "2013-03-09T05:30Z",
        "America/New_York",
        "2013-03-09T05:00Z",
        "2013-03-11T04:00Z",
        (2, 7),
    ),
    # Midnight is skipped: the day starts at 01:00, at 02:00 UTC instead of 03:00 from then on.
    (
        "DAILY",
        "2013-10-20T12:00Z",
        "America/Sao_Paulo",
        "2013-10-20T03:00Z",
        "2013-10-21T02:00Z",
        (1, 1),
    ),
    (
        "DAILY",
        "2013-10-20T02:59Z",
        "America/Sao_Paulo",
        "2013-10-19T03:00Z",
        "2013-10-20T03:00Z",
        (1, 1),
    ),
    (
        "MONTHLY",
        "2017-10-15T03:00Z",
        "America/Sao_Paulo",
        "2017-10-15T03:00Z",
        "2017-11-01T02:00Z",
        (17, 31),
    ),
    # The hour before midnight comes twice.
    (
        "DAILY",
        "2018-02-18T02:30Z",
        "America/Sao_Paulo",
        "2018-02-17T02:00Z",
        "2018-02-18T03:00Z",
        (1, 1),
    ),
    # Half an hour.
    (
        "DAILY",
        "2026-04-05T00:00Z",
        "Australia/Lord_Howe",
        "2026-04-04T13:00Z",
        "2026-04-05T13:30Z",
        (1, 1),
    ),
    (
        "QUARTERLY",
        "2026-03-31T13:00Z",
        "Australia/Lord_Howe",
        "2026-03-31T13:00Z",
        "2026-06-30T13:30Z",
        (91, 91),
    ),
    ("YEARLY", "2028-12-31T00:00Z", "UTC", "2028-12-31T00:00Z", "2029-01-01T00:00Z", (1, 366)),
    ("YEARLY", "2026-01-02T00:00Z", "UTC", "2026-01-02T00:00Z", "2027-01-01T00:00Z", (364, 365)),
]


@pytest.mark.parametrize(("period", "started_at", "zone", "start", "end", "days"), FIRST)
def test_first_calendar_periods_by_hand(
    period: str, started_at: str, zone: str, start: str, end: str, days: tuple[int, int]
) -> None:
    since = first_instant(datetime.fromisoformat(started_at), zone)
    cycle = Cycle(BillingPeriod(period), C, local_date(since, zone), zone)
    found = period_from(cycle, since)
    assert found == Period(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert days_of(cycle, found) == days


@pytest.mark.parametrize(
    ("started_at", "zone", "days", "end"),
    [
        ("2026-01-15T12:00Z", "UTC", 0, "2026-01-15T00:00Z"),
        ("2026-01-15T12:00Z", "UTC", 14, "2026-01-29T00:00Z"),
        # Days of the local calendar, not of 24 hours.
        ("2013-03-09T12:00Z", "America/New_York", 2, "2013-03-11T04:00Z"),
        ("2013-11-03T12:00Z", "America/New_York", 1, "2013-11-04T05:00Z"),
        ("2013-10-19T12:00Z", "America/Sao_Paulo", 1, "2013-10-20T03:00Z"),
        ("2026-01-31T00:00Z", "UTC", 730, "2028-01-31T00:00Z"),
    ],
)
def test_a_trial_lasts_local_days(started_at: str, zone: str, days: int, end: str) -> None:
    first = first_instant(datetime.fromisoformat(started_at), zone)
    assert trial_end(first, days, zone) == datetime.fromisoformat(end)


HOURS = st.integers(0, 20)
LIVES = st.lists(st.tuples(HOURS, HOURS).filter(lambda two: two[0] < two[1]), max_size=6)
ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)


@settings(deadline=None, max_examples=400)
@given(hours=LIVES)
def test_windows_of_several_subscriptions_tile_their_lives_and_the_oldest_is_first(
    hours: list[tuple[int, int]],
) -> None:
    lives = [
        Period(ORIGIN + start * timedelta(hours=1), ORIGIN + end * timedelta(hours=1))
        for start, end in hours
    ]
    windows = [own_windows(life, lives[:age]) for age, life in enumerate(lives)]
    for half_hour in range(42):
        moment = ORIGIN + half_hour * timedelta(minutes=30)
        owners = [age for age, own in enumerate(windows) for window in own if moment in window]
        alive = [age for age, life in enumerate(lives) if moment in life]
        assert owners == alive[:1]


@settings(deadline=None, max_examples=200)
@given(hours=LIVES, start=HOURS, length=st.integers(1, 20))
def test_a_periods_own_windows_are_in_order_and_inside_of_it(
    hours: list[tuple[int, int]], start: int, length: int
) -> None:
    period = Period(
        ORIGIN + start * timedelta(hours=1), ORIGIN + (start + length) * timedelta(hours=1)
    )
    older = [
        Period(ORIGIN + begin * timedelta(hours=1), ORIGIN + end * timedelta(hours=1))
        for begin, end in hours
    ]
    edges = [edge for own in own_windows(period, older) for edge in (own.start, own.end)]
    assert edges == sorted(edges)
    assert all(period.start <= edge <= period.end for edge in edges)
