"""The level of WEIGHTED_SUM over many windows in a row, carried from each to the next.

Each window on its own would read all that came before it: here that is read once, and each window
adds its changes.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from billing_gql.kernel.checks import EARLIEST
from billing_gql.kernel.money import exactly
from billing_gql.kernel.period import Period, seconds
from billing_gql.usage.aggregate import UsageRow, UsageSlice, mean_level

MICROSECOND = Decimal(1).scaleb(-6)
"""The mean over it is the sum in microseconds: exact, as the values have at most 12 decimals."""

Group = tuple[str | None, ...]


class Levels:
    """Makes the slices of windows, and quantities of what they read; keys from `first_key` on are
    its own."""

    def __init__(self, first_key: int) -> None:
        self._next_key = first_key
        self._chains: list[list[tuple[UsageSlice, int]]] = []
        self._starts: list[int] = []

    def slices_of(self, window: UsageSlice) -> list[UsageSlice]:
        """What a window reads. Windows of a customer and feature must come in order, each starting
        where the one before it ends."""
        chain = self._chains[-1] if self._chains else []
        last = chain[-1][0] if chain else None
        slices = []
        if last is None or (last.customer_id, last.feature.id, last.window.end) != (
            window.customer_id,
            window.feature.id,
            window.window.start,
        ):
            chain = []
            self._chains.append(chain)
            self._starts.append(self._take_key())
            if window.window.start > EARLIEST:
                before = Period(EARLIEST, window.window.start)
                slices.append(replace(window, key=self._starts[-1], window=before, added_up=True))
        change_key = self._take_key()
        chain.append((window, change_key))
        return [
            *slices,
            replace(window, changes_only=True, period_seconds=MICROSECOND),
            replace(window, key=change_key, added_up=True),
        ]

    def carry(self, rows: Sequence[UsageRow]) -> list[UsageRow]:
        """The rows with those of its windows in place of what these read."""
        read: dict[int, dict[Group, UsageRow]] = {}
        for row in rows:
            read.setdefault(row.key, {})[row.group] = row
        own = set(self._starts)
        for chain in self._chains:
            own |= {key for window, change_key in chain for key in (window.key, change_key)}
        answers = [row for row in rows if row.key not in own]
        for start, chain in zip(self._starts, self._chains, strict=True):
            levels = {group: row.quantity for group, row in read.get(start, {}).items()}
            for window, change_key in chain:
                inside = read.get(window.key, {})
                answers += [
                    _in_window(window, group, levels.get(group, Decimal(0)), inside.get(group))
                    for group in levels | inside
                ]
                for group, row in read.get(change_key, {}).items():
                    levels[group] = levels.get(group, Decimal(0)) + row.quantity
        return answers

    def _take_key(self) -> int:
        self._next_key += 1
        return self._next_key - 1


@exactly
def _in_window(
    window: UsageSlice, group: Group, level: Decimal, inside: UsageRow | None
) -> UsageRow:
    length = seconds(window.window)
    changes = Decimal(0) if inside is None else inside.quantity * MICROSECOND
    quantity = mean_level(level * length + changes, length)
    return UsageRow(window.key, group, quantity, 0 if inside is None else inside.event_count)
