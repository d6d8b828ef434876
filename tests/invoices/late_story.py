"""Plays a story of late usage to the real service, verb by verb, and reads what was billed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.cancel import CancelAt, cancel_subscription
from billing_gql.billing_runs.change_plan import change_plan
from billing_gql.billing_runs.run import advance_clock
from billing_gql.catalog.create_feature import create_feature
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.tables import Feature, Price
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.customers.create import create_customer
from billing_gql.invoices.finalize import finalize_invoice
from billing_gql.invoices.refresh import refresh_invoice
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import start_of_day
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization, OrganizationMode
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.rating.models import Flat
from billing_gql.store.database import Database
from billing_gql.subscriptions.create import create_subscription
from billing_gql.usage.ingest import NewEvent, ingest
from tests.invoices.late_model import SOLD, Sent

START = datetime(2026, 1, 1, tzinfo=UTC)
FEES = {"small": Decimal(10), "big": Decimal(20)}
"""The fixed price of each plan; both price the same usage alike."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds through the whole story."""

    currency: str
    timezone: str
    grace_days: int
    commitment: Decimal | None
    second_day: int
    """The day of January from which on the older subscription counts; the younger is from 1."""


@dataclass(frozen=True, slots=True)
class Step:
    """Hours pass, a batch comes, and someone may act: with a draft, or with a subscription."""

    hours: int
    batch: Sequence[Sent]
    act: str | None = None


@dataclass
class World:
    """An organization with a customer of two subscriptions, and what it was sent."""

    database: Database
    organization_id: str
    customer_id: str = ""
    features: dict[str, Feature] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)
    metered: dict[str, str] = field(default_factory=dict)
    """The event name by price id."""
    prices: list[Price] = field(default_factory=list)
    commitment: Decimal | None = None
    subscriptions: dict[str, str] = field(default_factory=dict)
    accepted: list[Sent] = field(default_factory=list)

    async def actor(self, session: AsyncSession) -> Actor:
        found = select(Organization).where(Organization.id == self.organization_id)
        return actor_of((await session.exec(found)).one())

    async def send(self, events: Sequence[Sent]) -> None:
        """A batch; what is refused, as naming a subscription outside of its life, is not kept."""
        new = [
            NewEvent(
                transaction_id=one.id,
                event_name=one.name,
                customer_id=self.customer_id,
                external_subscription_id=one.named,
                timestamp=one.at,
                source="abc"[one.value % 3],
                properties={"v": str(one.value) if one.name == "unique" else one.value},
            )
            for one in events
        ]

        async def verb(session: AsyncSession) -> set[int]:
            report = await ingest(session, await self.actor(session), enumerate(new))
            assert report.accepted + len(report.refused) == len(new)
            return {index for index, _ in report.refused}

        refused = await self.database.work(verb)
        self.accepted += [one for index, one in enumerate(events) if index not in refused]

    async def drafts(self) -> list[str]:
        async with self.database.snapshot() as session:
            found = select(Invoice.id).where(
                Invoice.organization_id == self.organization_id,
                Invoice.status == InvoiceStatus.DRAFT,
            )
            return list((await session.exec(found.order_by(col(Invoice.id)))).all())

    async def finalize(self, invoice_id: str) -> None:
        async def verb(session: AsyncSession) -> None:
            await finalize_invoice(session, await self.actor(session), invoice_id)

        await self.database.work(verb)

    async def refresh(self, invoice_id: str) -> None:
        async def verb(session: AsyncSession) -> None:
            await refresh_invoice(session, await self.actor(session), invoice_id)

        await self.database.work(verb)

    async def advance(self, to: datetime) -> None:
        report = await advance_clock(self.database, self.organization_id, to, SANDBOX_ONLY)
        assert not report.failed

    async def settle_all(self, at: datetime) -> None:
        """Finalizes by hand whatever is open, and lets the clock go on, until nothing is left."""
        for day in range(8):
            await self.advance(at + timedelta(days=day))
            drafts = await self.drafts()
            if not drafts:
                return
            for one in drafts:
                await self.finalize(one)
        raise AssertionError("there is always another draft")


