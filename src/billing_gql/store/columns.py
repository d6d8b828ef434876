"""Column types that every table shares, and how one is held against many values."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

import msgspec
from sqlalchemy import ARRAY, ColumnElement, DateTime, Enum, Numeric, Text, any_, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)

Id = Text(collation="C")
"""Ids compare as bytes, so that they sort by time whatever the database's locale."""
Instant = DateTime(timezone=True)
Exact = Numeric(asdecimal=True)
"""numeric without a declared scale keeps the scale that was written: "100.00" stays "100.00"."""
Json = JSONB(none_as_null=True)

E = TypeVar("E", bound=StrEnum)


def to_json(value: object) -> str:
    """JSON text in which decimals are numbers, exact."""
    return _encoder.encode(value).decode()


def from_json(text: str | bytes) -> object:
    """Values from JSON text; numbers with a fraction are Decimal, never float."""
    return _decoder.decode(text)


def among(
    column: Mapped[str] | Mapped[str | None], values: Iterable[str | None]
) -> ColumnElement[bool]:
    """Whether the column has one of the values.

    They are one parameter, an array: the statement is the same, and prepared once, for any number
    of them. `in_` would render and prepare one for each number.
    """
    return column == any_(literal(list(values), ARRAY(Text)))


def choice(kind: type[E]) -> Enum:
    """A column that holds the name of one of the enum's values, as text."""
    return Enum(kind, native_enum=False, length=32, values_callable=lambda e: [m.value for m in e])


class Row(SQLModel):
    """The base of every table: its fields may hold msgspec types."""

    model_config = {"arbitrary_types_allowed": True}


class Struct(TypeDecorator[object]):
    """JSONB that holds a msgspec type: a price model, pricing steps, an address."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, kind: object) -> None:
        super().__init__()
        self.kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def process_bind_param(self, value: object, dialect: Dialect) -> object:
        return None if value is None else msgspec.to_builtins(value)

    def process_result_value(self, value: object, dialect: Dialect) -> object:
        return None if value is None else msgspec.convert(value, self.kind)
