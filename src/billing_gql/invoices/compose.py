"""From prices and usage to the lines of an invoice. Pure: the one way to price.

It reads nothing and rounds each line once; what discounts and taxes make of the lines is `totals`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from billing_gql.catalog.terms import BillingCadence
from billing_gql.invoices.lines import ComposedLine, LineItemType, UsageScope
from billing_gql.kernel.money import exactly, to_currency
from billing_gql.kernel.period import Period
from billing_gql.rating.models import PriceModel
from billing_gql.rating.models.flat import Flat
from billing_gql.rating.prorate import prorate
from billing_gql.rating.rate import Rated, rate, unit_amount_of
from billing_gql.rating.step import PricingStep

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """A price as an invoice needs it; `feature_id` is None for a fixed price."""

    price_id: str
    name: str
    model: PriceModel
    feature_id: str | None
    cadence: BillingCadence = BillingCadence.ARREARS


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """A plan as an invoice needs it."""

    prices: tuple[PriceTerms, ...]
    minimum_commitment: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PlanPeriod:
    """A period of a plan: `days` of the `of_days` that a whole one has."""

    plan: PlanTerms
    period: Period
    days: int
    of_days: int


@dataclass(frozen=True, slots=True)
class TakenUsage:
    """What was metered for a price in the period, and from which events.

    `values` are those of the single events in time order, where the model prices them.
    """

    quantity: Decimal
    event_count: int
    scope: UsageScope
    values: Sequence[Decimal] | None = None


LineKey = tuple[LineItemType, str | None]
"""A line of a period: its type, and its price where it has one."""


@dataclass(frozen=True, slots=True)
class Billed:
    """What frozen lines bill for one line of a period."""

    amount: Decimal = NOTHING
    quantity: Decimal = NOTHING
    event_count: int = 0
    generation: int = -1


@dataclass(frozen=True, slots=True)
class LatePeriod:
    """A period billed before, with the usage that is there now and what was billed for it."""

    whole: PlanPeriod
    usage: Mapping[str, TakenUsage]
    billed: Mapping[LineKey, Billed]


@dataclass(frozen=True, slots=True)
class OpenCredit:
    """What is owed back to the customer for a price and period; below 0 what was given back though
    nothing is owed."""

    credit_id: str
    name: str
    price_id: str | None
    period: Period
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ToBill:
    """All that an invoice bills: a period that has ended with its `usage` by price id, one that
    starts, usage that came late, and credits."""

    closing: PlanPeriod | None = None
    usage: Mapping[str, TakenUsage] = field(default_factory=dict)
    opening: PlanPeriod | None = None
    opening_type: LineItemType = LineItemType.FIXED
    late: Sequence[LatePeriod] = ()
    credits: Sequence[OpenCredit] = ()


@exactly
def compose(bill: ToBill, currency: str) -> list[ComposedLine]:
    """The lines: what ended in the prices' order, what starts, what came late, then credits.

    Their amounts never sum below zero: what a negative line cannot give back here is carried.
    """
    lines: list[ComposedLine] = []
    if bill.closing is not None:
        lines += [
            line
            for line in _close(bill.closing, bill.usage, currency)
            if line.type is not LineItemType.MINIMUM_COMMITMENT or line.amount > 0
        ]
    if bill.opening is not None:
        lines += _open(bill.opening, bill.opening_type, currency)
    for late in bill.late:
        lines += _late(late, currency)
    return _fit([*lines, *(_credit(credit) for credit in bill.credits)])


def _close(
    closing: PlanPeriod, usage: Mapping[str, TakenUsage], currency: str
) -> list[ComposedLine]:
    """What is billed at the end of a period, the shortfall too where it is nothing."""
    lines = [
        _usage_line(price, usage[price.price_id], currency, closing.period)
        if price.feature_id is not None
        else _fixed_line(price, closing, LineItemType.FIXED, currency)
        for price in closing.plan.prices
        if price.cadence is BillingCadence.ARREARS
    ]
    if closing.plan.minimum_commitment is not None:
        # Fees in advance were billed when the period started, and count.
        fees = _open(closing, LineItemType.FIXED, currency)
        lines.append(
            _shortfall(closing, closing.plan.minimum_commitment, [*fees, *lines], currency)
        )
    return lines


def _open(opening: PlanPeriod, kind: LineItemType, currency: str) -> list[ComposedLine]:
    """What is billed at the start of a period."""
    return [
        _fixed_line(price, opening, kind, currency)
        for price in opening.plan.prices
        if price.cadence is BillingCadence.ADVANCE
    ]


def fee(model: PriceModel, days: int, of_days: int) -> Rated:
    """A fixed price for some of a period's days."""
    return prorate(rate(model, Decimal(1)), days, of_days)


