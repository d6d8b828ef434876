"""The Node interface and its lookup."""

import strawberry


@strawberry.interface(description="Anything with an id that is unique across kinds.")
class Node:
    """An id says its kind; see `kernel.ids`."""

    id: strawberry.ID
