"""The Node interface and its lookup."""

from typing import TypeVar

import strawberry

T = TypeVar("T")


@strawberry.interface(description="Anything with an id that is unique across kinds.")
class Node:
    """An id says its kind; see `kernel.ids`."""

    id: strawberry.ID


def kept(node: T | None) -> T:
    """What a foreign key points to, and so is there."""
    if node is None:
        raise AssertionError("a foreign key keeps it")
    return node
