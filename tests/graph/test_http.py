"""GraphQL over HTTP: what is no request gets a clear answer in JSON; a fault of ours is masked."""

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from billing_gql.observe.scope import add_scope
from tests.support import Api

QUERY = "{ organization { name } }"
RENAME = 'mutation { organizationUpdate(input: {name: "Renamed"}) { organization { name } } }'
GOOD = json.dumps({"query": QUERY}).encode()
TWO = json.dumps({"query": f"query a {QUERY} query b {QUERY}"}).encode()
RESPONSE_TYPE = "application/graphql-response+json"
COST = {"extensions": {"cost": {"requested": 1, "limit": 10_000}}}
"""Of what asks for one object."""


async def send(
    api: Api, body: bytes | AsyncIterator[bytes], path: str = "/graphql", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.http.post(
        path, content=body, headers={"Content-Type": "application/json", **api.headers, **named}
    )


def refused(response: httpx.Response, status: int, code: str) -> str:
    """The message of an answer that must be a refusal in the shape of GraphQL errors."""
    assert response.status_code == status, response.text
    wanted = response.request.headers["accept"]
    media_type = RESPONSE_TYPE if wanted == RESPONSE_TYPE else "application/json"
    assert response.headers["content-type"].partition(";")[0] == media_type
    answer = response.json()
    assert set(answer) == {"errors"}
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": code}
    assert "Traceback" not in response.text
    message: str = error["message"]
    return message


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer sk_test_nope", "Basic abc", "{key}", "Token {key}"],
)
@pytest.mark.parametrize("path", ["/graphql", "/v1/events"])
async def test_without_a_right_key_nothing_is_answered(
    api: Api, authorization: str | None, path: str
) -> None:
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.replace("{key}", api.key)
    response = await api.http.post(path, json={"query": QUERY}, headers=headers)
    assert "key" in refused(response, 401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    response = await send(api, GOOD, Authorization=f"bearer {api.key}")
    assert response.json() == {"data": {"organization": {"name": "Acme"}}, **COST}


MALFORMED = {
    "nothing": b"",
    "cut off": b'{"query":',
    "NaN": b'{"query":"{a}","variables":{"a":NaN}}',
    "Infinity": b'{"query":"{a}","variables":{"a":-Infinity}}',
    "invalid UTF-8": b'{"query":"{a}\xff"}',
    "a lone surrogate": b'{"query":"{a}","operationName":"\\ud800"}',
    "100,000 brackets": b'{"query":"{a}","variables":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 braces": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_json_is_refused(api: Api, name: str) -> None:
    message = refused(await send(api, MALFORMED[name]), 400, "MALFORMED_JSON")
    assert message.startswith("The body is not JSON: ")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[" + GOOD + b"]", "Batching"),
        (b"[]", "Batching"),
        (b"[5]", "Batching"),
        (b"null", "No GraphQL query"),
        (b"5", "Send a JSON object"),
        (b'"query"', "Send a JSON object"),
        (b"true", "Send a JSON object"),
        (b"{}", "No GraphQL query"),
        (b'{"query":null}', "No GraphQL query"),
        (b'{"query":""}', "No GraphQL query"),
        (b'{"query":5}', "`query` must be a string"),
        (b'{"query":"{a}","variables":[]}', "`variables` must be an object"),
        (b'{"query":"{a}","variables":"a"}', "`variables` must be an object"),
        (b'{"query":"{a}","extensions":5}', "`extensions` must be an object"),
        (b'{"query":"query a {b}","operationName":"c"}', "Unknown operation"),
        (TWO, "say which by operationName"),
    ],
)
async def test_json_that_is_no_request_is_refused(api: Api, body: bytes, says: str) -> None:
    assert says in refused(await send(api, body), 400, "BAD_REQUEST")


async def test_one_of_several_operations_is_named(api: Api) -> None:
    named = json.dumps(
        {
            "query": "query a { organization { name } } query b { organization { mode } }",
            "operationName": "b",
        }
    ).encode()
    assert (await send(api, named)).json() == {"data": {"organization": {"mode": "TEST"}}, **COST}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
async def test_another_content_type_is_refused(api: Api, content_type: str) -> None:
    response = await send(api, GOOD, Content_Type=content_type)
    assert "application/json" in refused(response, 415, "UNSUPPORTED_MEDIA_TYPE")


LIMITS = {"/graphql": "2,000,000", "/v1/events": "8,000,000"}
LARGE = b'{"query":"' + b" " * 9_000_000 + b'"}'


