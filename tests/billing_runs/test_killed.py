"""A billing run that is killed anywhere goes on where it was: each period billed once, no gap."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import text

from billing_gql.billing_runs.run import run_due
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.customers.create import create_customer
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import InvoiceNumbering, OrganizationMode
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.rating.models import Flat
from billing_gql.store.database import Database
from billing_gql.subscriptions.create import create_subscription

CUSTOMERS = 40
MONTHS = 3
NOW = datetime(2026, 4, 2, tzinfo=UTC)
START = datetime(2026, 1, 15, tzinfo=UTC)

COUNT = text("SELECT count(*), count(number) FROM invoices WHERE organization_id = :id")


async def forty_customers(database: Database, numbering: InvoiceNumbering) -> str:
    """An organization whose customers all owe the months since January; its id."""
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name="Acme",
            mode=OrganizationMode.TEST,
            timezone="UTC",
            currency="USD",
            clock=NOW,
        )
        organization.invoice_numbering = numbering
        organization.grace_period_days = 0
        actor = actor_of(organization)
        plan = await create_plan(
            session,
            actor,
            key="plan",
            name="Plan",
            currency="USD",
            billing_period=BillingPeriod.MONTHLY,
            prices=[NewPrice("Access", None, BillingCadence.ARREARS, Flat(Decimal("31.00")))],
        )
        for number in range(CUSTOMERS):
            customer = await create_customer(
                session, actor, external_id=f"customer-{number}", name=f"Customer {number}"
            )
            await create_subscription(
                session, actor, customer_id=customer.id, plan_id=plan.id, started_at=START
            )
        return organization.id


async def progress(database: Database, organization_id: str) -> tuple[int, int]:
    """How many invoices there are, and how many of them are finalized."""
    async with database.engine.connect() as connection:
        row = (await connection.execute(COUNT, {"id": organization_id})).one()
    return row[0], row[1]


def bill(url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "billing_gql", "bill"],
        env={**os.environ, "BILLING_GQL_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def killed_after(
    url: str, database: Database, organization_id: str, invoices: int
) -> tuple[int, int]:
    """Starts a run, kills it once that many invoices are there; what it left behind."""
    process = bill(url)
    try:
        while (await progress(database, organization_id))[0] < invoices:
            assert process.poll() is None, "the run ended before it could be killed"
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
    assert process.returncode == -signal.SIGKILL
    return await progress(database, organization_id)


async def assert_billed_once(
    database: Database, organization_id: str, numbering: InvoiceNumbering
) -> None:
    async with database.engine.connect() as connection:
        rows = (
            await connection.execute(
                text(
                    """SELECT i.subscription_id, i.period_start, i.period_end, i.status, i.number,
                         i.total, c.sequence,
                         (SELECT count(*) FROM line_items WHERE invoice_id = i.id) AS lines
                       FROM invoices i JOIN customers c ON c.id = i.customer_id
                       WHERE i.organization_id = :id ORDER BY 1, 2"""
                ),
                {"id": organization_id},
            )
        ).all()
        failed = await connection.scalar(text("SELECT count(*) FROM billing_failures"))
    assert failed == 0
    assert len(rows) == CUSTOMERS * MONTHS
    assert {(row.status, row.lines) for row in rows} == {("FINALIZED", 1)}
    starts = [datetime(2026, 1, 15, tzinfo=UTC)]
    starts += [datetime(2026, month, 1, tzinfo=UTC) for month in range(2, MONTHS + 2)]
    for place, row in enumerate(rows):
        month = place % MONTHS
        assert (row.period_start, row.period_end) == (starts[month], starts[month + 1])
        assert row.total == (Decimal("17.00") if month == 0 else Decimal("31.00"))
    numbers = sorted(row.number for row in rows)
    if numbering is InvoiceNumbering.PER_CUSTOMER:
        wanted = [
            f"ACM-{customer:03}-{one:03}"
            for customer in range(1, CUSTOMERS + 1)
            for one in range(1, MONTHS + 1)
        ]
    else:
        wanted = [f"ACM-202604-{one:03}" for one in range(1, CUSTOMERS * MONTHS + 1)]
    assert numbers == wanted


async def test_a_run_killed_five_times_bills_each_period_once(
    own_url: str, own_database: Database
) -> None:
    numbering = InvoiceNumbering.PER_ORGANIZATION
    organization_id = await forty_customers(own_database, numbering)
    for after in (1, 20, 43, 70, 100):
        made, _ = await killed_after(own_url, own_database, organization_id, after)
        assert after <= made < CUSTOMERS * MONTHS
    last = bill(own_url)
    assert await asyncio.to_thread(last.wait) == 0
    await assert_billed_once(own_database, organization_id, numbering)


async def test_runs_side_by_side_bill_each_period_once_and_the_next_finds_nothing(
    own_database: Database,
) -> None:
    organization_id = await forty_customers(own_database, InvoiceNumbering.PER_CUSTOMER)
    reports = await asyncio.gather(
        *(run_due(own_database, organization_id, SANDBOX_ONLY) for _ in range(3))
    )
    assert sum(one.drafted for one in reports) == CUSTOMERS * MONTHS
    assert sum(one.finalized for one in reports) == CUSTOMERS * MONTHS
    await assert_billed_once(own_database, organization_id, InvoiceNumbering.PER_CUSTOMER)
    again = await run_due(own_database, organization_id, SANDBOX_ONLY)
    assert (again.drafted, again.finalized) == (0, 0)
    assert not again.failed
