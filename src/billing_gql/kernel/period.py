"""Half-open periods, and days as the calendar of a time zone has them."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The instants from `start` up to, and without, `end`; both in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a period must end after it starts: {self.start} to {self.end}")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def without(self, other: "Period") -> "list[Period]":
        """What is left of this one when the other is cut out: none, one or two periods."""
        left: list[Period] = []
        if self.start < min(self.end, other.start):
            left.append(Period(self.start, min(self.end, other.start)))
        if max(self.start, other.end) < self.end:
            left.append(Period(max(self.start, other.end), self.end))
        return left


@lru_cache(maxsize=1)
def known_timezones() -> frozenset[str]:
    """The IANA zones that this machine knows."""
    return frozenset(available_timezones())


def midnight(day: date, timezone: str) -> datetime:
    """The instant, in UTC, at which the local day starts.

    Where a change of clocks skips midnight it is the first instant of the day; where it
    repeats midnight it is the first of the two.
    """
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def local_date(instant: datetime, timezone: str) -> date:
    """The calendar date that the instant has in the zone."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def start_of_day(instant: datetime, timezone: str) -> datetime:
    """The instant at which the local day of the instant starts."""
    return midnight(local_date(instant, timezone), timezone)


def local_days(period: Period, timezone: str) -> int:
    """The calendar days that a period touches; a change of clocks does not change their number."""
    last = local_date(period.end - timedelta(microseconds=1), timezone)
    return (last - local_date(period.start, timezone)).days + 1


def first_of_next_month(day: date) -> date:
    """The first day of the month after the day's own."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def add_months(day: date, months: int) -> date:
    """The same day of a later or, for a negative number, an earlier month; its last if too short.

    Counted from one remembered day, 31 January is followed by 28 February and 31 March.
    """
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def seconds(period: Period) -> Decimal:
    """How long a period is, exact to the microsecond."""
    return Decimal((period.end - period.start) // timedelta(microseconds=1)).scaleb(-6)
