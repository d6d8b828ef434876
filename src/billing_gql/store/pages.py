"""Keyset pages: a list is read from where the last page ended, in time that does not grow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import ARRAY, ColumnElement, SQLColumnExpression, Text, and_, cast, func, or_, true
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.store.columns import Row, among

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R", bound=Row)


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

    def map(self, change: Callable[[T], U]) -> "Page[U]":
        """The same page of something else."""
        return Page([change(row) for row in self.rows], self.has_next, self.has_previous)


@dataclass(frozen=True, slots=True)
class Order:
    """Columns that name a row's place in a list; the last is unique. One direction for all."""

    columns: tuple[SQLColumnExpression[object], ...]
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
    first: tuple[SQLColumnExpression[object], object],
    rest: list[tuple[SQLColumnExpression[object], object]],
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


async def read_page(
    session: AsyncSession,
    table: type[R],
    where: Sequence[ColumnElement[bool]],
    order: Order,
    request: PageRequest,
) -> Page[R]:
    """One page, in one statement that reads no more than it shows and what `where` leaves out."""
    rows = await session.exec(
        select(table)
        .where(*where, *order.beyond(request))
        .order_by(*order.clauses(request))
        .limit(request.size + 1)
    )
    return page_of(rows.all(), request)


async def read_pages(
    session: AsyncSession,
    table: type[R],
    parent: SQLColumnExpression[object],
    parent_ids: Sequence[str],
    where: Sequence[ColumnElement[bool]],
    order: Order,
    request: PageRequest,
) -> dict[str, Page[R]]:
    """The same page of each parent's rows, in one statement."""
    wanted = (
        func.unnest(cast(list(parent_ids), ARRAY(Text)))
        .table_valued("id", name="wanted")
        .render_derived()
    )
    of_one = (
        select(table)
        .where(parent == wanted.c.id, *where, *order.beyond(request))
        .order_by(*order.clauses(request))
        .limit(request.size + 1)
        .correlate(wanted)
        .lateral()
    )
    each = select(wanted.c.id, aliased(table, of_one)).select_from(wanted.join(of_one, true()))
    rows = await session.exec(each)
    found: dict[str, list[R]] = {parent_id: [] for parent_id in parent_ids}
    for parent_id, row in rows:
        found[parent_id].append(row)
    return {parent_id: page_of(kept, request) for parent_id, kept in found.items()}


async def read_counts(
    session: AsyncSession,
    parent: Mapped[str] | Mapped[str | None],
    parent_ids: Sequence[str],
    where: Sequence[ColumnElement[bool]],
) -> dict[str, int]:
    """How many rows each parent has, in one statement."""
    counted = select(parent, func.count()).where(among(parent, parent_ids), *where).group_by(parent)
    found = {row[0]: row[1] for row in await session.exec(counted)}
    return {parent_id: found.get(parent_id, 0) for parent_id in parent_ids}


def contains(column: object, part: str) -> ColumnElement[bool]:
    """Case-insensitive search for a part, whatever signs it holds."""
    return col(column).icontains(part, autoescape=True)
