"""The periods of a subscription tile its life, and several share their usage without overlap."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.kernel.period import Period, known_timezones, local_date, midnight
from billing_gql.subscriptions.cycles import (
    days_of,
    first_instant,
    own_windows,
    period_containing,
    period_from,
)

ZONES = sorted(known_timezones())
DAY = timedelta(days=1)
ODD_ZONES = ["America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Asia/Kathmandu", "Africa/Cairo"]
STARTS = st.integers(0, 88 * 365 * 86_400).map(
    lambda second: datetime(2012, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
"""From 2012: Saint John's, whose local day could go back at 00:01, and Samoa are regular since."""


def periods_of(started_at: datetime, zone: str, count: int) -> list[Period]:
    periods = [period_from(first_instant(started_at, zone), zone)]
    while len(periods) < count:
        periods.append(period_from(periods[-1].end, zone))
    return periods


@settings(deadline=None, max_examples=300)
@given(zone=st.one_of(st.sampled_from(ZONES), st.sampled_from(ODD_ZONES)), started_at=STARTS)
def test_periods_tile_a_life_and_bill_each_day_once(zone: str, started_at: datetime) -> None:
    periods = periods_of(started_at, zone, 26)
    first_day = local_date(started_at, zone)
    assert periods[0].start == midnight(first_day, zone) <= started_at
    billed: list[date] = []
    for before, after in pairwise(periods):
        assert before.end == after.start
    for period in periods:
        days, of_days = days_of(period, zone)
        start = local_date(period.start, zone)
        billed += [start + one * DAY for one in range(days)]
        assert (days == of_days) == (start.day == 1)
        assert 28 <= of_days <= 31
    assert billed == [first_day + one * DAY for one in range(len(billed))]
    assert midnight(billed[-1] + DAY, zone) == periods[-1].end


@settings(deadline=None, max_examples=300)
@given(zone=st.sampled_from(ZONES), started_at=STARTS, seconds=st.integers(-(10**7), 10**8))
def test_the_period_of_an_instant_is_one_of_the_tiles(
    zone: str, started_at: datetime, seconds: int
) -> None:
    moment = started_at + timedelta(seconds=seconds)
    found = period_containing(moment, started_at, zone)
    periods = periods_of(started_at, zone, 45)
    if moment < periods[0].start:
        assert found == periods[0]
    else:
        assert [found] == [period for period in periods if moment in period]


@pytest.mark.parametrize(
    ("started_at", "zone", "start", "end", "days"),
    [
        ("2026-01-15T12:00Z", "UTC", "2026-01-15T00:00Z", "2026-02-01T00:00Z", (17, 31)),
        ("2026-02-28T23:59Z", "UTC", "2026-02-28T00:00Z", "2026-03-01T00:00Z", (1, 28)),
        ("2028-02-02T00:00Z", "UTC", "2028-02-02T00:00Z", "2028-03-01T00:00Z", (28, 29)),
        ("2026-01-31T15:00Z", "Asia/Tokyo", "2026-01-31T15:00Z", "2026-02-28T15:00Z", (28, 28)),
        (
            "2026-02-01T04:00Z",
            "America/New_York",
            "2026-01-31T05:00Z",
            "2026-02-01T05:00Z",
            (1, 31),
        ),
        (
            "2026-03-01T05:00Z",
            "America/New_York",
            "2026-03-01T05:00Z",
            "2026-04-01T04:00Z",
            (31, 31),
        ),
        (
            "2026-11-01T04:00Z",
            "America/New_York",
            "2026-11-01T04:00Z",
            "2026-12-01T05:00Z",
            (30, 30),
        ),
        (
            "2017-10-20T00:00Z",
            "America/Sao_Paulo",
            "2017-10-19T02:00Z",
            "2017-11-01T02:00Z",
            (13, 31),
        ),
        (
            "2017-10-15T03:00Z",
            "America/Sao_Paulo",
            "2017-10-15T03:00Z",
            "2017-11-01T02:00Z",
            (17, 31),
        ),
    ],
)
def test_first_periods_by_hand(
    started_at: str, zone: str, start: str, end: str, days: tuple[int, int]
) -> None:
    (period,) = periods_of(datetime.fromisoformat(started_at), zone, 1)
    assert period == Period(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert days_of(period, zone) == days


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
