"""Periods and local days, in every time zone that the machine knows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.kernel.period import (
    Period,
    add_months,
    first_of_next_month,
    known_timezones,
    local_date,
    local_days,
    midnight,
    seconds,
)

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
ZONES = sorted(known_timezones())
FIRST_DAY = date(2012, 1, 1)
"""Samoa and Tokelau skipped a whole day in December 2011; no zone has since."""


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@settings(deadline=None, max_examples=500)
@given(zone=st.sampled_from(ZONES), day=st.dates(FIRST_DAY, date(2150, 1, 1)))
def test_midnight_is_the_first_instant_of_its_day(zone: str, day: date) -> None:
    start = midnight(day, zone)
    assert local_date(start, zone) == day
    assert local_date(start - MICROSECOND, zone) == day - DAY


def test_every_month_of_every_zone_starts_at_its_first_instant() -> None:
    for zone in ZONES:
        day = FIRST_DAY
        while day.year < 2030:
            start = midnight(day, zone)
            assert local_date(start, zone) == day, (zone, day)
            assert local_date(start - MICROSECOND, zone) == day - DAY, (zone, day)
            day = first_of_next_month(day)


@pytest.mark.parametrize(
    ("zone", "day", "starts"),
    [
        # 00:00 is skipped: the day starts at 01:00.
        ("America/Sao_Paulo", date(2017, 10, 15), "2017-10-15T03:00:00Z"),
        ("Asia/Beirut", date(2025, 3, 30), "2025-03-29T22:00:00Z"),
        ("America/Havana", date(2025, 3, 9), "2025-03-09T05:00:00Z"),
        # The hour before midnight comes twice: the day starts after the second.
        ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00:00Z"),
        ("Asia/Beirut", date(2025, 10, 26), "2025-10-25T22:00:00Z"),
        # 00:00 comes twice: the day starts at the first.
        ("America/Havana", date(2025, 11, 2), "2025-11-02T04:00:00Z"),
        ("Atlantic/Azores", date(2026, 10, 25), "2026-10-25T00:00:00Z"),
        ("Asia/Kolkata", date(2026, 1, 1), "2025-12-31T18:30:00Z"),
        ("Asia/Kathmandu", date(2026, 1, 1), "2025-12-31T18:15:00Z"),
        ("Pacific/Kiritimati", date(2026, 1, 1), "2025-12-31T10:00:00Z"),
        ("Etc/GMT+12", date(2026, 1, 1), "2026-01-01T12:00:00Z"),
    ],
)
def test_midnights_at_which_clocks_change(zone: str, day: date, starts: str) -> None:
    assert midnight(day, zone) == instant(starts)
    assert local_date(midnight(day, zone), zone) == day


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Sao_Paulo", date(2017, 10, 15), 23),
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("Asia/Beirut", date(2025, 3, 30), 23),
        ("Asia/Beirut", date(2025, 10, 25), 25),
        ("America/Havana", date(2025, 11, 2), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ],
)
def test_a_day_of_changed_clocks_is_one_day(zone: str, day: date, hours: float) -> None:
    period = Period(midnight(day, zone), midnight(day + DAY, zone))
    assert period.end - period.start == timedelta(hours=hours)
    assert local_days(period, zone) == 1


@settings(deadline=None, max_examples=400)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(FIRST_DAY, date(2150, 1, 1)),
    days=st.integers(1, 400),
)
def test_days_from_midnight_to_midnight_are_those_of_the_calendar(
    zone: str, day: date, days: int
) -> None:
    period = Period(midnight(day, zone), midnight(day + days * DAY, zone))
    assert local_days(period, zone) == days


@settings(deadline=None, max_examples=300)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(FIRST_DAY, date(2150, 1, 1)),
    before=st.integers(1, 60),
    after=st.integers(1, 86_000),
)
def test_a_day_that_is_only_touched_counts(zone: str, day: date, before: int, after: int) -> None:
    start = midnight(day - before * DAY, zone)
    inside = midnight(day, zone) + MICROSECOND
    assert local_days(Period(start, inside), zone) == before + 1
    end = midnight(day, zone) + timedelta(seconds=after)
    last = (end - MICROSECOND).astimezone(ZoneInfo(zone)).date()
    assert local_days(Period(start, end), zone) == (last - day).days + before + 1


MOMENTS = st.integers(0, 12).map(lambda hour: datetime(2026, 1, 1, hour, tzinfo=UTC))
PERIODS = st.tuples(MOMENTS, MOMENTS).filter(lambda two: two[0] < two[1])


@settings(deadline=None, max_examples=400)
@given(one=PERIODS, other=PERIODS)
def test_what_is_cut_out_and_what_is_left_tile_a_period(
    one: tuple[datetime, datetime], other: tuple[datetime, datetime]
) -> None:
    whole, hole = Period(*one), Period(*other)
    left = whole.without(hole)
    assert left == sorted(left)
    for half_hour in range(26):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + half_hour * timedelta(minutes=30)
        pieces = sum(moment in piece for piece in left)
        assert pieces == (moment in whole and moment not in hole)


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_period_ends_after_it_starts(minutes: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="must end after"):
        Period(start, start + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("day", "following"),
    [
        (date(2026, 1, 31), date(2026, 2, 1)),
        (date(2028, 2, 29), date(2028, 3, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_the_next_month_starts_on_its_first(day: date, following: date) -> None:
    assert first_of_next_month(day) == following


@pytest.mark.parametrize(
    ("day", "months", "found"),
    [
        ("2026-01-31", 0, "2026-01-31"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-01-31", 2, "2026-03-31"),
        ("2026-01-31", 11, "2026-12-31"),
        ("2026-01-31", 12, "2027-01-31"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-12-15", -12, "2025-12-15"),
        ("2026-01-15", -1, "2025-12-15"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2028-02-29", -12, "2027-02-28"),
    ],
)
def test_months_are_added_by_the_calendar(day: str, months: int, found: str) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(found)


@settings(max_examples=400)
@given(day=st.dates(FIRST_DAY, date(2150, 1, 1)), months=st.integers(-1200, 1200))
def test_added_months_keep_the_day_or_end_their_month(day: date, months: int) -> None:
    found = add_months(day, months)
    assert (found.year - day.year) * 12 + found.month - day.month == months
    assert found.day == day.day or (found.day < day.day and (found + DAY).day == 1)


@pytest.mark.parametrize(
    ("length", "found"),
    [
        (MICROSECOND, "0.000001"),
        (timedelta(seconds=1), "1"),
        (timedelta(days=31), "2678400"),
        (timedelta(days=36525, microseconds=1), "3155760000.000001"),
        (timedelta(hours=24.5), "88200"),
    ],
)
def test_a_length_in_seconds_is_exact(length: timedelta, found: str) -> None:
    start = datetime(2026, 1, 1, 0, 0, 0, 333333, tzinfo=UTC)
    assert seconds(Period(start, start + length)) == Decimal(found)
