"""The second subgraph of docs/bff.md: who looks after which customer of billing."""

import strawberry
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL

MANAGERS: dict[str, str] = {}
"""Who looks after a customer, by the customer's id."""


@strawberry.federation.type(keys=["id"])
class Customer:
    """Billing's, by its id."""

    id: strawberry.ID

    @strawberry.field
    def account_manager(self) -> str | None:
        return MANAGERS.get(self.id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Customer":
        return cls(id=id)


@strawberry.type
class Query:
    """What billing does not know."""

    @strawberry.field
    def accounts(self, manager: str) -> list[Customer | None]:
        ids = [one for one, name in MANAGERS.items() if name == manager]
        return [Customer(id=strawberry.ID(one)) for one in ids]


class Crm:
    """The subgraph's application."""

    schema = strawberry.federation.Schema(query=Query, federation_version="2.3")

    def __init__(self) -> None:
        self.asked = 0
        self.keys: list[str] = []
        """Keys that came here, where none is wanted."""
        self._graphql: GraphQL[object, None] = GraphQL(self.schema)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        self.keys += HTTPConnection(scope).headers.getlist("authorization")
        await self._graphql(scope, receive, send)
