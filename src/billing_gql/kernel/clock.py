"""The only place that reads the wall clock."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant, in UTC."""

    def now(self) -> datetime: ...


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock:
    """The clock of a TEST organization: it stands until it is moved."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant


def clock_of(test_clock: datetime | None) -> Clock:
    """The clock of an organization, from its test clock where one is set."""
    return WallClock() if test_clock is None else SetClock(test_clock)