async def chunks() -> AsyncIterator[bytes]:
    for start in range(0, len(LARGE), 65_536):
        yield LARGE[start : start + 65_536]


@pytest.mark.parametrize("path", LIMITS)
@pytest.mark.parametrize("kind", ["with its length", "in chunks", "gzip bomb", "many gzip bombs"])
async def test_a_body_over_the_limit_is_refused(api: Api, path: str, kind: str) -> None:
    match kind:
        case "with its length":
            response = await send(api, LARGE, path)
        case "in chunks":
            response = await send(api, chunks(), path)
        case "gzip bomb":
            bomb = gzip.compress(b" " * 100_000_000, mtime=0)
            response = await send(api, bomb, path, Content_Encoding="gzip")
        case _:
            bombs = gzip.compress(b" " * 1_000_000, mtime=0) * 20
            response = await send(api, bombs, path, Content_Encoding="gzip")
    message = refused(response, 413, "BODY_TOO_LARGE")
    assert message == f"The body may have at most {LIMITS[path]} bytes."
    assert (await send(api, GOOD)).status_code == 200


async def test_a_packed_body_is_read_also_in_several_members(api: Api) -> None:
    whole = gzip.compress(GOOD, mtime=0)
    parts = gzip.compress(GOOD[:15], mtime=0) + gzip.compress(GOOD[15:], mtime=0)
    for body in (whole, parts):
        response = await send(api, body, Content_Encoding="gzip")
        assert response.json() == {"data": {"organization": {"name": "Acme"}}, **COST}


@pytest.mark.parametrize("path", LIMITS)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (gzip.compress(GOOD, mtime=0)[:-9], "cut off"),
        (gzip.compress(GOOD, mtime=0) + gzip.compress(GOOD, mtime=0)[:12], "cut off"),
        (b"", "cut off"),
        (GOOD, "not gzip"),
        (gzip.compress(GOOD, mtime=0) + b"garbage", "not gzip"),
        (gzip.compress(b" ", mtime=0) * 101, "More than 100 members"),
    ],
)
async def test_broken_gzip_is_refused(api: Api, path: str, body: bytes, says: str) -> None:
    response = await send(api, body, path, Content_Encoding="gzip")
    assert says in refused(response, 400, "BAD_GZIP")


async def test_another_encoding_is_refused(api: Api) -> None:
    response = await send(api, GOOD, Content_Encoding="br")
    assert "gzip" in refused(response, 415, "UNSUPPORTED_ENCODING")


@pytest.mark.parametrize(
    ("body", "status", "code", "headers"),
    [
        (b"{", 400, "MALFORMED_JSON", {}),
        (b"[]", 400, "BAD_REQUEST", {}),
        (b"{}", 401, "UNAUTHENTICATED", {"Authorization": "Bearer sk_test_nope"}),
        (b"{}", 415, "UNSUPPORTED_MEDIA_TYPE", {"Content-Type": "text/plain"}),
        (b'"' + b"x" * 2_000_000 + b'"', 413, "BODY_TOO_LARGE", {}),
    ],
)
async def test_a_refusal_has_the_type_that_is_accepted(
    api: Api, body: bytes, status: int, code: str, headers: dict[str, str]
) -> None:
    refused(await send(api, body, Accept=RESPONSE_TYPE, **headers), status, code)


async def test_a_query_may_be_a_get(api: Api) -> None:
    response = await api.http.get(
        "/graphql",
        params={
            "query": "query ($id: String) { customer(externalId: $id) { name } }",
            "variables": '{"id": "acme"}',
        },
        headers=api.headers,
    )
    assert response.json() == {"data": {"customer": None}, **COST}
    assert response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("accept", ["application/json", "text/html", RESPONSE_TYPE])
async def test_a_mutation_by_get_is_refused_and_changes_nothing(api: Api, accept: str) -> None:
    response = await api.http.get(
        "/graphql", params={"query": RENAME}, headers={**api.headers, "Accept": accept}
    )
    assert "mutations are not allowed" in refused(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"
    assert (await api.query(QUERY))["organization"]["name"] == "Acme"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "BAD_REQUEST"),
        ({"query": QUERY, "variables": "{"}, "MALFORMED_JSON"),
        ({"query": QUERY, "variables": "[]"}, "BAD_REQUEST"),
        ({"query": QUERY, "variables": "5"}, "BAD_REQUEST"),
    ],
)
async def test_a_bad_get_is_refused(api: Api, params: dict[str, str], code: str) -> None:
    response = await api.http.get("/graphql", params=params, headers=api.headers)
    assert refused(response, 400, code)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(("path", "allow"), [("/graphql", "GET, POST"), ("/v1/events", "POST")])
