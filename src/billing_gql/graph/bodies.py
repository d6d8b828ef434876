"""Reading request bodies within bounds, and answering in JSON whatever goes wrong."""

import zlib
from collections.abc import AsyncIterator, Mapping

import msgspec
from cross_web import HTTPException
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from billing_gql.auth import Unauthenticated
from billing_gql.graph.deadline import ClientGone, TimeIsOver
from billing_gql.graph.problems import shown_error
from billing_gql.observe.scope import note_error
from billing_gql.store.database import StatementTimeout

# What is over the limit is read and thrown away up to this many times the limit, so that a client
# that is still sending gets its answer; beyond it the connection is simply closed.
DRAIN = 4
MAX_GZIP_MEMBERS = 100


class HttpProblem(Exception):
    """An answer that is no result: a status, a code for machines and a message for people."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = {"WWW-Authenticate": "Bearer"} if status == 401 else dict(headers or {})


def json_response(body: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def error_response(
    problem: HttpProblem,
    more: Mapping[str, object] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> Response:
    """The answer of a problem, in the shape of GraphQL errors.

    `more` is for the error's extensions, `extensions` for the answer's.
    """
    note_error(problem.code)
    error = {"message": problem.message, "extensions": {"code": problem.code, **(more or {})}}
    answer: dict[str, object] = {"errors": [error]}
    if extensions:
        answer["extensions"] = extensions
    response = json_response(answer, problem.status)
    response.headers.update(problem.headers)
    return response


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, unpacked; raises HttpProblem 413 over the limit, 415 or 400."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise HttpProblem(415, "UNSUPPORTED_ENCODING", "Content-Encoding may be gzip.")
    body = bytearray()
    async for chunk in _within(request.stream(), limit):
        body += chunk
    return _unpack(bytes(body), limit) if encoding == "gzip" else bytes(body)


async def _within(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in stream:
            size += len(chunk)
            if size <= limit:
                yield chunk
            elif size > limit * DRAIN:
                break
    except ClientDisconnect:
        raise HttpProblem(400, "DISCONNECTED", "The client went away.") from None
    if size > limit:
        raise _too_large(limit)


def _unpack(packed: bytes, limit: int) -> bytes:
    """Unpacks gzip, also of several members one after another, as `cat a.gz b.gz` makes it."""
    body = b""
    for _ in range(MAX_GZIP_MEMBERS):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            body += unpacker.decompress(packed, limit + 1 - len(body))
        except zlib.error as error:
            raise HttpProblem(400, "BAD_GZIP", f"The body is not gzip: {error}.") from None
        if len(body) > limit:
            raise _too_large(limit)
        if not unpacker.eof:
            raise HttpProblem(400, "BAD_GZIP", "The gzip body is cut off.")
        packed = unpacker.unused_data
        if not packed:
            return body
    raise HttpProblem(400, "BAD_GZIP", f"More than {MAX_GZIP_MEMBERS} members of gzip.")


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(413, "BODY_TOO_LARGE", f"The body may have at most {limit:,} bytes.")


def failure_response(
    failure: Exception, extensions: Mapping[str, object] | None = None
) -> Response:
    """The answer to whatever was raised instead of a result; a fault of ours is masked.

    `extensions` are the answer's.
    """
    match failure:
        case HttpProblem():
            problem = failure
        case Unauthenticated():
            problem = HttpProblem(401, "UNAUTHENTICATED", str(failure))
        case HTTPException():
            problem = HttpProblem(failure.status_code, "BAD_REQUEST", failure.reason)
        case ClientGone():
            problem = HttpProblem(400, "DISCONNECTED", str(failure))
        case TimeIsOver():
            problem = HttpProblem(504, "REQUEST_TIMEOUT", str(failure))
        case StatementTimeout():
            problem = HttpProblem(504, "STATEMENT_TIMEOUT", str(failure))
        case _:
            shown = shown_error(GraphQLError("fault", original_error=failure))
            return json_response({"errors": [shown.formatted]}, 500)
    return error_response(problem, extensions=extensions)
