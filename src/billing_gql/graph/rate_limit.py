"""How much a key may cost a minute, in this process: a bucket a key, filled as time passes."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from billing_gql.graph.bodies import HttpProblem

MAX_KEYS = 10_000
"""Buckets that are kept. The one that was used longest ago goes first, and is full again then."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left, and in how many seconds all of it is there again."""

    limit: int
    remaining: int
    reset_seconds: int

    def shown(self) -> dict[str, int]:
        """As `extensions.rateLimit`."""
        return {
            "limit": self.limit,
            "remaining": self.remaining,
            "resetSeconds": self.reset_seconds,
        }


class RateLimited(HttpProblem):
    """429: the bucket does not have what the operation costs."""

    def __init__(self, cost: int, left: Remaining, seconds: int) -> None:
        message = (
            f"This key may cost {left.limit:,} a minute. The operation costs {cost:,},"
            f" {left.remaining:,} are left: try again in {seconds} seconds."
        )
        super().__init__(429, "RATE_LIMITED", message, headers={"Retry-After": str(seconds)})
        self.left = left


class RateLimit:
    """The buckets. Each holds what may be used in a minute, and is full at first."""

    def __init__(self, per_minute: int, now: Callable[[], float] = monotonic) -> None:
        self.per_minute = per_minute
        self.now = now
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes, cost: int) -> Remaining:
        """Takes the cost, at least 1; raises RateLimited where it is not there.

        What costs more than the whole bucket is let through when it is full, and has to be waited
        for afterwards: else it could never run.
        """
        cost = max(cost, 1)
        now = self.now()
        level, then = self._buckets.pop(key, (float(self.per_minute), now))
        level = min(self.per_minute, level + (now - then) * self.per_minute / 60)
        missing = min(cost, self.per_minute) - level
        self._buckets[key] = (level if missing > 0 else level - cost, now)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        left = self._left(self._buckets[key][0])
        if missing > 0:
            raise RateLimited(cost, left, math.ceil(missing * 60 / self.per_minute))
        return left

    def _left(self, level: float) -> Remaining:
        reset = math.ceil((self.per_minute - level) * 60 / self.per_minute)
        return Remaining(self.per_minute, max(math.floor(level), 0), reset)
