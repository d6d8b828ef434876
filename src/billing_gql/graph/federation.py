"""What a gateway of Apollo Federation 2 asks of a subgraph: its schema, and entities by their keys.

Every node is an entity with the key `id`; `graph.node.entity` declares it.
"""

from asyncio import gather
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, cast

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation.schema import FederationAny
from strawberry.types.base import StrawberryList, StrawberryOptional
from strawberry.types.scalar import ScalarDefinition, ScalarWrapper
from strawberry.types.union import StrawberryUnion

from billing_gql.graph.mutate import Info
from billing_gql.graph.node import Node
from billing_gql.graph.nodes import NODES, node_of
from billing_gql.graph.scalars import parse_json_literal
from billing_gql.kernel.problems import InvalidInput, TooManyItems

if TYPE_CHECKING:  # it has this file's fields
    from billing_gql.graph.schema import BillingSchema

MAX_REPRESENTATIONS = 1000
"""More than the ids of `nodes`: see docs/decisions/0022."""

VERSION: Literal["2.0"] = "2.0"
"""Of the federation specification: the oldest with all that we use, so every gateway reads it."""

ENTITIES = {type_.__name__: type_ for type_, _ in NODES.values()}

ENTITY = StrawberryUnion(
    "_Entity",
    type_annotations=tuple(StrawberryAnnotation(ENTITIES[name]) for name in sorted(ENTITIES)),
    description="What a gateway may ask for by its key.",
)

SCALARS: dict[object, type | ScalarWrapper | ScalarDefinition] = {
    FederationAny: strawberry.scalar(
        name="_Any",
        description='A key, an object like `{"__typename": "Invoice", "id": "inv_…"}`.',
        serialize=lambda value: value,
        parse_value=lambda value: value,
        parse_literal=parse_json_literal,
    )
}


@strawberry.type(name="_Service", description="This subgraph, for a gateway.")
class Service:
    """Named by the federation specification."""

    sdl: str = strawberry.field(description="The schema, without the live updates.")


def reference(representation: object, index: int) -> tuple[type[Node], str]:
    """The type and id that a representation names.

    Raises InvalidInput where it is not one: no gateway sends such a thing for this schema.
    """
    here = ("representations", str(index))
    if not isinstance(representation, Mapping):
        raise InvalidInput("A representation is an object with __typename and id.", here)
    name, node_id = representation.get("__typename"), representation.get("id")
    if not isinstance(name, str) or name not in ENTITIES:
        allowed = ", ".join(sorted(ENTITIES))
        raise InvalidInput(f"__typename must be one of {allowed}.", (*here, "__typename"))
    if not isinstance(node_id, str):
        raise InvalidInput(f"The key of {name} is its id, a string.", (*here, "id"))
    return ENTITIES[name], node_id


async def entity_of(info: Info, representation: object, index: int) -> Node | InvalidInput | None:
    """The entity; None for an unknown id and for one of another type. A failure is of its place."""
    try:
        type_, node_id = reference(representation, index)
        return await node_of(info, node_id, type_)
    except InvalidInput as problem:
        return problem


@strawberry.type
class FederationQueries:
    """Fields of Query."""

    @strawberry.field(name="_service", description="This subgraph, for a gateway.")
    def service(self, info: Info) -> Service:
        return Service(sdl=cast("BillingSchema", info.schema).subgraph_sdl)

    @strawberry.field(
        name="_entities",
        description="Entities by their keys, in order, at most 1,000; null for unknown ones.",
        graphql_type=StrawberryList(StrawberryOptional(ENTITY)),
    )
    async def entities(
        self,
        info: Info,
        representations: Annotated[
            list[FederationAny], strawberry.argument(description="Their types and ids.")
        ],
    ) -> list[Node | InvalidInput | None]:
        if len(representations) > MAX_REPRESENTATIONS:
            raise TooManyItems(
                f"At most {MAX_REPRESENTATIONS} representations, not {len(representations)}.",
                ("representations",),
            )
        # Together, so that the loaders see them all.
        return await gather(
            *(entity_of(info, one, index) for index, one in enumerate(representations))
        )