async def new_world(database: Database, terms: Terms) -> World:
    """The company, its two plans, and a customer on the small one twice."""
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name="Late",
            mode=OrganizationMode.TEST,
            timezone="UTC",
            currency=terms.currency,
            clock=START,
        )
        organization.grace_period_days = terms.grace_days
        actor = actor_of(organization)
        world = World(database, organization.id)
        for name, (aggregation, _) in SOLD.items():
            world.features[name] = await create_feature(
                session,
                actor,
                key=name,
                name=name,
                event_name=name,
                aggregation=aggregation,
                value_property=None if name == "count" else "v",
            )
        await _plans(session, actor, world, terms)
        customer = await create_customer(
            session, actor, external_id="acme", name="Acme", timezone=terms.timezone
        )
        world.customer_id = customer.id
        noon = start_of_day(START + timedelta(hours=12), terms.timezone) + timedelta(hours=12)
        for name, day in (("old", terms.second_day), ("new", 1)):
            made = await create_subscription(
                session,
                actor,
                customer_id=customer.id,
                plan_id=world.plans["small"],
                external_id=name,
                started_at=noon + timedelta(days=day - 1),
            )
            world.subscriptions[name] = made.id
    return world


async def _plans(session: AsyncSession, actor: Actor, world: World, terms: Terms) -> None:
    for key, amount in FEES.items():
        fixed = NewPrice("Access", None, BillingCadence.ARREARS, Flat(amount))
        plan = await create_plan(
            session,
            actor,
            key=key,
            name=key,
            currency=terms.currency,
            billing_period=BillingPeriod.MONTHLY,
            minimum_commitment=terms.commitment,
            prices=[
                fixed,
                *(
                    NewPrice(name, world.features[name].id, BillingCadence.ARREARS, model)
                    for name, (_, model) in SOLD.items()
                ),
            ],
        )
        world.plans[key] = plan.id
    rows = await session.exec(select(Price).where(Price.organization_id == actor.organization_id))
    names = {feature.id: name for name, feature in world.features.items()}
    world.prices = list(rows)
    world.commitment = terms.commitment
    world.metered = {
        row.id: names[row.feature_id] for row in world.prices if row.feature_id is not None
    }


async def play(world: World, steps: Sequence[Step]) -> None:
    """Plays the steps, ends both subscriptions, and bills what is left."""
    now = START + timedelta(days=12)  # both subscriptions have begun
    done: set[str] = set()
    for step in steps:
        now += timedelta(hours=step.hours)
        await world.advance(now)
        await world.send(step.batch)
        await _act(world, step.act, done)
    if "cancel" not in done:
        await _cancel(world, "old", CancelAt.PERIOD_END)
    await _cancel(world, "new", CancelAt.PERIOD_END)
    # In every zone the month that both end with is over by then.
    await world.settle_all(now + timedelta(days=32))


async def _act(world: World, act: str | None, done: set[str]) -> None:
    drafts = await world.drafts() if act in ("first", "last", "refresh") else []
    if act in ("first", "last") and drafts:
        await world.finalize(drafts[0 if act == "first" else -1])
    elif act == "refresh":
        for one in drafts:
            await world.refresh(one)
    elif act in ("upgrade", "cancel") and not {act, "cancel"} & done:
        done.add(act)
        if act == "cancel":
            await _cancel(world, "old", CancelAt.NOW)
        else:
            await _upgrade(world)


async def _cancel(world: World, name: str, at: CancelAt) -> None:
    async def verb(session: AsyncSession) -> None:
        await cancel_subscription(
            session, await world.actor(session), world.subscriptions[name], at
        )

    await world.database.work(verb)


async def _upgrade(world: World) -> None:
    async def verb(session: AsyncSession) -> None:
        await change_plan(
            session, await world.actor(session), world.subscriptions["old"], world.plans["big"]
        )

    await world.database.work(verb)
