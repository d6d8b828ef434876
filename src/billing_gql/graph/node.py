"""The Node interface, and what every type of it is declared with."""

from collections.abc import Callable
from typing import TypeVar, dataclass_transform

import strawberry
from strawberry.types.field import StrawberryField

T = TypeVar("T")


@strawberry.interface(description="Anything with an id that is unique across kinds.")
class Node:
    """An id says its kind; see `kernel.ids`."""

    id: strawberry.ID


N = TypeVar("N", bound=Node)


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field, StrawberryField))
def entity(*, description: str) -> Callable[[type[N]], type[N]]:
    """A type of the interface; gateways may ask for it by its id."""
    return strawberry.federation.type(description=description, keys=["id"])


def kept(node: T | None) -> T:
    """What a foreign key points to, and so is there."""
    if node is None:
        raise AssertionError("a foreign key keeps it")
    return node
