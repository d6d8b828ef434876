"""Makes a plan with its prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Aggregation, Feature, Plan, Price
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import currency_decimals, to_currency
from billing_gql.kernel.problems import (
    AlreadyExists,
    AmountOutOfRange,
    InvalidInput,
    NotFound,
    TooManyItems,
)
from billing_gql.rating.models import Flat, Percentage, PriceModel, name_of
from billing_gql.store.columns import among

MAX_PRICES = 100
MAX_TRIAL_DAYS = 730


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price as the caller wants it."""

    name: str
    feature_id: str | None
    cadence: BillingCadence
    model: PriceModel


async def create_plan(
    session: AsyncSession,
    actor: Actor,
    *,
    key: str,
    name: str,
    currency: str,
    billing_period: BillingPeriod,
    prices: Sequence[NewPrice],
    trial_days: int = 0,
    minimum_commitment: Decimal | None = None,
) -> Plan:
    """A new plan. Raises InvalidInput, NotFound, AlreadyExists, AmountOutOfRange, TooManyItems."""
    if not 1 <= len(prices) <= MAX_PRICES:
        problem = TooManyItems if prices else InvalidInput
        raise problem(f"A plan has 1 to {MAX_PRICES} prices, not {len(prices)}.", ("prices",))
    plan = Plan(
        organization_id=actor.organization_id,
        key=checks.key(key, "key"),
        name=checks.text(name, "name"),
        currency=checks.currency(currency, "currency"),
        billing_period=billing_period,
        trial_days=checks.whole_days(trial_days, "trialDays", most=MAX_TRIAL_DAYS),
        minimum_commitment=_checked_commitment(minimum_commitment, currency),
        created_at=actor.now,
    )
    taken = select(Plan.id).where(
        Plan.organization_id == actor.organization_id, Plan.key == plan.key
    )
    if (await session.exec(taken)).first() is not None:
        raise AlreadyExists(f"A plan {key!r} exists already.", ("key",))
    await _check_features(session, actor, prices)
    session.add(plan)
    await session.flush()
    for index, price in enumerate(prices):
        session.add(
            Price(
                organization_id=actor.organization_id,
                plan_id=plan.id,
                position=index,
                name=checks.text(price.name, "prices", index, "name"),
                feature_id=price.feature_id,
                cadence=price.cadence,
                currency=currency,
                model=price.model,
            )
        )
    await session.flush()
    return plan


def _checked_commitment(amount: Decimal | None, currency: str) -> Decimal | None:
    if amount is None:
        return None
    at = "minimumCommitment"
    if checks.unit_price(amount, at) == 0:
        raise AmountOutOfRange("Must be above zero; leave it out for none.", (at,))
    if to_currency(amount, currency) != amount:
        raise AmountOutOfRange(f"{currency} has {currency_decimals(currency)} decimals.", (at,))
    return to_currency(amount, currency)


async def _check_features(session: AsyncSession, actor: Actor, prices: Sequence[NewPrice]) -> None:
    named = [price.feature_id for price in prices if price.feature_id is not None]
    rows = await session.exec(
        select(Feature).where(
            Feature.organization_id == actor.organization_id, among(col(Feature.id), named)
        )
    )
    found = {feature.id: feature for feature in rows}
    seen: set[str] = set()
    for index, price in enumerate(prices):
        at = ("prices", index, "featureId")
        feature_id = price.feature_id
        if feature_id is not None and feature_id not in found:
            raise NotFound.of("feature", feature_id, *at)
        if feature_id is not None and feature_id in seen:
            # An event is billed on exactly one line.
            raise InvalidInput("Another price of this plan bills this feature.", at)
        _check_fit(price.model, None if feature_id is None else found[feature_id], at)
        if feature_id is not None:
            _check_cadence(price.cadence, index)
            seen.add(feature_id)


def _check_cadence(cadence: BillingCadence, index: int) -> None:
    if cadence is BillingCadence.ADVANCE:
        raise InvalidInput(
            "Usage is known at the end of its period: bill it in ARREARS.",
            ("prices", index, "cadence"),
        )


def _check_fit(model: PriceModel, feature: Feature | None, at: tuple[str | int, ...]) -> None:
    """Raises InvalidInput unless the model can price what the feature meters, or its absence."""
    if isinstance(model, Flat):
        if feature is not None:
            raise InvalidInput("A flat price meters nothing: leave the feature out.", at)
        return
    if feature is None:
        raise InvalidInput(f"A {name_of(model)} price needs the feature it meters.", at)
    if isinstance(model, Percentage) and feature.aggregation is not Aggregation.SUM:
        raise InvalidInput(
            "A PERCENTAGE price prices each event's value: its feature must add up values (SUM),"
            f" not be a {feature.aggregation.value}.",
            at,
        )
