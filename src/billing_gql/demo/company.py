"""What the demo company sells, and to whom."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.create_feature import create_feature
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.tables import Aggregation
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.customers.create import create_customer
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.address import Address
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization, OrganizationMode
from billing_gql.rating.models import Flat, PerUnit
from billing_gql.subscriptions.create import create_subscription
from billing_gql.usage.ingest import NewEvent

NAME = "New York Airports"
ZONE = "America/New_York"
ADDRESS = Address(
    line1="4 World Trade Center", city="New York", region="NY", postal_code="10007", country="US"
)
TAX_IDENTIFIER = "DEMO-2013"
"""Made up, as the company is. Without one there is no e-invoice."""
INSTRUCTIONS = "By bank transfer, with the invoice's number as the reference."
CLOCK_STARTS = datetime(2012, 12, 31, tzinfo=UTC)
JANUARY = datetime(2013, 1, 1, 5, tzinfo=UTC)
"""Midnight in New York."""


async def demo_organization(session: AsyncSession) -> Organization | None:
    """The demo's organization, if it was made before."""
    return (
        await session.exec(
            select(Organization).where(
                Organization.name == NAME, Organization.mode == OrganizationMode.TEST
            )
        )
    ).first()


async def create_company(session: AsyncSession) -> Organization:
    """The organization with its features, plan, customers and subscriptions."""
    organization = await create_organization(
        session,
        name=NAME,
        mode=OrganizationMode.TEST,
        timezone=ZONE,
        currency="USD",
        clock=CLOCK_STARTS,
    )
    organization.address = ADDRESS
    organization.tax_identifier = TAX_IDENTIFIER
    organization.payment_instructions = INSTRUCTIONS
    actor = actor_of(organization)
    plan_id = await _create_plan(session, actor)
    for code, name in airlines():
        customer = await create_customer(
            session, actor, external_id=code, name=name, address=Address(country="US")
        )
        await create_subscription(
            session,
            actor,
            customer_id=customer.id,
            plan_id=plan_id,
            external_id=f"{code}-2013",
            started_at=JANUARY,
        )
    return organization


async def _create_plan(session: AsyncSession, actor: Actor) -> str:
    departure = await create_feature(
        session,
        actor,
        key="departure",
        name="Departures",
        event_name="departure",
        aggregation=Aggregation.COUNT,
        dimensions=["origin", "dest"],
    )
    air_miles = await create_feature(
        session,
        actor,
        key="air-miles",
        name="Air miles",
        event_name="departure",
        aggregation=Aggregation.SUM,
        value_property="distance_miles",
        dimensions=["origin", "dest"],
    )
    prices = [
        NewPrice("Airport access", None, BillingCadence.ARREARS, Flat(Decimal("250.00"))),
        NewPrice("Departures", departure.id, BillingCadence.ARREARS, PerUnit(Decimal("12.50"))),
        NewPrice("Air miles", air_miles.id, BillingCadence.ARREARS, PerUnit(Decimal("0.0173"))),
    ]
    plan = await create_plan(
        session,
        actor,
        key="airline",
        name="Airline",
        currency="USD",
        billing_period=BillingPeriod.MONTHLY,
        prices=prices,
    )
    return plan.id


def airlines() -> Iterator[tuple[str, str]]:
    """Carrier codes and names."""
    lines = (files(__package__) / "data" / "airlines.csv").read_text().splitlines()
    for row in csv.DictReader(lines):
        yield row["carrier"], row["name"]


def departures() -> Iterator[NewEvent]:
    """January's departures in order of time, as events."""
    packed = (files(__package__) / "data" / "flights-2013-01.csv.gz").read_bytes()
    for row in csv.DictReader(gzip.decompress(packed).decode().splitlines()):
        # Diverted flights have no time in the air.
        air_time = (
            {"air_time_minutes": int(minutes)} if (minutes := row["air_time_minutes"]) else {}
        )
        yield NewEvent(
            transaction_id=row["transaction_id"],
            event_name="departure",
            external_customer_id=row["carrier"],
            timestamp=datetime.fromisoformat(row["timestamp"]),
            source=row["origin"],
            properties={
                "origin": row["origin"],
                "dest": row["dest"],
                "tailnum": row["tailnum"],
                "distance_miles": int(row["distance_miles"]),
                **air_time,
            },
        )
