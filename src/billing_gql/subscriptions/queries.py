"""Reads subscriptions, and who of them bills a customer's unnamed events."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Price
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.kernel.problems import InvalidInput
from billing_gql.store.pages import Order, Page, PageRequest, read_counts, read_pages
from billing_gql.subscriptions.cycles import first_instant
from billing_gql.subscriptions.tables import Subscription

ENDLESS = datetime.max.replace(tzinfo=UTC)


async def subscriptions_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Subscription]:
    """Those of the ids that are subscriptions here."""
    mine = Subscription.organization_id == actor.organization_id
    return (
        await session.exec(select(Subscription).where(mine, col(Subscription.id).in_(ids)))
    ).all()


async def find_subscription(
    session: AsyncSession, actor: Actor, subscription_id: str | None, external_id: str | None
) -> Subscription | None:
    """The subscription of exactly one identifier; raises InvalidInput for none or both."""
    if (subscription_id is None) == (external_id is None):
        raise InvalidInput("Give either an id or an external id.")
    same = (
        Subscription.id == subscription_id
        if external_id is None
        else Subscription.external_id == external_id
    )
    mine = Subscription.organization_id == actor.organization_id
    return (await session.exec(select(Subscription).where(mine, same))).first()


BY_START = Order((col(Subscription.started_at), col(Subscription.id)), descending=True)
"""Newest first."""


async def subscription_pages_by_customer(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str], request: PageRequest
) -> dict[str, Page[Subscription]]:
    """The same page of each customer's subscriptions, newest first, in one statement."""
    where = [col(Subscription.organization_id) == actor.organization_id]
    parent = col(Subscription.customer_id)
    return await read_pages(session, Subscription, parent, customer_ids, where, BY_START, request)


async def counts_by_customer(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str]
) -> dict[str, int]:
    """How many each customer has, in one statement."""
    where = [col(Subscription.organization_id) == actor.organization_id]
    return await read_counts(session, col(Subscription.customer_id), customer_ids, where)


async def older_lives(session: AsyncSession, subscription: Subscription) -> dict[str, list[Period]]:
    """For each feature, the lives of the customer's older subscriptions that price it.

    Older is made earlier: so one that is made later, whenever it starts, takes no event that
    another one may have billed.
    """
    rows = await session.exec(
        select(Subscription, col(Price.feature_id))
        .join(Price, col(Price.plan_id) == col(Subscription.plan_id))
        .where(
            Subscription.organization_id == subscription.organization_id,
            Subscription.customer_id == subscription.customer_id,
            Subscription.id < subscription.id,
        )
    )
    lives: dict[str, list[Period]] = {}
    for older, feature_id in rows:
        if feature_id is None:
            continue
        start = first_instant(older.started_at, older.timezone)
        lives.setdefault(feature_id, []).append(Period(start, ENDLESS))
    return lives
