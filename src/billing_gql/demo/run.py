"""Loads and bills the demo; broken off, it goes on where it was."""

from datetime import UTC, datetime
from functools import partial

from rich.progress import Progress
from sqlmodel import col, select

from billing_gql.billing_runs.advance import advance_test_clock
from billing_gql.demo.company import airlines, create_company, demo_organization, departures
from billing_gql.graph.graphiql import GraphiqlPage
from billing_gql.invoices.finalize import finalize_invoice
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.organizations.create import create_key
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.payments.providers import Providers
from billing_gql.store.database import Database
from billing_gql.subscriptions.tables import Subscription
from billing_gql.usage.ingest import ingest

CLOCK_ENDS = datetime(2013, 2, 2, tzinfo=UTC)
BATCH = 2_000
FINALIZED = 4
"""So many of the largest are finalized; the others stay drafts, to be tried out."""


async def prepare_demo(
    database: Database, providers: Providers, progress: Progress
) -> GraphiqlPage:
    """Makes what is missing of the demo, and a new key to it; what GraphiQL opens with."""
    async with database.transaction() as session:
        organization = await demo_organization(session) or await create_company(session)
        key = await create_key(session, organization)
    if organization.test_clock is None or organization.test_clock < CLOCK_ENDS:
        await _load(database, actor_of(organization), progress)
        await _bill(database, actor_of(organization), providers, progress)
    await _finalize_largest(database, organization.id)
    return GraphiqlPage(key=key, variables=await _variables(database, organization.id))


async def _load(database: Database, actor: Actor, progress: Progress) -> None:
    events = list(enumerate(departures()))
    task = progress.add_task("Loading departures", total=len(events))
    for start in range(0, len(events), BATCH):
        batch = events[start : start + BATCH]
        await database.work(partial(ingest, actor=actor, events=batch))
        progress.advance(task, len(batch))


async def _bill(database: Database, actor: Actor, providers: Providers, progress: Progress) -> None:
    task = progress.add_task("Billing January", total=len(list(airlines())))
    await advance_test_clock(
        database,
        actor,
        CLOCK_ENDS,
        providers,
        lambda report: progress.update(task, completed=report.drafted),
    )


async def _finalize_largest(database: Database, organization_id: str) -> None:
    """Finalizes the largest drafts, unless an invoice has been finalized before."""
    mine = Invoice.organization_id == organization_id
    async with database.transaction() as session:
        numbered = select(Invoice.id).where(mine, col(Invoice.number).is_not(None))
        if (await session.exec(numbered)).first() is not None:
            return
        found = select(Organization).where(Organization.id == organization_id)
        actor = actor_of((await session.exec(found)).one())
        drafts = select(Invoice.id).where(mine, Invoice.status == InvoiceStatus.DRAFT)
        largest = drafts.order_by(col(Invoice.total).desc()).limit(FINALIZED)
        for invoice_id in (await session.exec(largest)).all():
            await finalize_invoice(session, actor, invoice_id)


async def _variables(database: Database, organization_id: str) -> dict[str, dict[str, object]]:
    """For the examples that need an id: the smallest draft's, and a subscription's."""
    async with database.snapshot() as session:
        draft = (
            await session.exec(
                select(Invoice.id)
                .where(
                    Invoice.organization_id == organization_id,
                    Invoice.status == InvoiceStatus.DRAFT,
                )
                .order_by(col(Invoice.total))
            )
        ).first()
        subscription = (
            await session.exec(
                select(Subscription.id).where(
                    Subscription.organization_id == organization_id,
                    Subscription.external_id == "B6-2013",
                )
            )
        ).first()
    return {
        "4_finalize_a_draft": {"invoiceId": draft},
        "5_usage_by_day": {"externalId": "B6", "subscriptionId": subscription},
    }
