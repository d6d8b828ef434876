"""How loaders batch: many resolvers' keys, one statement.

A class of loaders is made for each snapshot, and most requests use two or three of its forty: each
is made when it is first used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from aiodataloader import DataLoader

from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import Problem

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from billing_gql.graph.context import Context

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A", bound=Hashable)
B = TypeVar("B", bound="Batches")


class Identified(Protocol):
    """A row with an id."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Identified)

Row = TypeVar("Row")
Fetch = Callable[["AsyncSession", Actor, Sequence[str]], Awaitable[V]]
"""A query for many ids at once."""


class Batches:
    """Loaders of one snapshot; each caches what it read."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def _fetch(self, fetch: Fetch[V], ids: Sequence[str]) -> V:
        async with self._context.reading() as session:
            return await fetch(session, self._context.actor, ids)

    async def _by_arguments(
        self,
        keys: Sequence[tuple[A, str]],
        answer: Callable[[AsyncSession, A, list[str]], Awaitable[Mapping[str, V | Problem]]],
    ) -> list[V]:
        """One statement for all ids that come with the same arguments.

        A Problem of some arguments, or of one id, is the answer to those alone: a loader raises it
        to them.
        """
        ids_by_arguments: dict[A, list[str]] = {}
        for arguments, one in keys:
            ids_by_arguments.setdefault(arguments, []).append(one)
        answers: dict[tuple[A, str], V | Problem] = {}
        for arguments, ids in ids_by_arguments.items():
            try:
                async with self._context.reading() as session:
                    found = await answer(session, arguments, ids)
                answers.update({(arguments, one): found[one] for one in ids})
            except Problem as problem:
                answers.update(dict.fromkeys([(arguments, one) for one in ids], problem))
        return cast("list[V]", [answers[key] for key in keys])


def loader(
    batch: Callable[[B, list[K]], Coroutine[None, None, list[V]]],
) -> cached_property[DataLoader[K, V]]:
    """The loader that a method answers: a value for each key, in their order."""

    def make(batches: B) -> DataLoader[K, V]:
        return DataLoader(partial(batch, batches))

    return cached_property(make)


def by_id(fetch: Fetch[Sequence[R]]) -> cached_property[DataLoader[str, R | None]]:
    """Rows by their ids."""

    @loader
    async def batch(batches: Batches, ids: list[str]) -> list[R | None]:
        found = {row.id: row for row in await batches._fetch(fetch, ids)}
        return [found.get(one) for one in ids]

    return batch


def lists(
    fetch: Fetch[Sequence[Row]], parent_of: Callable[[Row], str]
) -> cached_property[DataLoader[str, list[Row]]]:
    """The rows of each parent, in the order in which they are fetched."""

    @loader
    async def batch(batches: Batches, ids: list[str]) -> list[list[Row]]:
        found: dict[str, list[Row]] = {one: [] for one in ids}
        for row in await batches._fetch(fetch, ids):
            found[parent_of(row)].append(row)
        return [found[one] for one in ids]

    return batch


def values(fetch: Fetch[dict[str, V]]) -> cached_property[DataLoader[str, V | None]]:
    """A value of each id; None where it has none."""

    @loader
    async def batch(batches: Batches, ids: list[str]) -> list[V | None]:
        found = await batches._fetch(fetch, ids)
        return [found.get(one) for one in ids]

    return batch
