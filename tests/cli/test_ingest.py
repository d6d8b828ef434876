"""`ingest` and `bill`."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing_gql.organizations.create import hash_key
from billing_gql.organizations.queries import organization_by_key
from billing_gql.store.database import Database
from tests.cli.conftest import Cli
from tests.support import Api


def event(number: int, **values: object) -> dict[str, object]:
    return {
        "transactionId": f"t-{number}",
        "eventName": "call",
        "externalCustomerId": "acme",
        "timestamp": "2026-01-02T03:04:05Z",
        **values,
    }


def ndjson(*events: dict[str, object]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in events)


@pytest.fixture
async def organization(api: Api) -> str:
    await api.customer("acme")
    await api.feature("call", dimensions=["region"])
    await api.feature("minutes", "SUM", eventName="call", valueProperty="minutes")
    return api.organization_id


async def usage(api: Api) -> dict[str, tuple[str, int]]:
    data = await api.query(
        """{ customer(externalId: "acme") { usage(periodStart: "2026-01-01T00:00:00Z",
             periodEnd: "2026-02-01T00:00:00Z") { feature { key } quantity eventCount } } }"""
    )
    rows: list[Any] = data["customer"]["usage"]
    return {row["feature"]["key"]: (row["quantity"], row["eventCount"]) for row in rows}


async def test_lines_twice(cli: Cli, api: Api, organization: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson.gz"
    events = [event(n, properties={"minutes": 1.25, "region": "eu"}) for n in range(2_500)]
    file.write_bytes(gzip.compress(ndjson(*events)))
    first = cli.done("ingest", str(file), "--organization", organization)
    assert "2500 stored, 0 duplicates, 0 refused." in first.stderr
    assert first.stdout == ""
    again = cli.done("ingest", str(file), "--organization", organization)
    assert "0 stored, 2500 duplicates, 0 refused." in again.stderr
    assert await usage(api) == {"call": ("2500", 2500), "minutes": ("3125", 2500)}


async def test_a_bad_line_refuses_itself_only(
    cli: Cli, api: Api, organization: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    good = {"properties": {"minutes": 1}}
    lines = ndjson(
        event(1, **good),
        event(2),
        event(3, **good) | {"externalCustomerId": "nobody"},
        event(4, **good) | {"timestamp": "yesterday"},
        event(5, eventName="[red]cal[/]"),
        event(6, **good),
    )
    file.write_bytes(lines + b"\n{]\n")
    said = cli.run("ingest", str(file), "--organization", organization)
    assert said.returncode == 1
    assert said.stderr.partition("0:00:0")[2].splitlines()[1:] == [
        "3 stored, 0 duplicates, 4 refused, 1 with a name that no feature meters.",
        "  line 2: A number must stand here, not nothing. (properties.minutes)",
        "  line 3: There is no customer 'nobody'. (externalCustomerId)",
        "  line 4: Invalid RFC3339 encoded datetime. (timestamp)",
        "  line 8: Not JSON: JSON is malformed: object keys must be strings (byte 1).",
    ]
    assert (await usage(api))["call"] == ("2", 2)


async def test_a_table(cli: Cli, api: Api, organization: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(
        "id,who,timestamp,minutes,region\n"
        "c-1,acme,2026-01-05T00:00:00Z,2.5,eu\n"
        "c-2,acme,2026-01-06T00:00:00Z,1,\n"
        "c-3,acme\n"
        'c-4,acme,2026-01-07T00:00:00Z,"0.5",us\n'
    )
    words = ["ingest", str(file), "--organization", organization]
    words += ["--column=id=transactionId", "--column=who=externalCustomerId"]
    said = cli.run(*words, "--set=eventName=call", "--set=source=import")
    assert said.returncode == 1
    assert "3 stored, 0 duplicates, 1 refused." in said.stderr
    assert "line 4: The row has not as many columns as the header." in said.stderr
    assert await usage(api) == {"call": ("3", 3), "minutes": ("4", 3)}
    assert "No column for eventName. Columns: id, who," in cli.refused(*words)
    assert "price: not a member of an event" in cli.refused(*words, "--set=price=1")
    assert "No column nope." in cli.refused(*words, "--column=nope=source")
    assert "--set 'eventName' must be NAME=VALUE." in cli.refused(*words, "--set=eventName")


def test_files_that_cannot_be_read(cli: Cli, organization: str, tmp_path: Path) -> None:
    whole = gzip.compress(ndjson(event(1, properties={"minutes": 1})))
    cut, table = tmp_path / "cut.ndjson.gz", tmp_path / "table.csv"
    cut.write_bytes(whole[:-4])
    table.write_bytes(b"transactionId,eventName\n\xff,call\n")
    for file in (cut, table):
        said = cli.run("ingest", str(file), "--organization", organization)
        assert said.returncode == 1
        assert "From here on the file cannot be read" in said.stderr
    missing = str(tmp_path / "none.ndjson")
    told = cli.refused("ingest", missing, "--organization", organization)
    assert told == f"{missing}: No such file or directory"
    assert "There is no organization 'org_x'." in cli.refused(
        "ingest", str(cut), "--organization=org_x"
    )


async def test_bill(cli: Cli, api: Api, database: Database) -> None:
    made = cli.organization("--mode=live")
    live = Api(api.http, database, made["organizationId"], made["apiKey"])
    async with database.snapshot() as session:
        assert await organization_by_key(session, hash_key(live.key))
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 - 2
    start = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    plan = await live.plan("basic", [{"name": "Fee", "model": {"flat": {"amount": "10"}}}])
    await live.subscription(await live.customer(), plan, startedAt=start.isoformat())
    words = ["bill", "--organization", live.organization_id]
    assert "2 drafted, " in cli.done(*words).stderr
    assert "0 drafted, 0 finalized." in cli.done(*words).stderr
    invoices = await live.invoices("total", statuses="DRAFT, FINALIZED")
    assert invoices == [{"total": "10.00"}] * 2
    assert cli.refused("bill", "--organization=org_x") == "There is no organization 'org_x'."
