"""Idempotency keys: claimed, worked and answered in the one transaction of their mutation."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel.checks import text
from billing_gql.kernel.problems import IdempotencyMismatch
from billing_gql.store.tables import IdempotencyKey

Answer = dict[str, str]
"""What a mutation answered: for each entity of its payload, the id."""


def hash_of(mutation: str, values: Mapping[str, object]) -> bytes:
    """SHA-256 of the mutation and its input, whatever the order of the keys."""
    encoded = msgspec.json.encode([mutation, values], order="deterministic")
    return hashlib.sha256(encoded).digest()


async def once(
    session: AsyncSession,
    *,
    organization_id: str,
    key: str,
    mutation: str,
    input_hash: bytes,
    now: datetime,
    work: Callable[[], Awaitable[Answer]],
) -> tuple[Answer, bool]:
    """Does the work, or returns what it answered before with True.

    A concurrent call with the same key waits at the insert until this transaction ends: then it
    finds the answer, or, where this one failed and left no trace, does the work itself.
    Raises IdempotencyMismatch where the key came with another input.
    """
    text(key, "idempotencyKey")
    claim = (
        insert(IdempotencyKey)
        .values(
            organization_id=organization_id,
            key=key,
            mutation=mutation,
            input_hash=input_hash,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(IdempotencyKey.key))
    )
    mine = (col(IdempotencyKey.organization_id) == organization_id, col(IdempotencyKey.key) == key)
    if (await session.exec(claim)).first() is None:
        earlier = (await session.exec(select(IdempotencyKey).where(*mine))).one()
        if earlier.input_hash != input_hash or earlier.answer is None:
            raise IdempotencyMismatch(
                f"The key {key!r} was used before with another input, for {earlier.mutation}.",
                ("idempotencyKey",),
            )
        return earlier.answer, True
    answer = await work()
    await session.exec(update(IdempotencyKey).where(*mine).values(answer=answer))
    return answer, False
