"""What a check is: one statement, or one and a computation, over an organization's books."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.actor import Actor
from billing_gql.store.database import run_sql

MAX_FINDINGS = 1_000
"""Of one report; each check reads at most as many."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold; `subject_id` is the row that it was found on."""

    code: str
    message: str
    subject_id: str | None


@dataclass(frozen=True, slots=True)
class Books:
    """Whose books a check reads, and the decimals of each currency in them."""

    actor: Actor
    decimals: Mapping[str, int]


Check = Callable[[AsyncSession, Books], Awaitable[Sequence[Finding]]]
"""Reads a fixed number of statements, whatever there is to check."""

CURRENCIES = "unnest(CAST(:currencies AS text[]), CAST(:decimals AS int[])) AS c (code, decimals)"
"""The relation of currencies with their decimals."""


async def ask(session: AsyncSession, books: Books, statement: str) -> Sequence[Row[Any]]:
    """The rows of a statement that finds what is wrong, at most as many as a report holds."""
    rows = await run_sql(
        session,
        text(f"{statement}\nLIMIT :most"),
        {
            "organization": books.actor.organization_id,
            "most": MAX_FINDINGS,
            **({"now": books.actor.now} if ":now" in statement else {}),
            **(
                {
                    "currencies": list(books.decimals),
                    "decimals": list(books.decimals.values()),
                }
                if CURRENCIES in statement
                else {}
            ),
        },
    )
    return rows.all()


def stated(statement: str) -> Check:
    """A check that is a statement of `code`, `subject_id` and `message`."""

    async def check(session: AsyncSession, books: Books) -> Sequence[Finding]:
        rows = await ask(session, books, statement)
        return [Finding(row.code, row.message, row.subject_id) for row in rows]

    return check
