"""`worker` and `bill`: what falls due, for ever or once."""

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer

from billing_gql.billing_runs.queries import failures, organizations_with_work
from billing_gql.billing_runs.run import run_due
from billing_gql.billing_runs.worker import work_for_ever
from billing_gql.cli.common import (
    existing_organization,
    open_providers,
    progress_bar,
    run_command,
    say,
)
from billing_gql.kernel.clock import WallClock
from billing_gql.observe.serve import serve_metrics
from billing_gql.payments.providers import Providers
from billing_gql.settings import Settings
from billing_gql.store.database import Database


def worker(
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of /metrics; without it there is none."),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address on which /metrics is.")] = "127.0.0.1",
) -> None:
    """Bill what falls due, for ever."""

    async def work(settings: Settings, database: Database) -> None:
        if metrics_port is not None:
            address = serve_metrics(metrics_host, metrics_port, settings.metrics_token)
            say(f"Metrics on {address}")
        async with open_providers(settings) as providers:
            forever = work_for_ever(database, providers, settings.worker_seconds)
            task = asyncio.ensure_future(forever)
            # Both by a handler: as the first process of a container it would be deaf to SIGTERM.
            for one in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(one, task.cancel)
            say("Working (Ctrl-C stops)")
            with suppress(asyncio.CancelledError):
                await task

    run_command(work)


def bill(
    organization: Annotated[str | None, typer.Option(help="Only this organization's id.")] = None,
) -> None:
    """Bill what is due now, and say what could not be."""

    async def work(settings: Settings, database: Database) -> int:
        if organization is not None:
            await existing_organization(database, organization)
        async with database.snapshot() as session:
            due = await organizations_with_work(session, WallClock().now())
        wanted = [one for one in due if organization in (None, one)]
        async with open_providers(settings) as providers:
            drafted, finalized = await _bill(database, providers, wanted)
        say(f"{drafted} drafted, {finalized} finalized.")
        async with database.snapshot() as session:
            failed = await failures(session, organization)
        for one in failed:
            say(f"{one.subject_id}: {one.message}")
        return len(failed)

    if run_command(work):
        sys.exit(1)


async def _bill(
    database: Database, providers: Providers, organizations: list[str]
) -> tuple[int, int]:
    """How many invoices were drafted, and finalized."""
    drafted = finalized = 0
    with progress_bar() as progress:
        task = progress.add_task("Billing", total=len(organizations))
        for organization_id in organizations:
            report = await run_due(
                database,
                organization_id,
                providers,
                progress=lambda now: progress.update(
                    task,
                    description=f"Billing: {now.drafted} drafted, {now.finalized} finalized",
                ),
            )
            drafted += report.drafted
            finalized += report.finalized
            progress.advance(task)
    return drafted, finalized
