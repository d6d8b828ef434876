"""Trusted documents: their ids, and the rows that are kept of them.

An id is as the GraphQL-over-HTTP draft, appendix on persisted documents, has it: `sha256:` with the
hash of the text, `x-…:…`, or custom: any text without a colon.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.problems import AlreadyExists, InvalidInput, NotFound, TooManyItems
from billing_gql.store.columns import among
from billing_gql.store.database import run_sql
from billing_gql.store.tables import TrustedDocument

MAX_DOCUMENTS = 10_000
MAX_TEXT = 50_000
"""Characters of one."""
MAX_ID = 255
SHA256 = "sha256:"
DIGEST = re.compile(r"[0-9a-f]{64}")
ID = re.compile(r"sha256:[0-9a-f]{64}|x-[A-Za-z0-9._~-]+:[A-Za-z0-9._~-]+|[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class NewDocument:
    """One that is to be registered."""

    id: str
    text: str
    operations: tuple[str, ...] = ()


def digest(document: str) -> bytes:
    """SHA-256 of the text's UTF-8, as clients compute it."""
    return hashlib.sha256(document.encode()).digest()


def hash_id(document: str) -> str:
    """The id of a text that has no other."""
    return SHA256 + digest(document).hex()


def checked_id(given: object) -> str:
    """An id; raises InvalidInput."""
    if not isinstance(given, str) or len(given) > MAX_ID or not ID.fullmatch(given):
        raise InvalidInput(
            "An id of a document is sha256: with 64 digits of lower-case hexadecimal, or has"
            f" letters, digits and . _ ~ - only, at most {MAX_ID} of them."
        )
    return given


async def find_text(session: AsyncSession, document_id: str) -> str | None:
    """The text of an id; also of a text's hash, whatever id it was registered with."""
    wanted = select(TrustedDocument.text)
    hexadecimal = document_id.removeprefix(SHA256)
    by_id = col(TrustedDocument.id) == document_id
    if not DIGEST.fullmatch(hexadecimal):
        return (await session.exec(wanted.where(by_id))).first()
    by_hash = col(TrustedDocument.hash) == bytes.fromhex(hexadecimal)
    # The id itself goes first: some tools make ids of 64 digits from another form of the text.
    found = wanted.where(by_id | by_hash).order_by(by_id.desc()).limit(1)
    return (await session.exec(found)).first()


async def register(
    session: AsyncSession, new: Sequence[NewDocument], now: datetime
) -> frozenset[str]:
    """Stores what is not stored yet, all or nothing; the ids of those.

    Raises AlreadyExists where an id has another text, and TooManyItems.
    """
    # One at a time: else two could each find room for what is too much together.
    await run_sql(session, text("LOCK TABLE trusted_documents IN SHARE ROW EXCLUSIVE MODE"))
    known = select(TrustedDocument.id, TrustedDocument.hash)
    stored = dict((await session.exec(known)).all())
    fresh: dict[str, NewDocument] = {}
    for one in new:
        taken = stored.get(one.id)
        if one.id in fresh:
            taken = digest(fresh[one.id].text)
        if taken is None:
            fresh[one.id] = one
        elif taken != digest(one.text):
            raise AlreadyExists(
                f"The id {one.id!r} has another text, and front ends may be using it: register the"
                " new text with a new id, or remove the old one first."
            )
    if len(stored) + len(fresh) > MAX_DOCUMENTS:
        raise TooManyItems(
            f"There can be {MAX_DOCUMENTS:,} documents; {len(stored):,} are registered and"
            f" {len(fresh):,} would be added. Remove those that no front end uses any more."
        )
    if fresh:
        rows = [
            {
                "id": one.id,
                "hash": digest(one.text),
                "text": one.text,
                "operations": list(one.operations),
                "registered_at": now,
            }
            for one in fresh.values()
        ]
        await (await session.connection()).execute(insert(TrustedDocument), rows)
    return frozenset(fresh)


@dataclass(frozen=True, slots=True)
class Registered:
    """One that is stored."""

    id: str
    operations: list[str]
    characters: int
    at: datetime


async def registered(session: AsyncSession) -> list[Registered]:
    """All of them, by id."""
    wanted = select(
        TrustedDocument.id,
        TrustedDocument.operations,
        func.length(TrustedDocument.text),
        TrustedDocument.registered_at,
    ).order_by(TrustedDocument.id)
    return [
        Registered(id_, list(operations), characters, at)
        for id_, operations, characters, at in (await session.exec(wanted)).all()
    ]


async def remove(session: AsyncSession, ids: Sequence[str]) -> None:
    """Removes them all; raises NotFound, and removes none, where one is not registered."""
    wanted = list(dict.fromkeys(ids))
    gone = (
        delete(TrustedDocument)
        .where(among(col(TrustedDocument.id), wanted))
        .returning(col(TrustedDocument.id))
    )
    removed = {row[0] for row in (await session.exec(gone)).all()}
    for one in wanted:
        if one not in removed:
            raise NotFound.of("document", one)
