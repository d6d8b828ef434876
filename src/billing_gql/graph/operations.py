"""Which operation of a document a request runs."""

import re

from graphql import GraphQLSyntaxError, OperationDefinitionNode, parse
from strawberry.http import GraphQLRequestData

from billing_gql.graph.bodies import HttpProblem

OPERATION = re.compile(r"\b(?:query|mutation|subscription)\b")


def one_operation(request_data: GraphQLRequestData) -> None:
    """Refuses a document of several operations without a name: which one is not ours to choose."""
    query = request_data.query
    if request_data.operation_name or not query or len(OPERATION.findall(query)) < 2:
        return
    try:
        document = parse(query)
    except GraphQLSyntaxError:
        return  # execution tells it with its place
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(operations) > 1:
        raise HttpProblem(
            400, "BAD_REQUEST", "The document has several operations: say which by operationName."
        )
