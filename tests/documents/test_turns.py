"""So many work on documents at once, so many wait, so long."""

import asyncio

import pytest

from billing_gql.documents.turns import Busy, Turns


async def test_what_comes_beyond_those_who_wait_is_told_to_come_again() -> None:
    turns = Turns(at_once=2, waiting=3, seconds=60)
    open_, at_work, most = asyncio.Event(), 0, 0

    async def work() -> None:
        nonlocal at_work, most
        async with turns.turn():
            at_work += 1
            most = max(most, at_work)
            await open_.wait()
            at_work -= 1

    async with asyncio.TaskGroup() as tasks:
        first = [tasks.create_task(work()) for _ in range(2)]
        await asyncio.sleep(0)
        later = [tasks.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="Try again soon"):
            await work()
        open_.set()
    assert all(one.done() for one in (*first, *later))
    assert (most, at_work) == (2, 0)


async def test_nobody_waits_longer_than_told_and_the_turn_is_free_again() -> None:
    turns = Turns(at_once=1, waiting=1, seconds=0.01)
    async with turns.turn():
        with pytest.raises(Busy):
            async with turns.turn():
                pass
    async with turns.turn():
        pass


async def test_work_that_fails_gives_its_turn_back() -> None:
    turns = Turns(at_once=1, waiting=1, seconds=60)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with turns.turn():
                raise ZeroDivisionError
