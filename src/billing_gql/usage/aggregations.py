"""What each aggregation reads from roll-ups and from events, and how it merges what it read."""

from collections.abc import Mapping
from dataclasses import dataclass

from billing_gql.catalog.tables import Aggregation


@dataclass(frozen=True, slots=True)
class Reading:
    """SQL of one aggregation.

    `rolled_up` are its columns of a roll-up `r`, `raw` the same of an event `e` with its value
    `v.value`, `merged` the quantity from all those columns. `metered` reads the value; null if none
    is read.
    """

    rolled_up: str
    raw: str
    merged: str
    metered: str | None = "metered_number"


READINGS: Mapping[Aggregation, Reading] = {
    Aggregation.COUNT: Reading(
        rolled_up="r.event_count",
        raw="1 AS event_count",
        merged="sum(event_count)",
        metered=None,
    ),
    Aggregation.SUM: Reading(
        rolled_up="r.event_count, r.total",
        raw="1 AS event_count, v.value AS total",
        merged="sum(total)",
    ),
    Aggregation.MAX: Reading(
        rolled_up="r.event_count, r.peak",
        raw="1 AS event_count, v.value AS peak",
        merged="max(peak)",
    ),
    Aggregation.UNIQUE_COUNT: Reading(
        rolled_up="r.event_count, r.value",
        raw='1 AS event_count, v.value COLLATE "C" AS value',
        merged="count(DISTINCT value)",
        metered="metered_text",
    ),
    Aggregation.LATEST: Reading(
        rolled_up="r.event_count, r.latest_at, r.latest_id, r.latest",
        raw="1 AS event_count, e.timestamp AS latest_at, e.transaction_id AS latest_id,"
        " v.value AS latest",
        merged="(array_agg(latest ORDER BY latest_at DESC, latest_id DESC))[1]",
    ),
    # Each change of the level counts for the seconds from it to the window's end, and those from
    # before the window for all of it. `usage.aggregate` divides by the seconds of the period.
    Aggregation.WEIGHTED_SUM: Reading(
        rolled_up="r.event_count * s.inside AS event_count,"
        " r.total * s.seconds - r.moment * s.inside AS level_seconds",
        raw="s.inside AS event_count,"
        " v.value * (s.seconds - extract(epoch FROM e.timestamp) * s.inside) AS level_seconds",
        merged="sum(level_seconds)",
    ),
}
"""`s.inside` is 1 for what happened in the window, and `s.seconds` then those from 1970 to its end;
it is 0 for what came before the window, and `s.seconds` then those of the window."""
