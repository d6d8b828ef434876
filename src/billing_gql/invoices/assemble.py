"""Reads what an invoice is to bill, and composes its lines from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import features_by_ids, plans_by_ids, prices_of_plans
from billing_gql.catalog.tables import Feature, Plan, Price
from billing_gql.invoices.compose import (
    LatePeriod,
    PlanPeriod,
    PlanTerms,
    PriceTerms,
    TakenUsage,
    ToBill,
    compose,
)
from billing_gql.invoices.credits import open_credits
from billing_gql.invoices.late import ClosedPeriod, late_periods
from billing_gql.invoices.lines import ComposedLine, LineItemType, UsageScope
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period, seconds
from billing_gql.rating.rate import needs_values
from billing_gql.subscriptions.cycles import days_of, own_windows
from billing_gql.subscriptions.queries import older_lives
from billing_gql.subscriptions.tables import Subscription
from billing_gql.usage.aggregate import Named, UsageRow, UsageSlice, aggregate
from billing_gql.usage.event_values import event_values


@dataclass(frozen=True, slots=True)
class PlanSpan:
    """A period of a plan, by its id."""

    plan_id: str
    period: Period


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice of a subscription bills: a period that ended, one that starts, late usage."""

    subscription: Subscription
    closing: PlanSpan | None = None
    opening: PlanSpan | None = None
    opening_type: LineItemType = LineItemType.FIXED
    late: bool = True
    invoice_id: str | None = None
    """The draft that it is for: its own lines are not what was billed before."""


@dataclass(frozen=True, slots=True)
class _Catalog:
    plans: Mapping[str, Plan]
    prices: Mapping[str, list[Price]]
    features: Mapping[str, Feature]


async def assemble(
    session: AsyncSession, actor: Actor, bill: Bill, *, currency: str, generation: int
) -> list[ComposedLine]:
    """The lines of the bill from the usage that arrived up to `generation`.

    Draft, refresh, finalize and the preview of the next invoice all come through here.
    """
    subscription = bill.subscription
    late = (
        await late_periods(session, subscription, generation, bill.invoice_id) if bill.late else []
    )
    plan_ids = {span.plan_id for span in (bill.closing, bill.opening) if span is not None}
    catalog = await _read_catalog(session, actor, plan_ids | {one.plan_id for one in late})
    closings = [
        *([await _closing(session, subscription, bill.closing, catalog)] if bill.closing else []),
        *late,
    ]
    taken = await _take_usage(session, actor, subscription, closings, catalog, generation)
    ended = 1 if bill.closing else 0
    to_bill = ToBill(
        closing=_part(subscription, bill.closing, catalog),
        usage=taken[0] if bill.closing else {},
        opening=_part(subscription, bill.opening, catalog),
        opening_type=bill.opening_type,
        late=[
            LatePeriod(
                whole=_plan_period(subscription, one.plan_id, one.period, catalog),
                usage=usage,
                billed=one.billed,
            )
            for one, usage in zip(late, taken[ended:], strict=True)
        ],
        credits=await open_credits(session, subscription, bill.invoice_id),
    )
    return compose(to_bill, currency)


async def _read_catalog(session: AsyncSession, actor: Actor, plan_ids: set[str]) -> _Catalog:
    if not plan_ids:
        return _Catalog({}, {}, {})
    plans = {plan.id: plan for plan in await plans_by_ids(session, actor, sorted(plan_ids))}
    prices: dict[str, list[Price]] = {plan_id: [] for plan_id in plan_ids}
    metered: set[str] = set()
    for price in await prices_of_plans(session, actor, sorted(plan_ids)):
        prices[price.plan_id].append(price)
        if price.feature_id is not None:
            metered.add(price.feature_id)
    found = await features_by_ids(session, actor, sorted(metered)) if metered else ()
    return _Catalog(plans, prices, {feature.id: feature for feature in found})


async def _closing(
    session: AsyncSession, subscription: Subscription, span: PlanSpan, catalog: _Catalog
) -> ClosedPeriod:
    """A period that ends, with the windows in which unnamed events are this subscription's."""
    metered = [price for price in catalog.prices[span.plan_id] if price.feature_id is not None]
    lives = await older_lives(session, subscription) if metered else {}
    return ClosedPeriod(
        plan_id=span.plan_id,
        period=span.period,
        windows={
            price.id: tuple(own_windows(span.period, lives.get(price.feature_id or "", ())))
            for price in metered
        },
        billed={},
    )


async def _take_usage(
    session: AsyncSession,
    actor: Actor,
    subscription: Subscription,
    closings: Sequence[ClosedPeriod],
    catalog: _Catalog,
    generation: int,
) -> list[dict[str, TakenUsage]]:
    """The usage of each period by price id; one statement, and one for values if any is priced."""
    places: list[tuple[int, Price, UsageScope]] = []
    slices: list[list[UsageSlice]] = []
    for index, closed in enumerate(closings):
        for price in catalog.prices[closed.plan_id]:
            if price.feature_id is None:
                continue
            scope = UsageScope(
                subscription_id=subscription.id,
                windows=closed.windows[price.id],
                generation=generation,
                taken_at=actor.now,
            )
            feature = catalog.features[price.feature_id]
            slices.append(
                slices_of(len(places), subscription.customer_id, feature, closed.period, scope)
            )
            places.append((index, price, scope))
    every = [one for some in slices for one in some]
    rows = {row.key: row for row in await aggregate(session, actor.organization_id, every)}
    valued = [one for one in every if needs_values(places[one.key][1].model)]
    values = await event_values(session, actor.organization_id, valued) if valued else {}
    taken: list[dict[str, TakenUsage]] = [{} for _ in closings]
    for key, (index, price, scope) in enumerate(places):
        row = rows.get(key, UsageRow(key, (), Decimal(0), 0))
        taken[index][price.id] = TakenUsage(
            quantity=row.quantity,
            event_count=row.event_count,
            scope=scope,
            values=values.get(key, []) if needs_values(price.model) else None,
        )
    return taken


def slices_of(
    key: int, customer_id: str, feature: Feature, period: Period, scope: UsageScope
) -> list[UsageSlice]:
    """The slices of usage that a line bills."""

    def part(window: Period, named: Named, subscription_id: str | None) -> UsageSlice:
        return UsageSlice(
            key,
            customer_id,
            feature,
            window,
            named,
            subscription_id,
            generation=scope.generation,
            after=scope.after,
            period_seconds=seconds(period),
        )

    if scope.windows == (period,):
        # One slice for both: each would go through the other's roll-ups too.
        return [part(period, Named.THIS_OR_NONE, scope.subscription_id)]
    named = part(period, Named.THIS, scope.subscription_id)
    return [named, *(part(window, Named.NONE, None) for window in scope.windows)]


def _part(
    subscription: Subscription, span: PlanSpan | None, catalog: _Catalog
) -> PlanPeriod | None:
    return None if span is None else _plan_period(subscription, span.plan_id, span.period, catalog)


def _plan_period(
    subscription: Subscription, plan_id: str, period: Period, catalog: _Catalog
) -> PlanPeriod:
    plan = catalog.plans[plan_id]
    days, of_days = days_of(subscription.cycle(plan.billing_period), period)
    terms = PlanTerms(
        prices=tuple(
            PriceTerms(price.id, price.name, price.model, price.feature_id, price.cadence)
            for price in catalog.prices[plan_id]
        ),
        minimum_commitment=plan.minimum_commitment,
    )
    return PlanPeriod(terms, period, days, of_days)
