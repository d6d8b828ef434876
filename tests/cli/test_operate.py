"""`migrate`, `doctor`, `serve`, `worker`, `schema`, and settings that are wrong."""

import json
import re
import signal
import socket
from pathlib import Path

import httpx
from sqlalchemy import make_url

from tests.cli.conftest import Cli

ROOT = Path(__file__).parents[2]


def test_an_unmigrated_database(unmigrated: Cli) -> None:
    told = unmigrated.refused("serve", "--port=0")
    assert told == (
        "The database does not have this version's schema."
        " Run: billing-gql migrate, or serve --migrate"
    )
    assert "Run: billing-gql migrate" in unmigrated.refused("bill")
    sick = unmigrated.run("doctor")
    assert sick.returncode == 1
    assert "not ok  migrations: the schema is not this version's" in sick.stderr
    assert "    Run: billing-gql migrate" in sick.stderr
    for _ in range(2):
        assert "The schema is this version's." in unmigrated.done("migrate").stderr
    assert "ok  migrations: the schema is this version's" in unmigrated.run("doctor").stderr


def test_serve_migrates_when_told_to(unmigrated: Cli) -> None:
    with unmigrated.running("serve", "--port=0", "--migrate", says="Serving on.*") as service:
        key = unmigrated.organization()["apiKey"]
        assert service.ask(key, "{ organization { name } }") == {"organization": {"name": "Acme"}}
        assert httpx.get(f"{service.url}/readyz").json() == {"status": "ok"}
        # The worker is a process of its own where the database is.
        assert "not ok  worker: none has run lately" in unmigrated.run("doctor").stderr
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0


def test_doctor_and_the_worker(unmigrated: Cli) -> None:
    unmigrated.done("migrate")
    with unmigrated.running("worker", says="Working.*") as worker:
        healthy = unmigrated.done("doctor")
        assert healthy.stderr.count("ok  ") == 5
        assert "not ok" not in healthy.stderr
        worker.process.terminate()
        assert worker.process.wait(20) == 0


def test_what_cannot_be_billed(unmigrated: Cli) -> None:
    with unmigrated.running("serve", "--port=0", "--migrate", says="Serving on.*") as service:
        key = unmigrated.organization()["apiKey"]

        def make(kind: str, values: str) -> str:
            field = (
                f"{kind}Create(input: {{{values}}}) {{ {kind} {{ id }} userErrors {{ message }} }}"
            )
            made = service.ask(key, f"mutation {{ {field} }}")
            return str(made[f"{kind}Create"][kind]["id"])

        customer = make("customer", 'externalId: "acme", name: "Acme"')
        feature = make("feature", 'key: "gb", name: "GB", aggregation: SUM, valueProperty: "gb"')
        price = f'name: "GB", featureId: "{feature}", model: {{perUnit: {{unitAmount: "1000000"}}}}'
        plan = make(
            "plan",
            f'key: "p", name: "P", currency: "USD", billingPeriod: MONTHLY, prices: [{{{price}}}]',
        )
        instant = '"2026-01-15T00:00:00Z"'
        event = (
            f'transactionId: "1", eventName: "gb", customerId: "{customer}", timestamp: {instant}'
        )
        batch = f"{{events: [{{{event}, properties: {{gb: 1e15}}}}]}}"
        service.ask(key, f"mutation {{ usageEventsIngest(input: {batch}) {{ acceptedCount }} }}")
        subscription = make(
            "subscription",
            f'customerId: "{customer}", planId: "{plan}", startedAt: {instant}',
        )
    told = f"{subscription}: An amount must be below 1000000000000000 USD."
    billed = unmigrated.run("bill")
    assert billed.returncode == 1
    assert told in billed.stderr
    sick = unmigrated.run("doctor")
    assert sick.returncode == 1
    assert f"not ok  billing: 1 could not be billed: {told}" in sick.stderr
    assert "the worker tries again by itself" in sick.stderr