async def test_other_methods_are_refused(api: Api, method: str, path: str, allow: str) -> None:
    response = await api.http.request(
        method, path, content=json.dumps({"query": RENAME}), headers=api.headers
    )
    refused(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == allow
    assert (await api.query(QUERY))["organization"]["name"] == "Acme"


COERCION = "query ($a: Int!) { customers(first: $a) { nodes { id } } }"
REQUEST_ERRORS = {
    "{": "GRAPHQL_PARSE_FAILED",
    "{a" * 50_000: "GRAPHQL_PARSE_FAILED",
    "{ nope }": "GRAPHQL_VALIDATION_FAILED",
    COERCION: None,  # the document is valid, so its cost is told
}


@pytest.mark.parametrize("query", REQUEST_ERRORS)
@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        (RESPONSE_TYPE, 400, RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}; charset=utf-8, application/json;q=0.9", 400, RESPONSE_TYPE),
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("text/plain", 200, "application/json"),
    ],
)
async def test_a_request_error_has_no_data(
    api: Api, query: str, accept: str, status: int, content_type: str
) -> None:
    response = await send(api, json.dumps({"query": query}).encode(), Accept=accept)
    assert response.status_code == status
    assert response.headers["content-type"] == f"{content_type}; charset=utf-8"
    answer = response.json()
    assert set(answer) == ({"errors", "extensions"} if query == COERCION else {"errors"})
    for error in answer["errors"]:
        reason = {"reason": REQUEST_ERRORS[query]} if REQUEST_ERRORS[query] else {}
        assert error["extensions"] == {"code": "BAD_REQUEST", **reason}


async def test_an_answer_with_data_is_200_under_either_type(api: Api) -> None:
    query = '{ organization { name } customer(id: "a", externalId: "b") { id } }'
    half = json.dumps({"query": query})
    for accept in (RESPONSE_TYPE, "application/json"):
        response = await send(api, half.encode(), Accept=accept)
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        answer = response.json()
        assert answer["data"] == {"organization": {"name": "Acme"}, "customer": None}
        (error,) = answer["errors"]
        assert error["path"] == ["customer"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.fixture
async def broken(alone: Api) -> Api:
    """An organization of a service whose database has lost its customers and events."""
    async with alone.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("DROP TABLE customers, usage_events CASCADE"))
    return alone


EVENT = '{"transactionId": "t", "eventName": "e", "externalCustomerId": "acme"}'
CREATE = 'mutation { customerCreate(input: {externalId: "a", name: "A"}) { customer { id } } }'


async def test_a_fault_is_masked_and_told_by_a_reference(broken: Api) -> None:
    by_field = json.dumps({"query": '{ organization { name } customer(externalId: "a") { id } }'})
    with capture_logs(processors=[add_scope]) as logged:
        answers = [
            await send(broken, by_field.encode()),
            await send(broken, json.dumps({"query": CREATE}).encode()),
            await send(broken, f'{{"events": [{EVENT}]}}'.encode(), "/v1/events"),
        ]
        async with broken.database.transaction() as session:
            connection = await session.connection()
            await connection.execute(text("DROP TABLE api_keys CASCADE"))
        answers.append(await send(broken, GOOD))
    assert [answer.status_code for answer in answers] == [200, 200, 500, 500]
    references = [line["reference"] for line in logged if line["event"] == "fault"]
    traces = [line["trace_id"] for line in logged if line["event"] == "fault"]
    assert traces == [answer.headers["traceresponse"].split("-")[1] for answer in answers]
    requests = [line for line in logged if line["event"] == "request"]
    assert [(line["log_level"], line["errors"]) for line in requests] == [
        ("error", {"INTERNAL": 1})
    ] * 4
    for response, reference in zip(answers, references, strict=True):
        assert response.headers["content-type"].startswith("application/json")
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "INTERNAL", "reference": reference}
        assert error["message"] == f"Something went wrong on our side. Reference: {reference}."
        for secret in ("Traceback", "SELECT", "asyncpg", "does not exist", "postgresql"):
            assert secret not in response.text
    assert answers[0].json()["data"] == {"organization": {"name": "Acme"}, "customer": None}
    assert answers[0].json()["errors"][0]["path"] == ["customer"]
    assert "data" not in answers[3].json()
