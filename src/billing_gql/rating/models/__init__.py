"""The price models, one a file. Stored as JSON with the model's name as its tag."""

from billing_gql.rating.models.flat import Flat
from billing_gql.rating.models.per_unit import PerUnit

PriceModel = Flat | PerUnit

__all__ = ["Flat", "PerUnit", "PriceModel"]
