"""What real processes tell: JSON lines on stderr, /metrics, and traces sent to a collector."""

import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.collector import attributes, collecting
from tests.cli.conftest import Cli, Running

TOKEN = "a-token-for-metrics-only"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
PERSONAL = "alice@personal.example"
SECRET_NAME = "Zebulon-Private"
CREATE = """mutation MakeCustomer($input: CustomerCreateInput!) {
  customerCreate(input: $input) { customer { id } userErrors { code } } }"""
READ = """query ReadCustomer($id: String) { customer(externalId: $id) {
  name invoices(first: 3) { nodes { id lineItems { amount } } } } }"""


def post(service: Running, key: str, path: str = "/graphql", **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
    return httpx.post(f"{service.url}{path}", headers=headers, timeout=30, **more)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every figure by its name and its labels' values, in the order of the labels' names."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def listening(service: Running) -> None:
    """Waits until the service answers."""
    give_up = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{service.url}/healthz")
            return
        except httpx.ConnectError:
            assert time.monotonic() < give_up
            time.sleep(0.05)


def use(service: Running, key: str) -> None:
    """A day in the service's life, with what must not be told anywhere."""
    created = {"externalId": PERSONAL, "name": SECRET_NAME}
    for _ in range(2):
        body = {"query": CREATE, "variables": {"input": created}}
        assert post(service, key, json=body).status_code == 200
    traced = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    read = post(service, key, json={"query": READ, "variables": {"id": PERSONAL}}, headers=traced)
    assert read.json()["data"]["customer"]["name"] == SECRET_NAME
    assert read.headers["traceresponse"].startswith(f"00-{TRACE}-")
    literal = f'{{ customer(externalId: "{PERSONAL}") {{ name }} }}'
    post(service, key, json={"query": literal})
    httpx.get(
        f"{service.url}/graphql",
        params={"query": literal, "variables": f'{{"x": "{PERSONAL}"}}'},
        headers={"Authorization": f"Bearer {key}"},
    )
    bad = f'{{ customer(externalId: "{PERSONAL}", id: "x") {{ name }} }}'
    post(service, key, json={"query": bad})
    post(service, key, json={"query": f'{{ nope(a: "{PERSONAL}") }}', "operationName": "x\ny" * 99})
    post(service, "sk_test_wrong_" + PERSONAL, json={"query": READ})
    good = {"transactionId": "1", "eventName": "e", "externalCustomerId": PERSONAL}
    events = {"events": [good, {**good, "transactionId": "2", "externalCustomerId": "who"}, good]}
    assert post(service, key, "/v1/events", json=events).status_code == 200
    assert post(service, key, f"/who/{PERSONAL}").status_code == 404


def test_a_process_tells_what_it_did_and_nothing_of_people(unmigrated: Cli) -> None:
    with collecting() as collector:
        environment = {
            **unmigrated.environment,
            "BILLING_GQL_LOG_FORMAT": "json",
            "BILLING_GQL_METRICS_TOKEN": TOKEN,
            "BILLING_GQL_TRACE_FIELDS": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        cli = replace(unmigrated, environment=environment)
        with cli.running("serve", "--port=0", "--migrate", says="Serving on.*") as service:
            listening(service)
            made = unmigrated.organization()
            key = made["apiKey"]
            use(service, key)
            lines = service.logged("request", 10)
            metrics = httpx.get(
                f"{service.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            assert httpx.get(f"{service.url}/metrics").status_code == 401
            wrong = {"Authorization": "Bearer " + TOKEN[:-1]}
            assert httpx.get(f"{service.url}/metrics", headers=wrong).status_code == 401
        check_lines(lines, made["organizationId"])
        check_metrics(samples(metrics.text))
        check_spans(collector, made["organizationId"])
        told = "".join(service.lines) + metrics.text + repr(collector.raw)
        for secret in (key, key[-12:], PERSONAL, SECRET_NAME, "externalId", TOKEN):
            assert secret not in told, secret


def check_lines(lines: list[dict[str, Any]], organization: str) -> None:
    made, again, read, *_ = lines
    assert (made["operation"], made["operation_type"], made["status"], made["level"]) == (
        ("MakeCustomer", "mutation", 200, "info")
    )
    assert made["bytes"] > len(CREATE)
    assert made["statements"] >= 2
    assert made["duration_ms"] > 0
    assert made["cost"] == 12  # the payload, its customer, and 10 userErrors that may be
    assert again["user_errors"] == {"ALREADY_EXISTS": 1}
    assert (read["trace_id"], read["organization"]) == (TRACE, organization)
    by_post, by_get, argument, invalid, unknown, events, nowhere = lines[3:]
    assert by_post["route"] == by_get["route"] == "/graphql"
    assert (by_get["method"], by_get["status"]) == ("GET", 200)
    assert argument["errors"] == {"BAD_USER_INPUT": 1}
    assert argument["level"] == "warning"
    assert invalid["errors"] == {"BAD_REQUEST": 1}
    assert len(invalid.get("operation", "")) <= 100
    assert (unknown["status"], unknown["errors"]) == (401, {"UNAUTHENTICATED": 1})
    assert "organization" not in unknown
    assert events["events"] == {"accepted": 1, "duplicate": 1, "refused": 1}
    assert events["user_errors"] == {"NOT_FOUND": 1}
    assert (nowhere["route"], nowhere["status"]) == ("other", 404)
    assert len({line["trace_id"] for line in lines}) == len(lines)


def check_metrics(figures: dict[tuple[str, ...], float]) -> None:
    count = "billing_gql_operations_total"
    assert figures[count, "MakeCustomer", "ok", "mutation"] == 1
    assert figures[count, "MakeCustomer", "user_error", "mutation"] == 1
    assert figures[count, "ReadCustomer", "ok", "query"] == 1
    assert figures[count, "anonymous", "ok", "query"] == 2
    assert figures["billing_gql_operation_seconds_count", "ReadCustomer", "query"] == 1
    assert figures["billing_gql_events_total", "accepted"] == 1
    assert figures["billing_gql_events_total", "duplicate"] == 1
    assert figures["billing_gql_events_total", "refused"] == 1
    assert figures["billing_gql_errors_total", "UNAUTHENTICATED"] == 1
    assert figures["billing_gql_user_errors_total", "ALREADY_EXISTS"] == 1
    assert figures["billing_gql_http_requests_total", "POST", "/v1/events", "200"] == 1
    assert figures["billing_gql_http_requests_total", "POST", "other", "404"] == 1
    assert figures["billing_gql_database_connections_most",] == 10
    assert figures["billing_gql_database_statements_total",] > 10
    assert figures["process_resident_memory_bytes",] > 0
    assert ("billing_gql_worker_behind_seconds",) not in figures


def check_spans(collector: Any, organization: str) -> None:
    operation = collector.named("query ReadCustomer", TRACE)
    request = collector.named("POST /graphql", TRACE)
    assert request.parent_span_id.hex() == PARENT
    assert operation.parent_span_id == request.span_id
    told = attributes(request)
    assert told["billing_gql.organization"] == organization
    assert told["http.response.status_code"] == 200
    assert attributes(operation)["graphql.operation.type"] == "query"
    field = collector.named("Query.customer", TRACE)
    assert field.parent_span_id == operation.span_id
    assert attributes(field) == {}
    assert collector.named("read document", TRACE).parent_span_id == request.span_id
    statement = collector.named("SELECT customers", TRACE)
    assert attributes(statement) == {
        "db.system.name": "postgresql",
        "db.query.summary": "SELECT customers",
    }
    assert collector.named("INSERT customers").end_time_unix_nano > 0
    assert collector.service == {"billing-gql"}


def test_the_worker_tells_how_it_is_though_nobody_takes_its_traces(unmigrated: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    cli = replace(unmigrated, environment={**unmigrated.environment, **nowhere})
    unmigrated.done("migrate")
    with cli.running("worker", "--metrics-port=0", says=r"Metrics on \S+") as worker:
        address = worker.found.removeprefix("Metrics on ")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", address)
        age = ("billing_gql_worker_heartbeat_age_seconds",)
        give_up = time.monotonic() + 20
        while age not in (figures := samples(httpx.get(address).text)):
            assert time.monotonic() < give_up
        assert 0 <= figures[age] < 20
        assert figures["billing_gql_worker_behind_seconds",] == 0
        worker.process.terminate()
        assert worker.process.wait(20) == 0


OFF = """
import sys
import billing_gql.cli.work
from billing_gql.app import make_app
from billing_gql.cli.common import read_settings
from billing_gql.store.database import Database
from billing_gql.observe.tracing import configure_tracing, spans
make_app(read_settings(), Database("postgresql+asyncpg://nobody@127.0.0.1/none"))
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
sys.modules["opentelemetry"] = None
configure_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
print(spans())
"""


def test_opentelemetry_is_not_loaded_where_it_is_off_and_may_be_missing(unmigrated: Cli) -> None:
    environment = {
        **unmigrated.env,
        "BILLING_GQL_LOG_FORMAT": "json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_SDK_DISABLED": "true",
    }
    ran = subprocess.run(
        [sys.executable, "-c", OFF], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\nNone\n"
    (line,) = (json.loads(line) for line in ran.stderr.splitlines())
    assert line["event"] == "traces are not sent"
    assert "Install billing-gql[otel]" in line["remedy"]


def test_a_short_token_and_an_unknown_level_are_refused(unmigrated: Cli) -> None:
    told = unmigrated.refused(
        "doctor", BILLING_GQL_METRICS_TOKEN="s3cret", BILLING_GQL_LOG_LEVEL="loud"
    )
    assert [line.partition(":")[0] for line in told.splitlines()] == [
        "BILLING_GQL_LOG_LEVEL",
        "BILLING_GQL_METRICS_TOKEN",
    ]
    assert "s3cret" not in told
