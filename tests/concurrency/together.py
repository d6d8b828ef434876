"""Calls at once."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from tests.support import Json


async def at_once(calls: Sequence[Coroutine[Any, Any, Json]]) -> tuple[list[Json], list[Json]]:
    """The payloads of those that succeeded, and the single errors of the others."""
    payloads = await asyncio.gather(*calls)
    assert all(len(payload["userErrors"]) <= 1 for payload in payloads)
    return (
        [payload for payload in payloads if not payload["userErrors"]],
        [payload["userErrors"][0] for payload in payloads if payload["userErrors"]],
    )
