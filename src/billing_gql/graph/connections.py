"""Relay connections over keyset pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, Self, TypeVar

import msgspec
import strawberry

from billing_gql.kernel import checks
from billing_gql.kernel.problems import InvalidInput, TooManyItems
from billing_gql.store.pages import Page, PageRequest

T = TypeVar("T")

DEFAULT_PAGE = 25
MAX_PAGE = 100


@strawberry.federation.type(shareable=True, description="Where a page lies in its list.")
class PageInfo:
    """Relay's."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="A node and its place in the list.")
class Edge(Generic[T]):
    """Relay's."""

    node: T
    cursor: str


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """Relay's, with `nodes` as a shorter way."""

    edges: list[Edge[T]]
    nodes: list[T]
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="All that the list holds; counted only where it is asked for.")
    async def total_count(self) -> int:
        return await self.count()

    @classmethod
    def of(
        cls, page: Page[T], cursor: Callable[[T], str], count: Callable[[], Awaitable[int]]
    ) -> Self:
        """A page of nodes; `cursor` names a node's place, `count` is run where it is asked for."""
        edges = [Edge(node=node, cursor=cursor(node)) for node in page.rows]
        return cls(
            edges=edges,
            nodes=list(page.rows),
            page_info=PageInfo(
                has_next_page=page.has_next,
                has_previous_page=page.has_previous,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
            count=count,
        )


def page_request(
    position_type: type[object] | object,
    list_name: str,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> PageRequest:
    """Reads the four arguments; raises InvalidInput or TooManyItems at the one that is wrong.

    A cursor belongs to a list and its order, which `list_name` names.
    """
    if first is not None and last is not None:
        raise InvalidInput("Give first or last, not both.", ("last",))
    if last is None and before is not None:
        raise InvalidInput("`before` goes with `last`.", ("before",))
    if last is not None and after is not None:
        raise InvalidInput("`after` goes with `first`.", ("after",))
    name, size = ("last", last) if last is not None else ("first", first)
    if size is None:
        size = DEFAULT_PAGE
    if size < 0:
        raise InvalidInput(f"Must be from 0 to {MAX_PAGE}, not {size}.", (name,))
    if size > MAX_PAGE:
        raise TooManyItems(f"At most {MAX_PAGE}, not {size}.", (name,))
    cursor_name, cursor = ("before", before) if last is not None else ("after", after)
    position = (
        None if cursor is None else _read_cursor(cursor, position_type, list_name, cursor_name)
    )
    return PageRequest(size=size, backward=last is not None, position=position)


def write_cursor(list_name: str, position: tuple[object, ...]) -> str:
    """An opaque text for a place in a list."""
    return urlsafe_b64encode(msgspec.json.encode([list_name, position])).decode().rstrip("=")


def _read_cursor(
    cursor: str, position_type: type[object] | object, list_name: str, argument: str
) -> tuple[object, ...]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        name, position = msgspec.json.decode(
            urlsafe_b64decode(padded), type=tuple[str, msgspec.Raw]
        )
        if name == list_name:
            found: tuple[object, ...] = msgspec.json.decode(position, type=position_type)
            for value in found:
                # Written by hand, it could be beyond what the database can compare.
                checks.json_value(value)
                if isinstance(value, datetime):
                    checks.instant(value)
            return found
    except (ValueError, msgspec.MsgspecError, InvalidInput):
        pass
    raise InvalidInput("This cursor is not of this list in this order.", (argument,))
