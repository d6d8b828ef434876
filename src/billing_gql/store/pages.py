"""Keyset pages: a list is read from where the last page ended, in time that does not grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`size` rows after or before a position, or the first or last of all.

    A position is the values of the order's columns at a row.
    """

    size: int
    backward: bool = False
    position: tuple[object, ...] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in the list's order, and whether more lie on either side."""

    rows: Sequence[T]
    has_next: bool
    has_previous: bool


@dataclass(frozen=True, slots=True)
class Order:
    """Columns that name a row's place in a list; the last is unique. One direction for all."""

    columns: tuple[ColumnElement[object], ...]
    descending: bool

    def clauses(self, request: PageRequest) -> list[ColumnElement[object]]:
        """ORDER BY, turned round for a page read backward."""
        down = self.descending != request.backward
        return [column.desc() if down else column.asc() for column in self.columns]

    def beyond(self, request: PageRequest) -> list[ColumnElement[bool]]:
        """WHERE, for the rows beyond the request's position."""
        if request.position is None:
            return []
        down = self.descending != request.backward
        first, *rest = zip(self.columns, request.position, strict=True)
        condition = _past(first, rest, down)
        # The same bound once more on the first column alone, so that an index range starts there.
        column, value = first
        return [column <= value if down else column >= value, condition]


def _past(
    first: tuple[ColumnElement[object], object],
    rest: list[tuple[ColumnElement[object], object]],
    down: bool,
) -> ColumnElement[bool]:
    column, value = first
    here: ColumnElement[bool] = column < value if down else column > value
    if not rest:
        return here
    return or_(here, and_(column == value, _past(rest[0], rest[1:], down)))


def page_of(rows: Sequence[T], request: PageRequest) -> Page[T]:
    """The page from `size + 1` rows read in the request's direction."""
    more = len(rows) > request.size
    kept = list(rows[: request.size])
    beyond = request.position is not None
    if request.backward:
        return Page(kept[::-1], has_next=beyond, has_previous=more)
    return Page(kept, has_next=more, has_previous=beyond)


def contains(column: object, part: str) -> ColumnElement[bool]:
    """Case-insensitive search for a part, whatever signs it holds."""
    return col(column).icontains(part, autoescape=True)
