"""How loaders batch: many resolvers' keys, one statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from aiodataloader import DataLoader

from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import Problem

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from billing_gql.graph.context import Context

V = TypeVar("V")
A = TypeVar("A", bound=Hashable)


class Identified(Protocol):
    """A row with an id."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Identified)

ById = Callable[["AsyncSession", Actor, Sequence[str]], Awaitable[Sequence[R]]]


class Batches:
    """Loaders of one snapshot; each caches what it read."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def _by_id(self, fetch: ById[R]) -> DataLoader[str, R | None]:
        async def batch(ids: list[str]) -> list[R | None]:
            async with self._context.reading() as session:
                rows = await fetch(session, self._context.actor, ids)
            found = {row.id: row for row in rows}
            return [found.get(one) for one in ids]

        return DataLoader(batch)

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
