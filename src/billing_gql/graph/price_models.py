"""The price models in the schema: as they are sent, and what of them a price shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Self, TypeVar

import strawberry

from billing_gql.graph.inputs import given
from billing_gql.kernel.problems import problems_under
from billing_gql.rating import models

ZERO = Decimal(0)
I = TypeVar("I")  # noqa: E741 # one of the inputs


@strawberry.enum(name="PriceModel", description="How a quantity makes an amount.")
class PriceModelName(StrEnum):
    """The tags of `rating.models`."""

    FLAT = "FLAT"
    PER_UNIT = "PER_UNIT"
    PACKAGE = "PACKAGE"
    GRADUATED = "GRADUATED"
    VOLUME = "VOLUME"
    PERCENTAGE = "PERCENTAGE"
    GRADUATED_PERCENTAGE = "GRADUATED_PERCENTAGE"


@strawberry.type(
    description="The units above the tier before it, up to and with `upTo`; the last tier has none."
)
class PriceTier:
    """Mirrors the tiers of `rating.models.tiers`, with 0 for what does not apply."""

    up_to: Decimal | None = strawberry.field(description="Inclusive; null for the last tier.")
    unit_amount: Decimal = strawberry.field(description="A unit; 0 where the tier has a rate.")
    flat_amount: Decimal = strawberry.field(
        description="Once: of a VOLUME price where the quantity falls in the tier, else where any"
        " unit does."
    )
    rate: Decimal = strawberry.field(description="Percent; 0 where the tier has a unit amount.")

    @classmethod
    def of(cls, tier: models.PriceTier | models.PercentageTier) -> Self:
        unit_amount = tier.unit_amount if isinstance(tier, models.PriceTier) else ZERO
        rate = tier.rate if isinstance(tier, models.PercentageTier) else ZERO
        return cls(
            up_to=tier.up_to, unit_amount=unit_amount, flat_amount=tier.flat_amount, rate=rate
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What a price shows of its model; what the model does not have is None."""

    amount: Decimal | None = None
    package_size: Decimal | None = None
    free_units: Decimal | None = None
    rate: Decimal | None = None
    fixed_amount: Decimal | None = None
    free_events: int | None = None
    free_amount: Decimal | None = None
    minimum_per_event: Decimal | None = None
    maximum_per_event: Decimal | None = None
    tiers: list[PriceTier] = field(default_factory=list)


def terms_of(model: models.PriceModel) -> Terms:
    """The model as a price shows it."""
    match model:
        case models.Flat():
            terms = Terms(amount=model.amount)
        case models.PerUnit():
            terms = Terms(amount=model.unit_amount)
        case models.Package():
            terms = Terms(amount=model.amount, package_size=model.size, free_units=model.free_units)
        case models.Percentage():
            terms = Terms(
                rate=model.rate,
                fixed_amount=model.fixed_amount,
                free_events=model.free_events,
                free_amount=model.free_amount,
                minimum_per_event=model.minimum_per_event,
                maximum_per_event=model.maximum_per_event,
            )
        case models.Graduated() | models.Volume() | models.GraduatedPercentage():
            terms = Terms(tiers=[PriceTier.of(tier) for tier in model.tiers])
    return terms


@strawberry.input(description="`amount` a period, prorated by days when the period is partial.")
class FlatPriceInput:
    """FLAT."""

    amount: Decimal

    def model(self) -> models.PriceModel:
        return models.Flat(self.amount)


@strawberry.input(description="`unitAmount` for each unit, with at most 12 decimals.")
class PerUnitPriceInput:
    """PER_UNIT."""

    unit_amount: Decimal

    def model(self) -> models.PriceModel:
        return models.PerUnit(self.unit_amount)


@strawberry.input(
    description="Each started package of `size` units beyond the free ones costs `amount`."
)
class PackagePriceInput:
    """PACKAGE."""

    amount: Decimal
    size: Decimal
    free_units: Decimal | None = ZERO

    def model(self) -> models.PriceModel:
        return models.Package(self.amount, self.size, _or_zero(self.free_units))


@strawberry.input(description="Units up to and with `upTo`; the last tier has none.")
class PriceTierInput:
    """A tier of GRADUATED or VOLUME."""

    up_to: Decimal | None = strawberry.UNSET
    unit_amount: Decimal
    flat_amount: Decimal | None = ZERO


