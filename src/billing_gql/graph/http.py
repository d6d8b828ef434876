"""GraphQL over HTTP, and GraphiQL at the same address. Live updates are in `streams`.

Follows the GraphQL-over-HTTP draft: a request error has no `data`, and is 400 under
application/graphql-response+json. Every answer but the page is JSON.
"""

from functools import partial

import msgspec
from cross_web import AsyncHTTPRequestAdapter
from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.types import ExecutionResult, SubscriptionExecutionResult

from billing_gql.auth import authenticate
from billing_gql.graph.admission import Admission
from billing_gql.graph.bodies import HttpProblem, error_response, failure_response, read_body
from billing_gql.graph.context import Context
from billing_gql.graph.deadline import Deadline, Stopped, TimeIsOver
from billing_gql.graph.graphiql import GraphiqlPage
from billing_gql.graph.limits import Limits
from billing_gql.graph.links import Links
from billing_gql.graph.live import Live
from billing_gql.graph.persisted import PersistedDocuments, SentRequest, sent_request
from billing_gql.graph.rate_limit import RateLimit
from billing_gql.graph.read_document import Documents, Operation
from billing_gql.graph.schema import BillingSchema
from billing_gql.graph.streams import Streams
from billing_gql.kernel.money import exact_number
from billing_gql.payments.providers import Providers
from billing_gql.settings import Settings
from billing_gql.store.database import Database, Outcome

RESPONSE_TYPE = "application/graphql-response+json"

OUTCOMES = {
    Outcome.NOT_DONE: "was not done",
    Outcome.DONE: "was done",
    Outcome.UNKNOWN: "may have been done, whole or in part",
}

_decoder = msgspec.json.Decoder(float_hook=exact_number)
_encoder = msgspec.json.Encoder(decimal_format="number")


class GraphqlEndpoint(Streams):
    """The endpoint of one schema and database."""

    def __init__(
        self,
        schema: BillingSchema,
        database: Database,
        providers: Providers,
        links: Links,
        page: GraphiqlPage,
        settings: Settings,
        live: Live,
    ) -> None:
        documents = Documents(
            schema._schema, Limits.of(settings), introspection=settings.introspection
        )
        persisted = PersistedDocuments(documents, trusted_only=settings.trusted_documents_only)
        rate_limit = None if settings.rate_limit is None else RateLimit(settings.rate_limit)
        admission = Admission(documents, persisted, rate_limit)
        super().__init__(schema, live, admission, links, settings)
        self.database = database
        self.providers = providers
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.answer_socket(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        if response.media_type == "application/json":  # no result, but an error instead of one
            response.headers["content-type"] = _media_type(request.headers.get("accept", ""))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            response = error_response(HttpProblem(405, "METHOD_NOT_ALLOWED", "Use GET or POST."))
            response.headers["Allow"] = "GET, POST"
            return response
        if request.method == "GET" and self.settings.graphiql and self.page.wanted(request):
            return self.page.render()
        context = Context(self.database, self.providers, self.links, request)
        try:
            async with Deadline(self.settings.request_seconds) as deadline:
                return await self._run(request, context, deadline)
        except Stopped as stopped:
            await context.stop()
            return _stopped_response(stopped, context)
        except Exception as failure:
            return failure_response(failure, context.extensions)
        finally:
            await context.close()

    async def _run(self, request: Request, context: Context, deadline: Deadline) -> Response:
        _require_json(request)
        body = await read_body(request, self.settings.graphql_body_bytes)
        deadline.watch(request.receive)
        async with context.reading() as session:
            context.enter(await authenticate(session, context.authorization))
        # Reading a document costs too, whatever is in it.
        self.admission.charge(context, 1)
        return await self.run(_with_body(request, body), context=context)

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

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> SentRequest:
        if request.method == "GET":
            sent: object = self.parse_query_params(request.query_params)
        else:
            sent = self.parse_json(await request.get_body())
        transport = self._get_stream_transport_from_headers(request.headers)
        return sent_request(sent, transport.protocol if transport else "http")

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        if not isinstance(request_data, SentRequest):
            raise AssertionError("`parse_http_body` makes no other")
        request_data.query = await self.admission.persisted.text_of(
            context, request_data.query, request_data.document_id, request_data.extensions
        )
        return await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        errors = self.admission.admit(
            context,
            request_data.query,
            request_data.operation_name,
            request_data.variables,
            partial(_may_be_sent, request.method),
        )
        if errors:
            refused = ExecutionResult(data=None, errors=errors)
            refused.extensions = context.extensions or None
            return refused
        result = await self.schema.execute(
            request_data.query,
            variable_values=request_data.variables,
            context_value=context,
            operation_name=request_data.operation_name or None,
            operation_extensions=request_data.extensions,
        )
        result.extensions = context.extensions or None
        return result

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
            # Those of a stream are shown by `streamed`, and would be counted twice.
            if not hasattr(request.state, "stream"):
                errors = [self.admission.shown(error) for error in errors]
            answer["errors"] = [error.formatted for error in errors]
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


def _may_be_sent(method: str, operation: Operation) -> None:
    """What changes anything must be a POST: a GET is repeated, kept and prefetched at will."""
    kind = operation.node.operation
    if kind is OperationType.SUBSCRIPTION:
        message = "A subscription is a stream: send Accept: text/event-stream, or use a WebSocket."
        raise HttpProblem(406, "NOT_ACCEPTABLE", message)
    if method == "GET" and kind is not OperationType.QUERY:
        message = f"{kind.value}s are not allowed when using GET; use POST."
        raise HttpProblem(405, "METHOD_NOT_ALLOWED", message, headers={"Allow": "POST"})


def _stopped_response(stopped: Stopped, context: Context) -> Response:
    """Says of each mutation field that was begun whether it happened."""
    response = failure_response(stopped, context.extensions)
    if not isinstance(stopped, TimeIsOver) or not context.outcomes:
        return response
    told = ", ".join(f"{name} {OUTCOMES[known]}" for name, known in context.outcomes.items())
    problem = HttpProblem(504, "REQUEST_TIMEOUT", f"{stopped} Of its mutations, {told}.")
    return error_response(problem, {"mutations": context.outcomes}, context.extensions)
