"""`ingest`: the events of a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from billing_gql.cli.common import existing_organization, progress_bar, run_command, say
from billing_gql.kernel.problems import InvalidInput, Problem
from billing_gql.organizations.queries import actor_of
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from billing_gql.usage.ingest import IngestReport, NewEvent, ingest
from billing_gql.usage.read_events import CsvMapping, read_file

BATCH = 2_000
SHOWN = 20
"""Refused lines that are told one by one."""


def ingest_command(
    file: Annotated[Path, typer.Argument(help="NDJSON, or CSV by its name; .gz too.")],
    organization: Annotated[str, typer.Option(help="The organization's id.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="CSV: COLUMN=MEMBER, like carrier=externalCustomerId."),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", help="CSV: MEMBER=VALUE for every row, like eventName=departure."),
    ] = None,
) -> None:
    """Store the events of a file. Columns that are no member of an event become properties."""
    mapping = CsvMapping(columns=_pairs("--column", column), constants=_pairs("--set", constant))

    async def work(_: Settings, database: Database) -> IngestReport:
        return await _ingest_file(database, organization, file, mapping)

    report = run_command(work)
    say(
        f"{report.accepted} stored, {report.duplicates} duplicates, {len(report.refused)} refused"
        + (f", {report.unmatched} with a name that no feature meters" if report.unmatched else "")
        + "."
    )
    for line, problem in report.refused[:SHOWN]:
        at = f" ({'.'.join(problem.field)})" if problem.field else ""
        say(f"  line {line}: {problem.message}{at}")
    if len(report.refused) > SHOWN:
        say(f"  … and {len(report.refused) - SHOWN} more.")
    if report.refused:
        sys.exit(1)


def _pairs(option: str, values: list[str] | None) -> dict[str, str]:
    pairs = {}
    for value in values or ():
        name, equals, meaning = value.partition("=")
        if not (name and equals):
            raise InvalidInput(f"{option} {value!r} must be NAME=VALUE.")
        pairs[name] = meaning
    return pairs


async def _ingest_file(
    database: Database, organization_id: str, file: Path, mapping: CsvMapping
) -> IngestReport:
    actor = actor_of(await existing_organization(database, organization_id))
    total = IngestReport()

    async def store(batch: list[tuple[int, NewEvent]]) -> None:
        report = await database.work(lambda session: ingest(session, actor, batch))
        total.accepted += report.accepted
        total.duplicates += report.duplicates
        total.unmatched += report.unmatched
        total.refused += report.refused

    with progress_bar() as progress:
        task = progress.add_task("Reading", total=None)
        batch: list[tuple[int, NewEvent]] = []
        for line, read in read_file(file, mapping):
            if isinstance(read, Problem):
                total.refused.append((line, read))
                continue
            batch.append((line, read))
            if len(batch) == BATCH:
                await store(batch)
                batch = []
                progress.update(task, description=f"Stored {total.accepted:,}")
        if batch:
            await store(batch)
        progress.update(task, description=f"Stored {total.accepted:,}", total=1, completed=1)
    total.refused.sort(key=lambda refusal: refusal[0])
    return total
