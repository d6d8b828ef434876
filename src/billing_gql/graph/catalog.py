"""The catalog in the schema: features, plans and prices."""

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog import queries, tables, terms
from billing_gql.catalog.create_feature import create_feature
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.graph.connections import Connection, page_request, write_cursor
from billing_gql.graph.inputs import given
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.node import Node, entity
from billing_gql.graph.price_models import (
    PriceModelInput,
    PriceModelName,
    PriceTier,
    terms_of,
)
from billing_gql.graph.problems import UserError
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import problems_under
from billing_gql.rating.models import name_of
from billing_gql.usage.rollups import lock_out_ingest, roll_up_feature

for _kind, _description in (
    (tables.Aggregation, "How a feature's events make a quantity."),
    (terms.BillingPeriod, "How long a period is."),
    (
        terms.BillingCadence,
        "When a price is billed: ADVANCE at the start of its period, ARREARS at its end.",
    ),
):
    strawberry.enum(_kind, description=_description)


@entity(
    description="Something that is metered: which events count, how they add up, and along which"
    " properties they can be broken down."
)
class Feature(Node):
    """Mirrors `catalog.tables.Feature`."""

    key: str
    name: str
    event_name: str
    aggregation: tables.Aggregation
    value_property: str | None = strawberry.field(
        description="The event property that is aggregated; null for COUNT."
    )
    dimensions: list[str] = strawberry.field(
        description="Property paths whose breakdowns are kept pre-aggregated. Any other path also"
        " works, from raw events."
    )
    created_at: datetime

    @classmethod
    def of(cls, row: tables.Feature) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            key=row.key,
            name=row.name,
            event_name=row.event_name,
            aggregation=row.aggregation,
            value_property=row.value_property,
            dimensions=row.dimensions,
            created_at=row.created_at,
        )


@entity(description="One price of a plan.")
class Price(Node):
    """Mirrors `catalog.tables.Price`."""

    name: str
    model: PriceModelName
    cadence: terms.BillingCadence
    currency: CurrencyCode
    amount: Decimal | None = strawberry.field(
        description="Of a FLAT price a period, of a PER_UNIT price a unit, of a PACKAGE price a"
        " package; null for the other models."
    )
    package_size: Decimal | None = strawberry.field(description="Of a PACKAGE price.")
    free_units: Decimal | None = strawberry.field(
        description="Of a PACKAGE price: units before the first package."
    )
    rate: Decimal | None = strawberry.field(
        description="Of a PERCENTAGE price: percent of each event's value."
    )
    fixed_amount: Decimal | None = strawberry.field(
        description="Of a PERCENTAGE price: what each event costs beside the rate."
    )
    free_events: int | None = strawberry.field(
        description="Of a PERCENTAGE price; null where they do not bound what is free."
    )
    free_amount: Decimal | None = strawberry.field(
        description="Of a PERCENTAGE price: free value; null where it does not bound what is free."
    )
    minimum_per_event: Decimal | None = strawberry.field(description="Of a PERCENTAGE price.")
    maximum_per_event: Decimal | None = strawberry.field(description="Of a PERCENTAGE price.")
    tiers: list[PriceTier] = strawberry.field(
        description="Of a GRADUATED, VOLUME or GRADUATED_PERCENTAGE price, rising; empty for the"
        " other models."
    )
    feature_id: strawberry.Private[str | None]

    @strawberry.field(description="Null for a FLAT price.")
    async def feature(self, info: Info) -> Feature | None:
        return await feature_of(info, self.feature_id)

    @classmethod
    def of(cls, row: tables.Price) -> Self:
        terms = terms_of(row.model)
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            model=PriceModelName(name_of(row.model)),
            cadence=row.cadence,
            currency=CurrencyCode(row.currency),
            amount=terms.amount,
            package_size=terms.package_size,
            free_units=terms.free_units,
            rate=terms.rate,
            fixed_amount=terms.fixed_amount,
            free_events=terms.free_events,
            free_amount=terms.free_amount,
            minimum_per_event=terms.minimum_per_event,
            maximum_per_event=terms.maximum_per_event,
            tiers=terms.tiers,
            feature_id=row.feature_id,
        )


@entity(description="A price list that customers subscribe to.")
class Plan(Node):
    """Mirrors `catalog.tables.Plan`."""

    key: str
    name: str
    currency: CurrencyCode
    billing_period: terms.BillingPeriod
    trial_days: int = strawberry.field(
        description="Days from the start in which nothing is billed, neither fees nor usage."
    )
    minimum_commitment: Decimal | None = strawberry.field(
        description="Least that a full period bills before tax; a shortfall is a line of its own."
    )
    created_at: datetime

    @strawberry.field(description="In their order.")
    async def prices(self, info: Info) -> list[Price]:
        rows = await info.context.loaders.prices_of_plan.load(self.id)
        return [Price.of(row) for row in rows]

    @classmethod
    def of(cls, row: tables.Plan) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            key=row.key,
            name=row.name,
            currency=CurrencyCode(row.currency),
            billing_period=row.billing_period,
            trial_days=row.trial_days,
            minimum_commitment=row.minimum_commitment,
            created_at=row.created_at,
        )


@strawberry.type
class FeatureConnection(Connection[Feature]):
    """A page of features."""


@strawberry.type
class PlanConnection(Connection[Plan]):
    """A page of plans."""


