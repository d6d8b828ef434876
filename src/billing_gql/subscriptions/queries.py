"""Reads subscriptions, and who of them bills a customer's unnamed events."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.customers.tables import Customer
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.kernel.problems import InvalidInput, NotFound
from billing_gql.store.columns import among
from billing_gql.store.database import run_sql
from billing_gql.store.pages import Order, Page, PageRequest, read_counts, read_pages
from billing_gql.subscriptions.tables import Subscription

ENDLESS = datetime.max.replace(tzinfo=UTC)


async def subscriptions_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Subscription]:
    """Those of the ids that are subscriptions here."""
    mine = Subscription.organization_id == actor.organization_id
    return (
        await session.exec(select(Subscription).where(mine, among(col(Subscription.id), ids)))
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


async def lock_subscription(
    session: AsyncSession, actor: Actor, subscription_id: str, *field: str
) -> tuple[Customer, Subscription]:
    """The customer and then the subscription, locked. Raises NotFound."""
    mine = (
        Subscription.organization_id == actor.organization_id,
        Subscription.id == subscription_id,
    )
    customer_id = (await session.exec(select(Subscription.customer_id).where(*mine))).first()
    if customer_id is None:
        raise NotFound.of("subscription", subscription_id, *field)
    customer = await lock_customer(session, actor, customer_id, *field)
    subscription = (
        await session.exec(
            select(Subscription)
            .where(*mine)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).one()
    return customer, subscription


# The plans that a subscription was on and, where it is to change, the one that follows.
_LIVES = """
WITH phase AS (
  SELECT s.id, p.plan_id, p.starts_at, coalesce(s.ended_at, s.cancels_at) AS ends_at
  FROM subscriptions AS s JOIN subscription_plans AS p ON p.subscription_id = s.id
  WHERE s.organization_id = :organization AND s.customer_id = :customer AND s.id < :subscription
  UNION ALL
  SELECT s.id, s.pending_plan_id, s.next_bill_at, coalesce(s.ended_at, s.cancels_at)
  FROM subscriptions AS s
  WHERE s.organization_id = :organization AND s.customer_id = :customer AND s.id < :subscription
    AND s.pending_plan_id IS NOT NULL
), life AS (
  SELECT plan_id, starts_at,
         least(lead(starts_at) OVER (PARTITION BY id ORDER BY starts_at), ends_at) AS ends_at
  FROM phase
)
SELECT DISTINCT price.feature_id, life.starts_at, life.ends_at
FROM life JOIN prices AS price ON price.plan_id = life.plan_id
WHERE price.feature_id IS NOT NULL ORDER BY 1, 2
"""


async def older_lives(session: AsyncSession, subscription: Subscription) -> dict[str, list[Period]]:
    """For each feature, the times in which an older subscription of the customer prices it.

    Older is made earlier: so one that is made later, whenever it starts, takes no event that
    another one may have billed.
    """
    rows = await run_sql(
        session,
        text(_LIVES),
        {
            "organization": subscription.organization_id,
            "customer": subscription.customer_id,
            "subscription": subscription.id,
        },
    )
    lives: dict[str, list[Period]] = {}
    for feature_id, starts_at, ends_at in rows:
        end = ENDLESS if ends_at is None else ends_at
        if starts_at < end:
            lives.setdefault(feature_id, []).append(Period(starts_at, end))
    return lives
