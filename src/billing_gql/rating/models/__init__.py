"""The price models, one a file. Stored as JSON with the model's name as its tag.

A model that breaks a rule cannot be built: its constructor raises InvalidInput, AmountOutOfRange or
TooManyItems with a path inside the model in the API's words, like `("tiers", "1", "upTo")`. Whoever
knows where the model came from puts that before it with `problem.under`.
"""

from billing_gql.rating.models.flat import Flat
from billing_gql.rating.models.graduated import Graduated
from billing_gql.rating.models.graduated_percentage import GraduatedPercentage
from billing_gql.rating.models.package import Package
from billing_gql.rating.models.per_unit import PerUnit
from billing_gql.rating.models.percentage import Percentage
from billing_gql.rating.models.tiers import PercentageTier, PriceTier
from billing_gql.rating.models.volume import Volume

PriceModel = Flat | PerUnit | Package | Graduated | Volume | Percentage | GraduatedPercentage


def name_of(model: PriceModel) -> str:
    """The model's name: FLAT, PER_UNIT, …"""
    return str(type(model).__struct_config__.tag)


__all__ = [
    "Flat",
    "Graduated",
    "GraduatedPercentage",
    "Package",
    "PerUnit",
    "Percentage",
    "PercentageTier",
    "PriceModel",
    "PriceTier",
    "Volume",
    "name_of",
]