@strawberry.input
class PriceInput:
    """A price of a new plan."""

    name: str
    feature_id: strawberry.ID | None = strawberry.UNSET
    cadence: terms.BillingCadence = terms.BillingCadence.ARREARS
    model: PriceModelInput

    def new_price(self, index: int) -> NewPrice:
        """The price as the verb takes it; raises the model's Problem at its place in the plan."""
        with problems_under("prices", index, "model"):
            model = self.model.model()
        return NewPrice(self.name, given(self.feature_id), self.cadence, model)


@strawberry.input
class PlanCreateInput:
    """A plan never changes: make another one and move subscriptions to it."""

    key: str
    name: str
    currency: CurrencyCode
    billing_period: terms.BillingPeriod
    trial_days: int | None = 0
    minimum_commitment: Decimal | None = strawberry.UNSET
    prices: list[PriceInput]
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class PlanCreatePayload:
    """The new plan."""

    plan: Plan | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class FeatureCreateInput:
    """A feature never changes. Events that came before it count, where they have its value."""

    key: str
    name: str
    event_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Defaults to key."
    )
    aggregation: tables.Aggregation
    value_property: str | None = strawberry.UNSET
    dimensions: list[str] | None = strawberry.field(default_factory=list)
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class FeatureCreatePayload:
    """The new feature."""

    feature: Feature | None
    user_errors: list[UserError]
    replayed: bool


async def feature_of(info: Info, feature_id: str | None) -> Feature | None:
    """The feature through its loader; None for no id."""
    row = await info.context.loaders.features.load(feature_id) if feature_id else None
    return None if row is None else Feature.of(row)


async def plan_of(info: Info, plan_id: str | None) -> Plan | None:
    """The plan through its loader; None for no id."""
    row = await info.context.loaders.plans.load(plan_id) if plan_id else None
    return None if row is None else Plan.of(row)


async def price_of(info: Info, price_id: str | None) -> Price | None:
    """The price through its loader; None for no id."""
    row = await info.context.loaders.prices.load(price_id) if price_id else None
    return None if row is None else Price.of(row)


FEATURES, PLANS = "features", "plans"


@strawberry.type
class CatalogQueries:
    """Fields of Query."""

    @strawberry.field(description="By exactly one of id and key.")
    async def feature(
        self,
        info: Info,
        id: strawberry.ID | None = strawberry.UNSET,
        key: str | None = strawberry.UNSET,
    ) -> Feature | None:
        async with info.context.reading() as session:
            row = await queries.find_feature(session, info.context.actor, given(id), given(key))
        return None if row is None else Feature.of(row)

    @strawberry.field(description="By key.")
    async def features(
        self, info: Info, first: int | None = 25, after: str | None = strawberry.UNSET
    ) -> FeatureConnection:
        request = page_request(tuple[str], FEATURES, first=first, after=given(after))
        async with info.context.reading() as session:
            page = await queries.page_of_features(session, info.context.actor, request)

        async def count() -> int:
            async with info.context.reading() as session:
                return await queries.count_features(session, info.context.actor)

        return FeatureConnection.of(
            page.map(Feature.of), lambda node: write_cursor(FEATURES, (node.key,)), count
        )

    @strawberry.field(description="By exactly one of id and key.")
    async def plan(
        self,
        info: Info,
        id: strawberry.ID | None = strawberry.UNSET,
        key: str | None = strawberry.UNSET,
    ) -> Plan | None:
        async with info.context.reading() as session:
            row = await queries.find_plan(session, info.context.actor, given(id), given(key))
        return None if row is None else Plan.of(row)

    @strawberry.field(description="By key.")
    async def plans(
        self, info: Info, first: int | None = 25, after: str | None = strawberry.UNSET
    ) -> PlanConnection:
        request = page_request(tuple[str], PLANS, first=first, after=given(after))
        async with info.context.reading() as session:
            page = await queries.page_of_plans(session, info.context.actor, request)

        async def count() -> int:
            async with info.context.reading() as session:
                return await queries.count_plans(session, info.context.actor)

        return PlanConnection.of(
            page.map(Plan.of), lambda node: write_cursor(PLANS, (node.key,)), count
        )


@strawberry.type
class CatalogMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Makes a feature.")
    async def feature_create(self, info: Info, input: FeatureCreateInput) -> FeatureCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            await lock_out_ingest(session, actor.organization_id)
            feature = await create_feature(
                session,
                actor,
                key=input.key,
                name=input.name,
                event_name=given(input.event_name),
                aggregation=input.aggregation,
                value_property=given(input.value_property),
                dimensions=input.dimensions or (),
            )
            await roll_up_feature(session, feature)
            return {"feature": feature.id}

        outcome = await mutate(info, input, verb)
        return FeatureCreatePayload(
            feature=await feature_of(info, outcome.ids.get("feature")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Makes a plan with its prices.")
    async def plan_create(self, info: Info, input: PlanCreateInput) -> PlanCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            plan = await create_plan(
                session,
                actor,
                key=input.key,
                name=input.name,
                currency=input.currency,
                billing_period=input.billing_period,
                trial_days=input.trial_days or 0,
                minimum_commitment=given(input.minimum_commitment),
                prices=[price.new_price(index) for index, price in enumerate(input.prices)],
            )
            return {"plan": plan.id}

        outcome = await mutate(info, input, verb)
        return PlanCreatePayload(
            plan=await plan_of(info, outcome.ids.get("plan")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
