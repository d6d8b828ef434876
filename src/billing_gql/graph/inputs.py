"""Reading inputs: what was left out, what was null, and what was given."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TypeVar, cast

import strawberry

from billing_gql.kernel.problems import InvalidInput

T = TypeVar("T")


def given(value: T | None) -> T | None:
    """The value; None where it was null or left out."""
    return None if value is strawberry.UNSET else value


def camel(name: str) -> str:
    """The name on the wire."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def changes_of(
    source: object, names: Iterable[str], *, never_null: Iterable[str] = ()
) -> dict[str, object]:
    """The fields that were given, null ones too; raises InvalidInput for a null that cannot be."""
    changes: dict[str, object] = {}
    for name in names:
        value = getattr(source, name)
        if value is strawberry.UNSET:
            continue
        if value is None and name in never_null:
            raise InvalidInput("Must not be null; leave it out to keep it.", (camel(name),))
        changes[name] = value
    return changes


def plain_input(source: object) -> Mapping[str, object]:
    """An input as plain values, without what was left out: the same for the same request."""
    return cast("Mapping[str, object]", _plain(source))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        values = {name: getattr(value, name) for name in names}
        return {name: _plain(one) for name, one in values.items() if one is not strawberry.UNSET}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | date | datetime):
        return str(value)
    return value
