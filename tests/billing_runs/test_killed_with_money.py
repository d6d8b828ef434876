"""A worker that is killed anywhere between draft and money: each billed, drawn and paid once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.create_coupon import create_coupon
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.create_tax_rate import create_tax_rate
from billing_gql.catalog.tables import CouponDuration
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.customers.create import create_customer
from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.apply_coupon import apply_coupon
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.create_wallet import create_wallet
from billing_gql.ledger.scopes import WalletScope
from billing_gql.ledger.top_up import top_up_wallet
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import InvoiceNumbering, OrganizationMode
from billing_gql.payments.set_method import set_payment_method
from billing_gql.rating.models import Flat
from billing_gql.store.database import Database
from billing_gql.subscriptions.create import create_subscription
from tests.concurrency.books import assert_books_are_right, events

CUSTOMERS = 200
STEPS = CUSTOMERS * 4
"""Each is drafted, finalized, asked for its money, and has paid."""
KILLS = 20
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 2, tzinfo=UTC)

PROGRESS = text(
    """SELECT (SELECT count(*) + count(number) FROM invoices)
       + (SELECT count(*) + count(*) FILTER (WHERE state = 'SUCCEEDED') FROM payments)"""
)
BILLED = text(
    """SELECT count(*) AS invoices, count(DISTINCT i.customer_id) AS customers,
         count(*) FILTER (WHERE i.status = 'FINALIZED' AND i.period_start = :start
           AND (i.subtotal, i.total_discount, i.total_tax, i.total_prepaid_credits_applied,
             i.total, i.amount_paid) = (31.00, 3.10, 5.58, 5.00, 28.48, 28.48)) AS right_ones,
         (SELECT count(*) FROM billing_failures) AS failures
       FROM invoices AS i"""
)
PAID = text(
    """SELECT count(*) AS payments, count(DISTINCT invoice_id) AS invoices,
         count(*) FILTER (WHERE state = 'SUCCEEDED' AND amount = 28.48) AS right_ones
       FROM payments"""
)
DRAWN = text(
    """SELECT count(*) AS draws, count(DISTINCT wallet_id) AS wallets,
         count(*) FILTER (WHERE amount = -5 AND ending_balance = 0) AS right_ones
       FROM ledger_entries WHERE kind = 'WALLET' AND reason = 'DRAW'"""
)


async def two_hundred_customers(database: Database) -> str:
    """An organization whose customers owe January, and have all that may pay it; its id."""
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name="Acme",
            mode=OrganizationMode.TEST,
            timezone="UTC",
            currency="USD",
            clock=NOW,
        )
        organization.invoice_numbering = InvoiceNumbering.PER_ORGANIZATION
        organization.grace_period_days = 0
        actor = actor_of(organization)
        coupon_id, plan_id = await catalog(session, actor)
        for number in range(CUSTOMERS):
            await payer(session, actor, f"customer-{number}", coupon_id, plan_id)
        return organization.id


async def catalog(session: AsyncSession, actor: Actor) -> tuple[str, str]:
    """A tax rate on everything; the ids of a coupon and of a plan."""
    await create_tax_rate(
        session, actor, code="vat", name="VAT", percentage=Decimal(20), is_default=True
    )
    coupon = await create_coupon(
        session,
        actor,
        code="ten",
        name="Ten",
        percent_off=Decimal(10),
        amount_off=None,
        currency=None,
        duration=CouponDuration.ONCE,
        duration_invoices=None,
    )
    plan = await create_plan(
        session,
        actor,
        key="plan",
        name="Plan",
        currency="USD",
        billing_period=BillingPeriod.MONTHLY,
        prices=[NewPrice("Access", None, BillingCadence.ARREARS, Flat(Decimal("31.00")))],
    )
    return coupon.id, plan.id


async def payer(
    session: AsyncSession, actor: Actor, external_id: str, coupon_id: str, plan_id: str
) -> None:
    """A customer with a coupon, 5.00 prepaid and a method that pays, subscribed in January."""
    customer = await create_customer(session, actor, external_id=external_id, name=external_id)
    await apply_coupon(session, actor, coupon_id=coupon_id, customer_id=customer.id)
    wallet = await create_wallet(
        session,
        actor,
        customer_id=customer.id,
        name="Prepaid",
        priority=1,
        scope=WalletScope.ALL,
        expires_at=None,
    )
    await top_up_wallet(session, actor, wallet.id, Decimal(5))
    await set_payment_method(session, actor, customer.id, PaymentProvider.SANDBOX, "pm_ok")
    await create_subscription(
        session, actor, customer_id=customer.id, plan_id=plan_id, started_at=START
    )


async def steps(database: Database) -> int:
    """How many of the steps are done, of all customers."""
    async with database.engine.connect() as connection:
        return int(await connection.scalar(PROGRESS) or 0)


def worker(url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "billing_gql", "worker"],
        env={**os.environ, "BILLING_GQL_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@asynccontextmanager
async def working(url: str) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """A worker of the service, killed at the end."""
    process = worker(url)
    try:
        yield process
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
    assert process.returncode == -signal.SIGKILL


async def work_until(url: str, database: Database, wanted: int, pause: float = 0) -> int:
    """Starts a worker and kills it a pause after so many steps; how many are done then."""
    async with working(url) as process:
        while await steps(database) < wanted:
            assert process.poll() is None, "the worker ended by itself"
            await asyncio.sleep(0.003)
        await asyncio.sleep(pause)
    return await steps(database)


async def assert_each_once(database: Database, organization_id: str) -> None:
    """Each customer is billed, drawn and paid once, and the outbox says so."""
    async with database.engine.connect() as connection:
        billed = (await connection.execute(BILLED, {"start": START})).one()
        paid = (await connection.execute(PAID)).one()
        drawn = (await connection.execute(DRAWN)).one()
    assert tuple(billed) == (CUSTOMERS, CUSTOMERS, CUSTOMERS, 0)
    assert tuple(paid) == tuple(drawn) == (CUSTOMERS,) * 3
    for kind in ("invoice.created", "invoice.finalized", "invoice.paid"):
        assert await events(database, organization_id, kind) == CUSTOMERS
    await assert_books_are_right(database, organization_id)


async def test_a_worker_killed_twenty_times_bills_draws_and_collects_once(
    own_url: str, own_database: Database
) -> None:
    organization_id = await two_hundred_customers(own_database)
    # From its first step to its last but few, and anywhere in its transactions.
    for kill in range(KILLS):
        wanted = 1 + kill * (STEPS - 30) // (KILLS - 1)
        done = await work_until(own_url, own_database, wanted, pause=kill % 5 * 0.003)
        assert done < STEPS
        await assert_books_are_right(own_database, organization_id)
    assert await work_until(own_url, own_database, STEPS) == STEPS
    await assert_each_once(own_database, organization_id)
