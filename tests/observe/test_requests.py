"""A request's trace, and what its log line and figures say of it."""

import json

import pytest
from structlog.testing import capture_logs

from billing_gql.observe.scope import add_scope, clean_name, request_in
from billing_gql.observe.spans import summary_of
from tests.support import Api

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", True),
        (f"01-{TRACE}-{SPAN}-01-more", True),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}", False),
        (f"00-{TRACE}-{SPAN}-01\n", False),
        ("nonsense", False),
        ("", False),
        (None, False),
    ],
)
def test_whose_trace_a_request_is_of(given: str | None, kept: bool) -> None:
    scope = request_in(given)
    assert (scope.trace_id == TRACE) is kept
    assert len(scope.trace_id) == 32
    assert scope.span_id != SPAN
    assert scope.flags == ("01" if kept and given and "-01" in given else "00")


async def test_an_answer_tells_its_trace(api: Api) -> None:
    body = {"query": "{ organization { name } }"}
    given = {**api.headers, "traceparent": f"00-{TRACE}-{SPAN}-01"}
    known = await api.http.post("/graphql", json=body, headers=given)
    version, trace, span, flags = known.headers["traceresponse"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != SPAN
    seen = set()
    for path in ("/graphql", "/v1/events", "/healthz", "/nowhere"):
        answer = await api.http.post(path, json=body, headers=api.headers)
        seen.add(answer.headers["traceresponse"].split("-")[1])
    assert len(seen) == 4


async def test_lines_of_one_request_have_its_trace_and_organization(api: Api) -> None:
    body = {"query": '{ customer(id: "a", externalId: "b") { id } }'}
    given = {**api.headers, "traceparent": f"00-{TRACE}-{SPAN}-01"}
    with capture_logs(processors=[add_scope]) as lines:
        await api.http.post("/graphql", json=body, headers=given)
    (line,) = [one for one in lines if one.get("trace_id") == TRACE]
    assert (line["event"], line["organization"]) == ("request", api.organization_id)
    assert line["log_level"] == "warning"
    assert line["errors"] == {"BAD_USER_INPUT": 1}
    assert json.dumps(line)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nothing }", "BAD_REQUEST"),
        ('subscription { invoiceChanged(invoiceId: "inv_none") { id } }', "BAD_USER_INPUT"),
    ],
)
async def test_an_error_of_a_stream_is_told_once(api: Api, query: str, code: str) -> None:
    given = {**api.headers, "Accept": "text/event-stream"}
    with capture_logs(processors=[add_scope]) as lines:
        await api.http.post("/graphql", json={"query": query}, headers=given)
    (line,) = [one for one in lines if one["event"] == "request"]
    assert line["errors"] == {code: 1}


def test_a_name_is_kept_short_and_clean() -> None:
    assert clean_name("A" * 500) == "A" * 100
    assert clean_name("a\n\x1b[31mb\u202e") == "a[31mb"
    assert clean_name("\n") is None
    assert clean_name("") is None
    assert clean_name(None) is None


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("SELECT a.b FROM invoices AS a WHERE a.x = $1", "SELECT invoices"),
        ("\n INSERT INTO usage_events (a) VALUES ($1)", "INSERT usage_events"),
        ("UPDATE customers SET name = $1", "UPDATE customers"),
        ("DELETE FROM outbox_events", "DELETE outbox_events"),
        ("WITH a AS (SELECT 1 FROM wallets) SELECT * FROM a", "SELECT wallets"),
        ("SHOW server_version_num", "SHOW"),
        ("LOCK nothing", "SQL"),
    ],
)
def test_a_statement_is_told_by_its_verb_and_table(sql: str, summary: str) -> None:
    assert summary_of(sql) == summary
