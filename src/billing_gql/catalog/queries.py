"""Reads the catalog."""

from collections.abc import Sequence

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Coupon, Feature, Plan, Price, TaxRate
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput, NotFound
from billing_gql.store.columns import among
from billing_gql.store.pages import Order, Page, PageRequest, read_page


async def features_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Feature]:
    """Those of the ids that are features here."""
    mine = Feature.organization_id == actor.organization_id
    return (await session.exec(select(Feature).where(mine, among(col(Feature.id), ids)))).all()


async def all_features(session: AsyncSession, actor: Actor) -> Sequence[Feature]:
    """Every feature of the organization, by key."""
    mine = Feature.organization_id == actor.organization_id
    return (await session.exec(select(Feature).where(mine).order_by(col(Feature.key)))).all()


async def find_feature(
    session: AsyncSession, actor: Actor, feature_id: str | None, key: str | None
) -> Feature | None:
    """The feature of exactly one of the two identifiers; raises InvalidInput for none or both."""
    _exactly_one(feature_id, key)
    same = Feature.id == feature_id if key is None else Feature.key == key
    mine = Feature.organization_id == actor.organization_id
    return (await session.exec(select(Feature).where(mine, same))).first()


async def plans_by_ids(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> Sequence[Plan]:
    """Those of the ids that are plans here."""
    mine = Plan.organization_id == actor.organization_id
    return (await session.exec(select(Plan).where(mine, among(col(Plan.id), ids)))).all()


async def find_plan(
    session: AsyncSession, actor: Actor, plan_id: str | None, key: str | None
) -> Plan | None:
    """The plan of exactly one of the two identifiers; raises InvalidInput for none or both."""
    _exactly_one(plan_id, key)
    same = Plan.id == plan_id if key is None else Plan.key == key
    mine = Plan.organization_id == actor.organization_id
    return (await session.exec(select(Plan).where(mine, same))).first()


async def plan_to_subscribe(session: AsyncSession, actor: Actor, plan_id: str, *field: str) -> Plan:
    """The plan; raises NotFound."""
    plan = await find_plan(session, actor, plan_id, None)
    if plan is None:
        raise NotFound.of("plan", plan_id, *field)
    return plan


async def prices_by_ids(session: AsyncSession, actor: Actor, ids: Sequence[str]) -> Sequence[Price]:
    """Those of the ids that are prices here."""
    mine = Price.organization_id == actor.organization_id
    return (await session.exec(select(Price).where(mine, among(col(Price.id), ids)))).all()


async def prices_of_plans(
    session: AsyncSession, actor: Actor, plan_ids: Sequence[str]
) -> Sequence[Price]:
    """The plans' prices in their order."""
    return (
        await session.exec(
            select(Price)
            .where(
                Price.organization_id == actor.organization_id, among(col(Price.plan_id), plan_ids)
            )
            .order_by(col(Price.plan_id), col(Price.position))
        )
    ).all()


FEATURES_BY_KEY = Order((col(Feature.key),), descending=False)
PLANS_BY_KEY = Order((col(Plan.key),), descending=False)


async def page_of_features(
    session: AsyncSession, actor: Actor, request: PageRequest
) -> Page[Feature]:
    """A page of the organization's features, by key."""
    where = [col(Feature.organization_id) == actor.organization_id]
    return await read_page(session, Feature, where, FEATURES_BY_KEY, request)


async def page_of_plans(session: AsyncSession, actor: Actor, request: PageRequest) -> Page[Plan]:
    """A page of the organization's plans, by key."""
    where = [col(Plan.organization_id) == actor.organization_id]
    return await read_page(session, Plan, where, PLANS_BY_KEY, request)


async def count_features(session: AsyncSession, actor: Actor) -> int:
    """How many features the organization has."""
    mine = col(Feature.organization_id) == actor.organization_id
    return (await session.exec(select(func.count()).where(mine))).one()


async def count_plans(session: AsyncSession, actor: Actor) -> int:
    """How many plans the organization has."""
    mine = col(Plan.organization_id) == actor.organization_id
    return (await session.exec(select(func.count()).where(mine))).one()


async def find_coupon(session: AsyncSession, actor: Actor, coupon_id: str) -> Coupon | None:
    """The coupon; None for an unknown id."""
    mine = Coupon.organization_id == actor.organization_id
    return (await session.exec(select(Coupon).where(mine, Coupon.id == coupon_id))).first()


async def all_coupons(session: AsyncSession, actor: Actor) -> Sequence[Coupon]:
    """Every coupon of the organization, by code."""
    mine = Coupon.organization_id == actor.organization_id
    return (await session.exec(select(Coupon).where(mine).order_by(col(Coupon.code)))).all()


async def coupons_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Coupon]:
    """Those of the ids that are coupons here."""
    mine = Coupon.organization_id == actor.organization_id
    return (await session.exec(select(Coupon).where(mine, among(col(Coupon.id), ids)))).all()


async def all_tax_rates(session: AsyncSession, actor: Actor) -> Sequence[TaxRate]:
    """Every tax rate of the organization, by code."""
    mine = TaxRate.organization_id == actor.organization_id
    return (await session.exec(select(TaxRate).where(mine).order_by(col(TaxRate.code)))).all()


async def tax_rates_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[TaxRate]:
    """Those of the ids that are tax rates here."""
    mine = TaxRate.organization_id == actor.organization_id
    return (await session.exec(select(TaxRate).where(mine, among(col(TaxRate.id), ids)))).all()


def _exactly_one(entity_id: str | None, key: str | None) -> None:
    if (entity_id is None) == (key is None):
        raise InvalidInput("Give either an id or a key.")
