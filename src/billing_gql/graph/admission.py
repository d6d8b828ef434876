"""Lets an operation run: it is read, held against the limits, and charged to the key."""

import re
from collections.abc import Callable, Mapping

from graphql import GraphQLError

from billing_gql.auth import bearer_key
from billing_gql.graph.bodies import HttpProblem
from billing_gql.graph.context import Context
from billing_gql.graph.persisted import PersistedDocuments
from billing_gql.graph.problems import shown_error
from billing_gql.graph.rate_limit import RateLimit, RateLimited
from billing_gql.graph.read_document import Documents, Operation
from billing_gql.observe.scope import note_cost, note_operation
from billing_gql.organizations.create import hash_key

SUGGESTION = re.compile(r" Did you mean [^?]*\?")
"""Names of the schema in an error."""


class Admission:
    """One for every way in: HTTP, server-sent events and WebSockets."""

    def __init__(
        self, documents: Documents, persisted: PersistedDocuments, rate_limit: RateLimit | None
    ) -> None:
        self.documents = documents
        self.persisted = persisted
        self.rate_limit = rate_limit

    def operation(self, query: str | None, name: object) -> Operation | None:
        """Which operation of the text it is; None where the text has no operation that can be read.

        Raises HttpProblem where it is not clear which, or there is no text.
        """
        if not query:
            raise HttpProblem(400, "BAD_REQUEST", "No GraphQL query found in the request.")
        if not isinstance(name, str | None):
            raise HttpProblem(400, "BAD_REQUEST", "`operationName` must be a string or null.")
        document = self.documents.read(query)
        return None if document.node is None else document.operation(name)

    def admit(
        self,
        context: Context,
        query: str | None,
        name: str | None,
        variables: Mapping[str, object] | None,
        may_be_sent: Callable[[Operation], None],
    ) -> list[GraphQLError]:
        """Makes the document the context's, to be executed; or tells what is wrong with it.

        `may_be_sent` raises for what must not come this way. Raises HttpProblem as `operation`
        does, and RateLimited.
        """
        operation = self.operation(query, name)
        document = self.documents.read(query or "")
        if operation is None:
            return document.errors
        may_be_sent(operation)
        held = self.documents.admit(document, operation, variables or {})
        kind = operation.node.operation.value
        note_operation(operation.name, kind, ran=not held.errors)
        note_cost(held.cost)
        if held.cost is not None:
            limit = self.documents.limits.cost
            context.extensions["cost"] = {"requested": held.cost, "limit": limit}
        if not held.errors:
            self.charge(context, (held.cost or 0) - 1)
            context.document = document.node
        return held.errors

    def shown(self, error: GraphQLError) -> GraphQLError:
        """As the caller may see it: a fault masked, and no names of a schema that is not shown."""
        shown = shown_error(error)
        if not self.documents.introspection:
            shown.message = SUGGESTION.sub("", shown.message)
        return shown

    def charge(self, context: Context, cost: int) -> None:
        """Takes the cost from what the context's key may use; raises RateLimited."""
        if self.rate_limit is None or cost < 1:
            return
        try:
            left = self.rate_limit.take(hash_key(bearer_key(context.authorization)), cost)
        except RateLimited as limited:
            context.extensions["rateLimit"] = limited.left.shown()
            raise
        context.extensions["rateLimit"] = left.shown()