def test_a_database_that_is_not_there(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = f"postgresql://billing:s3cret@127.0.0.1:{port}/billing"
    sick = cli.run("doctor", BILLING_GQL_DATABASE_URL=nowhere)
    assert (sick.returncode, sick.stdout) == (1, "")
    assert "not ok  database: Cannot reach the database at" in sick.stderr
    assert "Check BILLING_GQL_DATABASE_URL and that the server runs." in sick.stderr
    told = cli.refused("serve", "--port=0", BILLING_GQL_DATABASE_URL=nowhere)
    assert "Cannot reach the database" in told
    own = make_url(cli.environment["BILLING_GQL_DATABASE_URL"])
    missing = own.set(database="no_such_database").render_as_string(hide_password=False)
    refused = cli.refused("migrate", BILLING_GQL_DATABASE_URL=missing)
    assert 'database "no_such_database" does not exist' in refused
    for said in (sick.stderr, told, refused):
        assert "s3cret" not in said
        assert "Traceback" not in said
        assert not own.password or own.password not in said


def test_wrong_settings_are_told_by_name(cli: Cli) -> None:
    assert cli.refused("doctor", BILLING_GQL_POOL_SIZE="0") == (
        "BILLING_GQL_POOL_SIZE: Input should be greater than or equal to 1"
    )
    for url in ("s3cret", "mysql://a:s3cret@b/c", "postgresql://a:s3cret@b:port/c", ""):
        told = cli.refused("doctor", BILLING_GQL_DATABASE_URL=url)
        assert told.startswith("BILLING_GQL_DATABASE_URL: ")
        assert "s3cret" not in told
    told = cli.refused("doctor", BILLING_GQL_DATABASE_URL="postgres://a:s3cret@b/c?x=s3cret")
    assert "a parameter that is not known here (x; known: host, port, ssl, sslmode)" in told


def test_a_port_in_use(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("serve", "demo"):
            told = cli.refused(command, f"--port={port}")
            assert told == (
                f"Port {port} of 127.0.0.1 is in use: stop what listens there, or give another"
                " with --port."
            )
    assert "Cannot listen on 192.0.2.1" in cli.refused("serve", "--host=192.0.2.1")


def test_schema(cli: Cli, tmp_path: Path) -> None:
    assert cli.done("schema").stdout == (ROOT / "schema.graphql").read_text()
    assert cli.done("--version").stdout.strip()


DOCUMENTS = {"pdfUrl": "%pdf-1.7", "hostedUrl": "<!doctype html>", "xmlUrl": "<?xml"}
"""What each begins with, in lower case."""


def test_the_demo(bundled: Cli) -> None:
    query = """{ invoices(filter: { statuses: [DRAFT, FINALIZED] }) { totalCount nodes { id } } }"""
    with bundled.running("demo", "--port=0", says="API key: .*") as first:
        key = first.found.split()[-1]
        answer = first.ask(key, query)
        assert answer["invoices"]["totalCount"] == 16
        page = httpx.get(f"{first.url}/graphql", headers={"Accept": "text/html"}).text
        assert key in page
        readme = (ROOT / "README.md").read_text()
        shown = re.search(r"```graphql\n(.*?)```.*?```json\n(.*?)```", readme, re.DOTALL)
        assert shown
        assert json.loads(shown[2])["data"] == first.ask(key, shown[1])
        (invoice,) = first.ask(key, "{ invoices(first: 1) { nodes { pdfUrl hostedUrl xmlUrl } } }")[
            "invoices"
        ]["nodes"]
        for name, begins in DOCUMENTS.items():
            assert httpx.get(invoice[name], timeout=60).text.lower().startswith(begins)
        # A command started meanwhile joins the server, and the worker runs in the service.
        assert "not ok" not in bundled.done("doctor").stderr
    with bundled.running("demo", "--port=0", says="API key: .*") as second:
        assert "Loading departures" not in second.said
        assert second.ask(second.found.split()[-1], query) == answer
        assert second.ask(key, query) == answer  # the first start's key still opens it
