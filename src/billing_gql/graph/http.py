"""GraphQL over HTTP, and GraphiQL at the same address.

Follows the GraphQL-over-HTTP draft: a request error has no `data`, and is 400 under
application/graphql-response+json. Every answer but the page is JSON.
"""

import re

import msgspec
from cross_web import AsyncHTTPRequestAdapter
from graphql import GraphQLSyntaxError, OperationDefinitionNode, parse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.types import ExecutionResult

from billing_gql.auth import authenticate
from billing_gql.graph.bodies import HttpProblem, error_response, failure_response, read_body
from billing_gql.graph.context import Context
from billing_gql.graph.graphiql import GraphiqlPage
from billing_gql.graph.links import Links
from billing_gql.graph.problems import shown_error
from billing_gql.graph.schema import BillingSchema
from billing_gql.kernel.money import exact_number
from billing_gql.store.database import Database

RESPONSE_TYPE = "application/graphql-response+json"
OPERATION = re.compile(r"\b(?:query|mutation|subscription)\b")

_decoder = msgspec.json.Decoder(float_hook=exact_number)
_encoder = msgspec.json.Encoder(decimal_format="number")


class GraphqlEndpoint(GraphQL[Context, None]):
    """The endpoint of one schema and database."""

    def __init__(
        self,
        schema: BillingSchema,
        database: Database,
        links: Links,
        page: GraphiqlPage,
        body_bytes: int,
    ) -> None:
        super().__init__(schema, subscription_protocols=())
        self.database = database
        self.links = links
        self.page = page
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await WebSocket(scope, receive, send).close(1008)
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            response = error_response(HttpProblem(405, "METHOD_NOT_ALLOWED", "Use GET or POST."))
            response.headers["Allow"] = "GET, POST"
            return response
        if request.method == "GET" and self.page.wanted(request):
            return self.page.render()
        context = Context(self.database, self.links, str(request.base_url))
        try:
            _require_json(request)
            body = await read_body(request, self.body_bytes)
            async with context.reading() as session:
                context.enter(await authenticate(session, request.headers.get("authorization")))
            return await self.run(_with_body(request, body), context=context)
        except Exception as failure:
            return failure_response(failure)
        finally:
            await context.close()

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        raise AssertionError("`run` is always called with a context")

    def should_render_graphql_ide(self, request: object) -> bool:
        return False

    def decode_json(self, data: str | bytes) -> object:
        """Numbers with a fraction stay exact; NaN and Infinity are not JSON.

        Null is what says nothing; other than objects and lists strawberry cannot look into.
        """
        try:
            decoded = _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise HttpProblem(400, "MALFORMED_JSON", f"The body is not JSON: {error}") from None
        if not isinstance(decoded, dict | list | None):
            raise HttpProblem(400, "BAD_REQUEST", "Send a JSON object.")
        return {} if decoded is None else decoded

    def encode_json(self, data: object) -> bytes:
        return _encoder.encode(data)

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        _one_operation(request_data)
        return await super().execute_single(
            request, request_adapter, sub_response, context, root_value, request_data
        )

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        response = await super().get_sub_response(request)
        response.headers["content-type"] = _media_type(request.headers.get("accept", ""))
        return response

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        errors = result.errors or []
        answer: GraphQLHTTPResponse = {}
        # Nothing was executed: a syntax, validation or coercion error has no path.
        if result.data is not None or any(error.path for error in errors):
            answer["data"] = result.data
        if errors:
            answer["errors"] = [shown_error(error).formatted for error in errors]
        if result.extensions:
            answer["extensions"] = result.extensions
        return answer

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        media_type = sub_response.headers["content-type"]
        refused = isinstance(response_data, dict) and "data" not in response_data
        status = 400 if refused and media_type.startswith(RESPONSE_TYPE) else 200
        return Response(
            self.encode_json(response_data), status, headers={"content-type": media_type}
        )


def _require_json(request: Request) -> None:
    """A form or a plain text could be sent by any page that the caller's browser has open."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and media_type != "application/json":
        raise HttpProblem(415, "UNSUPPORTED_MEDIA_TYPE", "Send application/json.")


def _with_body(request: Request, body: bytes) -> Request:
    """The request with its body read and unpacked, for strawberry to read again."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)


def _media_type(accept: str) -> str:
    """What the client asked for; application/json for those that do not say."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for media_type in wanted:
        if media_type == RESPONSE_TYPE:
            return f"{RESPONSE_TYPE}; charset=utf-8"
        if media_type in ("application/json", "application/*", "*/*"):
            break
    return "application/json; charset=utf-8"


def _one_operation(request_data: GraphQLRequestData) -> None:
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