@strawberry.input(description="1 to 100 tiers, rising strictly by `upTo`.")
class TieredPriceInput:
    """GRADUATED or VOLUME."""

    tiers: list[PriceTierInput]

    def graduated(self) -> models.PriceModel:
        return models.Graduated(self._tiers())

    def volume(self) -> models.PriceModel:
        return models.Volume(self._tiers())

    def _tiers(self) -> tuple[models.PriceTier, ...]:
        return tuple(
            models.PriceTier(given(tier.up_to), tier.unit_amount, _or_zero(tier.flat_amount))
            for tier in self.tiers
        )


@strawberry.input(
    description="rate percent of each event's value plus `fixedAmount` an event. The first"
    " `freeEvents` events, or the first `freeAmount` of value, are free: whichever runs out first"
    " ends both. Minimum and maximum bound each event."
)
class PercentagePriceInput:
    """PERCENTAGE."""

    rate: Decimal
    fixed_amount: Decimal | None = ZERO
    free_events: int | None = strawberry.UNSET
    free_amount: Decimal | None = strawberry.UNSET
    minimum_per_event: Decimal | None = strawberry.UNSET
    maximum_per_event: Decimal | None = strawberry.UNSET

    def model(self) -> models.PriceModel:
        return models.Percentage(
            rate=self.rate,
            fixed_amount=_or_zero(self.fixed_amount),
            free_events=given(self.free_events),
            free_amount=given(self.free_amount),
            minimum_per_event=given(self.minimum_per_event),
            maximum_per_event=given(self.maximum_per_event),
        )


@strawberry.input(description="Value up to and with `upTo`; the last tier has none.")
class PercentageTierInput:
    """A tier of GRADUATED_PERCENTAGE."""

    up_to: Decimal | None = strawberry.UNSET
    rate: Decimal
    flat_amount: Decimal | None = ZERO


@strawberry.input(description="1 to 100 tiers, rising strictly by `upTo`.")
class TieredPercentagePriceInput:
    """GRADUATED_PERCENTAGE."""

    tiers: list[PercentageTierInput]

    def model(self) -> models.PriceModel:
        return models.GraduatedPercentage(
            tuple(
                models.PercentageTier(given(tier.up_to), tier.rate, _or_zero(tier.flat_amount))
                for tier in self.tiers
            )
        )


@strawberry.input(
    one_of=True,
    description="One model. Tiers rise strictly by `upTo`, which is inclusive; the last has none.",
)
class PriceModelInput:
    """Exactly one of them."""

    flat: FlatPriceInput | None = strawberry.UNSET
    per_unit: PerUnitPriceInput | None = strawberry.UNSET
    package: PackagePriceInput | None = strawberry.UNSET
    graduated: TieredPriceInput | None = strawberry.UNSET
    volume: TieredPriceInput | None = strawberry.UNSET
    percentage: PercentagePriceInput | None = strawberry.UNSET
    graduated_percentage: TieredPercentagePriceInput | None = strawberry.UNSET

    def model(self) -> models.PriceModel:
        """The model that was given; GraphQL has made sure that one was.

        Raises InvalidInput, AmountOutOfRange or TooManyItems, like
        `("graduated", "tiers", "1", "upTo")`.
        """
        members = {
            "flat": _building(self.flat, FlatPriceInput.model),
            "perUnit": _building(self.per_unit, PerUnitPriceInput.model),
            "package": _building(self.package, PackagePriceInput.model),
            "graduated": _building(self.graduated, TieredPriceInput.graduated),
            "volume": _building(self.volume, TieredPriceInput.volume),
            "percentage": _building(self.percentage, PercentagePriceInput.model),
            "graduatedPercentage": _building(
                self.graduated_percentage, TieredPercentagePriceInput.model
            ),
        }
        for name, build in members.items():
            if build is not None:
                with problems_under(name):
                    return build()
        raise AssertionError("@oneOf lets exactly one through")


def _building(
    member: I | None, build: Callable[[I], models.PriceModel]
) -> Callable[[], models.PriceModel] | None:
    chosen = given(member)
    return None if chosen is None else partial(build, chosen)


def _or_zero(value: Decimal | None) -> Decimal:
    """Null says the same as leaving it out."""
    return ZERO if value is None else value