def _fixed_line(
    price: PriceTerms, part: PlanPeriod, kind: LineItemType, currency: str
) -> ComposedLine:
    rated = fee(price.model, part.days, part.of_days)
    whole = part.days == part.of_days
    return ComposedLine(
        type=kind,
        name=price.name,
        description=None if whole else f"{part.days} of {part.of_days} days",
        quantity=rated.quantity,
        unit_amount=unit_amount_of(price.model) if whole else None,
        amount=to_currency(rated.exact_amount, currency),
        steps=rated.steps,
        period=part.period,
        price_id=price.price_id,
    )


def _usage_line(
    price: PriceTerms, usage: TakenUsage, currency: str, period: Period
) -> ComposedLine:
    rated = rate(price.model, usage.quantity, usage.values)
    return ComposedLine(
        type=LineItemType.USAGE,
        name=price.name,
        quantity=rated.quantity,
        unit_amount=unit_amount_of(price.model),
        amount=to_currency(rated.exact_amount, currency),
        steps=rated.steps,
        period=period,
        price_id=price.price_id,
        feature_id=price.feature_id,
        event_count=usage.event_count,
        scope=usage.scope,
    )


def _shortfall(
    part: PlanPeriod, commitment: Decimal, billed: Sequence[ComposedLine], currency: str
) -> ComposedLine:
    least = fee(Flat(commitment), part.days, part.of_days)
    amount = to_currency(least.exact_amount, currency)
    others = sum((line.amount for line in billed), NOTHING)
    steps = [_renamed(step, "Minimum commitment") for step in least.steps]
    if others:
        steps.append(_flat("Billed by other lines", -others))
    if amount != least.exact_amount:
        steps.append(_flat("Rounding", amount - least.exact_amount))
    if others > amount:
        steps.append(_flat("Beyond the commitment", others - amount))
    return ComposedLine(
        type=LineItemType.MINIMUM_COMMITMENT,
        name="Minimum commitment",
        description=None if part.days == part.of_days else f"{part.days} of {part.of_days} days",
        quantity=Decimal(1),
        unit_amount=None,
        amount=max(amount - others, to_currency(NOTHING, currency)),
        steps=tuple(steps),
        period=part.period,
    )


def _late(late: LatePeriod, currency: str) -> list[ComposedLine]:
    """The whole period rated again, minus what was billed for it."""
    lines = []
    for again in _close(late.whole, late.usage, currency):
        before = late.billed.get((again.type, again.price_id), Billed())
        events = (again.event_count or 0) - before.event_count
        if again.type is LineItemType.FIXED or (again.amount == before.amount and not events):
            continue
        exact = sum((step.amount for step in again.steps), NOTHING)
        steps = [*again.steps, _flat("Billed before", -before.amount)]
        if again.amount != exact:
            steps.append(_flat("Rounding", again.amount - exact))
        usage = again.scope is not None
        lines.append(
            replace(
                again,
                description="Late usage",
                quantity=again.quantity - before.quantity if usage else again.quantity,
                unit_amount=None,
                amount=again.amount - before.amount,
                steps=tuple(steps),
                event_count=events if usage else None,
                scope=replace(again.scope, after=before.generation) if again.scope else None,
                billed_before=before.amount,
            )
        )
    return lines


def _credit(credit: OpenCredit) -> ComposedLine:
    taken_back = credit.amount < 0
    return ComposedLine(
        type=LineItemType.PRORATION,
        name=credit.name,
        description="Credit taken back" if taken_back else None,
        quantity=Decimal(1),
        unit_amount=None,
        amount=-credit.amount,
        steps=(_flat("Credit taken back" if taken_back else "Credit", -credit.amount),),
        period=credit.period,
        price_id=credit.price_id,
        credit_id=credit.credit_id,
    )


def _fit(lines: Sequence[ComposedLine]) -> list[ComposedLine]:
    """Cuts negative lines, in order, to what the others sum to; an empty credit is left out.

    What is cut off is `carried`, but of a credit: that one itself keeps what it has not given back.
    """
    room = sum((line.amount for line in lines if line.amount > 0), NOTHING)
    fitted = []
    for line in lines:
        if line.amount >= 0:
            fitted.append(line)
            continue
        taken = min(-line.amount, room)
        room -= taken
        carried = -line.amount - taken
        if taken == 0 and line.credit_id is not None:
            continue
        if carried:
            line = replace(  # noqa: PLW2901 # the same line, cut
                line,
                amount=line.amount + carried,
                steps=(*line.steps, _flat("Credited on a later invoice", carried)),
                # What is left of a credit stays on that credit; it makes no other one.
                carried=carried if line.credit_id is None else NOTHING,
            )
        fitted.append(line)
    return fitted


def _flat(description: str, amount: Decimal) -> PricingStep:
    """A step that is an amount and nothing else."""
    return PricingStep(description, Decimal(1), NOTHING, amount, amount)


def _renamed(step: PricingStep, text: str) -> PricingStep:
    """The same step, its first words put in `text`'s place."""
    _, comma, rest = step.description.partition(",")
    return PricingStep(
        f"{text}{comma}{rest}", step.quantity, step.unit_amount, step.flat_amount, step.amount
    )
