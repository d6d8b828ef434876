"""Reads what a subscription's period needs, and composes its lines from it."""

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import features_by_ids, prices_of_plans
from billing_gql.catalog.tables import Feature, Price
from billing_gql.invoices.compose import PriceTerms, TakenUsage, compose
from billing_gql.invoices.lines import ComposedLine, UsageScope
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.subscriptions.cycles import days_of, own_windows
from billing_gql.subscriptions.queries import older_lives
from billing_gql.subscriptions.tables import Subscription
from billing_gql.usage.aggregate import Named, UsageSlice, aggregate


async def assemble(
    session: AsyncSession,
    actor: Actor,
    subscription: Subscription,
    period: Period,
    *,
    currency: str,
    generation: int,
) -> list[ComposedLine]:
    """The lines of the period from the usage that arrived up to `generation`.

    Draft, refresh, finalize and the preview of the next invoice all come through here.
    """
    prices = await prices_of_plans(session, actor, [subscription.plan_id])
    metered = [price.feature_id for price in prices if price.feature_id is not None]
    features = {one.id: one for one in await features_by_ids(session, actor, metered)}
    lives = await older_lives(session, subscription) if metered else {}
    scopes = {
        price.id: UsageScope(
            subscription_id=subscription.id,
            windows=tuple(own_windows(period, lives.get(price.feature_id, ()))),
            generation=generation,
            taken_at=actor.now,
        )
        for price in prices
        if price.feature_id is not None
    }
    slices = [
        one
        for key, price in enumerate(prices)
        if price.feature_id is not None
        for one in slices_of(
            key, subscription.customer_id, features[price.feature_id], period, scopes[price.id]
        )
    ]
    rows = {row.key: row for row in await aggregate(session, actor.organization_id, slices)}
    usage = {
        price.id: TakenUsage(
            quantity=rows[key].quantity if key in rows else Decimal(0),
            event_count=rows[key].event_count if key in rows else 0,
            scope=scopes[price.id],
        )
        for key, price in enumerate(prices)
        if price.id in scopes
    }
    days, of_days = days_of(period, subscription.timezone)
    return compose(
        [_terms(price) for price in prices],
        usage,
        currency=currency,
        period=period,
        days=days,
        of_days=of_days,
    )


def slices_of(
    key: int,
    customer_id: str,
    feature: Feature,
    period: Period,
    scope: UsageScope,
    *,
    late_too: bool = False,
) -> list[UsageSlice]:
    """The slices of usage that a line bills; `late_too` adds what arrived after it was taken."""
    generation = None if late_too else scope.generation
    named = UsageSlice(
        key, customer_id, feature, period, Named.THIS, scope.subscription_id, generation
    )
    unnamed = [
        UsageSlice(key, customer_id, feature, window, Named.NONE, None, generation)
        for window in scope.windows
    ]
    return [named, *unnamed]


def _terms(price: Price) -> PriceTerms:
    return PriceTerms(price.id, price.name, price.model, price.feature_id)
