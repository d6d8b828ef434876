"""Makes a plan with its prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Feature, Plan, Price
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
from billing_gql.rating.models import Flat, PerUnit, PriceModel

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
                model=_checked_model(price, index),
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
    found = set(
        (
            await session.exec(
                select(Feature.id).where(
                    Feature.organization_id == actor.organization_id, col(Feature.id).in_(named)
                )
            )
        ).all()
    )
    seen: set[str] = set()
    for index, price in enumerate(prices):
        if price.feature_id is None:
            continue
        if price.cadence is BillingCadence.ADVANCE:
            raise InvalidInput(
                "Usage is known at the end of its period: bill it in ARREARS.",
                ("prices", index, "cadence"),
            )
        if price.feature_id not in found:
            raise NotFound.of("feature", price.feature_id, "prices", index, "featureId")
        if price.feature_id in seen:
            # An event is billed on exactly one line.
            raise InvalidInput(
                "Another price of this plan bills this feature.", ("prices", index, "featureId")
            )
        seen.add(price.feature_id)


def _checked_model(price: NewPrice, index: int) -> PriceModel:
    at = ("prices", index, "model")
    match price.model:
        case Flat(amount=amount):
            if price.feature_id is not None:
                raise InvalidInput(
                    "A flat price meters nothing: leave the feature out.",
                    ("prices", index, "featureId"),
                )
            return Flat(amount=checks.unit_price(amount, *at, "flat", "amount"))
        case PerUnit(unit_amount=unit):
            if price.feature_id is None:
                raise InvalidInput(
                    "A unit price needs the feature it meters.", ("prices", index, "featureId")
                )
            unit = checks.unit_price(unit, *at, "perUnit", "unitAmount")
            return msgspec.structs.replace(price.model, unit_amount=unit)
