"""Trusted documents in the store: all or nothing, one text an id, whoever registers at once."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing_gql.kernel.problems import AlreadyExists, InvalidInput, NotFound, TooManyItems
from billing_gql.store import trusted_documents
from billing_gql.store.database import Database
from billing_gql.store.trusted_documents import (
    NewDocument,
    checked_id,
    digest,
    find_text,
    hash_id,
    register,
    registered,
    remove,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def unique(text: str = "{ __typename }") -> str:
    """A text that no other test has."""
    return f"{text} # {uuid4().hex}"


def new(*texts: str) -> list[NewDocument]:
    return [NewDocument(hash_id(one), one) for one in texts]


async def put(database: Database, *documents: NewDocument) -> frozenset[str]:
    return await database.work(lambda session: register(session, documents, NOW))


async def find(database: Database, document_id: str) -> str | None:
    async with database.snapshot() as session:
        return await find_text(session, document_id)


async def ids(database: Database) -> set[str]:
    async with database.snapshot() as session:
        return {one.id for one in await registered(session)}


@pytest.mark.parametrize(
    "good", ["sha256:" + "0a" * 32, "0a" * 16, "a", "A-b.c_d~e", "x-mine:a.b", "f" * 255]
)
def test_ids(good: str) -> None:
    assert checked_id(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " ",
        "a b",
        "a/b",
        "ä",
        "a\n",
        "a\x00",
        "sha256:",
        "sha256:" + "0A" * 32,
        "sha256:" + "0a" * 31,
        "sha512:" + "0a" * 64,
        "mine:a",
        "x-mine:",
        "x-:a",
        "x-mine:a:b",
        "f" * 256,
        5,
        None,
        ["a"],
        {},
    ],
)
def test_what_is_no_id(bad: object) -> None:
    with pytest.raises(InvalidInput, match="An id of a document is"):
        checked_id(bad)


async def test_a_text_is_found_by_its_id_and_by_its_hash(database: Database) -> None:
    plain, named = unique(), unique()
    name = f"app-{uuid4().hex}"
    assert await put(database, *new(plain), NewDocument(name, named)) == {hash_id(plain), name}
    for document_id, found in [
        (hash_id(plain), plain),
        (digest(plain).hex(), plain),
        (name, named),
        (hash_id(named), named),
        (digest(named).hex(), named),
        (name + "x", None),
        (hash_id(unique()), None),
    ]:
        assert await find(database, document_id) == found


async def test_an_id_goes_before_a_hash(database: Database) -> None:
    """Some tools hash another form of the text."""
    hashed, other = unique(), unique()
    await put(database, *new(hashed), NewDocument(digest(hashed).hex(), other))
    assert await find(database, digest(hashed).hex()) == other
    assert await find(database, hash_id(hashed)) == hashed


async def test_registered_twice(database: Database) -> None:
    first, second = unique(), unique()
    assert await put(database, *new(first)) == {hash_id(first)}
    assert await put(database, *new(first, second, second)) == {hash_id(second)}
    assert await put(database, *new(first, second)) == frozenset()


async def test_one_that_is_refused_stores_none(database: Database) -> None:
    name = f"app-{uuid4().hex}"
    await put(database, NewDocument(name, unique()))
    before = await ids(database)
    with pytest.raises(AlreadyExists, match=name):
        await put(database, *new(unique()), NewDocument(name, unique()))
    twice = f"app-{uuid4().hex}"
    with pytest.raises(AlreadyExists, match=twice):
        await put(database, NewDocument(twice, unique()), NewDocument(twice, unique()))
    assert await ids(database) == before


async def test_no_more_than_there_is_room_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await ids(database)
    monkeypatch.setattr(trusted_documents, "MAX_DOCUMENTS", len(before) + 3)
    with pytest.raises(TooManyItems, match="4 would be added"):
        await put(database, *new(*(unique() for _ in range(4))))
    assert await ids(database) == before
    # At the same time, each alone would fit.
    tried = [put(database, *new(unique(), unique())) for _ in range(4)]
    done = await asyncio.gather(*tried, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["TooManyItems"] * 3 + ["frozenset"]
    assert len(await ids(database)) == len(before) + 2


async def test_registered_at_the_same_time(database: Database) -> None:
    texts = [unique() for _ in range(20)]
    turned = [new(*texts[n:], *texts[:n]) for n in range(0, 20, 4)]
    done = await asyncio.gather(*(put(database, *one) for one in turned))
    assert sorted(id_ for one in done for id_ in one) == sorted(map(hash_id, texts))
    name = f"app-{uuid4().hex}"
    tried = [put(database, NewDocument(name, one)) for one in texts[:5]]
    answers = await asyncio.gather(*tried, return_exceptions=True)
    assert [one for one in answers if not isinstance(one, AlreadyExists)] == [frozenset({name})]
    assert await find(database, name) in texts[:5]


async def test_removed_all_or_none(database: Database) -> None:
    texts = [unique() for _ in range(3)]
    await put(database, *new(*texts))
    first, second, third = map(hash_id, texts)
    with pytest.raises(NotFound, match="nobody"):
        await database.work(lambda session: remove(session, [first, "nobody"]))
    assert await find(database, first) == texts[0]
    await database.work(lambda session: remove(session, [first, second, first]))
    assert [await find(database, one) for one in (first, second, third)] == [None, None, texts[2]]


async def test_the_database_holds_the_hash_against_the_text(database: Database) -> None:
    document = unique("{ __typename } # ü€𝄞")
    await put(database, *new(document))
    change = text("UPDATE trusted_documents SET text = text || ' ' WHERE id = :id")
    with pytest.raises(DBAPIError, match="ck_trusted_documents_hash"):
        async with database.engine.begin() as connection:
            await connection.execute(change, {"id": hash_id(document)})


async def test_as_many_as_there_can_be_in_one_go(database: Database) -> None:
    room = trusted_documents.MAX_DOCUMENTS - len(await ids(database))
    many = new(*(unique() for _ in range(room)))
    try:
        assert len(await put(database, *many)) == room
        assert await put(database, *many[-3:]) == frozenset()
        with pytest.raises(TooManyItems):
            await put(database, *new(unique()))
    finally:
        await database.work(lambda session: remove(session, [one.id for one in many]))
