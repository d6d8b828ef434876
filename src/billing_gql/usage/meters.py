"""What a feature reads from an event, and what usage may be grouped by. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_gql.kernel.money import MAX_QUANTITY, MAX_UNIT_DECIMALS
from billing_gql.kernel.problems import InvalidInput, TooManyItems

MAX_GROUP_KEYS = 5
MAX_GROUPS = 10_000
"""Of one line or customer, in all its windows."""
MAX_GROUPS_OF_ALL = 100_000
"""Of all lines or customers that a request asks the same of."""
NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
"""A number sent as text. The SQL function `metered_number` has the same pattern."""
MAX_VALUE_TEXT = 255
"""Characters of a value that UNIQUE_COUNT tells apart; `metered_text` in SQL has the same."""
INDEX = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]{1,9})")
"""A place in an array as PostgreSQL's `#>` reads it, which counts from the end below zero."""
ALLOWED_KEYS = f"Allowed: 1 to {MAX_GROUP_KEYS} of source, feature_id, properties.<path>."


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One key of a breakdown. `path` is the property's, null for source and feature_id."""

    dimension: str
    path: str | None


def parse_group_keys(keys: Sequence[str], *, least: int = 1) -> tuple[GroupKey, ...]:
    """Reads `groupBy`; raises InvalidInput with what is allowed, or TooManyItems."""
    if len(keys) > MAX_GROUP_KEYS:
        raise TooManyItems(f"{len(keys)} group keys are too many. {ALLOWED_KEYS}", ("groupBy",))
    if len(keys) < least:
        raise InvalidInput(f"A group key is missing. {ALLOWED_KEYS}", ("groupBy",))
    parsed = []
    for index, key in enumerate(keys):
        path = key.removeprefix("properties.") if key.startswith("properties.") else None
        if path is None and key not in ("source", "feature_id"):
            raise InvalidInput(
                f"{key[:60]!r} is not a group key. {ALLOWED_KEYS}", ("groupBy", index)
            )
        if path is not None and (not all(path.split(".")) or len(path) > 255 or "\x00" in path):
            raise InvalidInput(
                f"{key[:60]!r} is not a property's path, like properties.engine.fuel."
                f" {ALLOWED_KEYS}",
                ("groupBy", index),
            )
        if key in keys[:index]:
            raise InvalidInput(f"{key[:60]!r} is there twice. {ALLOWED_KEYS}", ("groupBy", index))
        parsed.append(GroupKey(key, path))
    return tuple(parsed)


def value_at(properties: Mapping[str, object], path: str) -> object:
    """What stands at a path with dots, as PostgreSQL's `#>` finds it; None where nothing does."""
    found: object = properties
    for name in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(name)
        elif (
            isinstance(found, list)
            and (index := INDEX.fullmatch(name))
            and -len(found) <= int(index[1]) < len(found)
        ):
            found = found[int(index[1])]
        else:
            return None
    return found


def metered_number(properties: Mapping[str, object], path: str) -> Decimal:
    """The number at a path: a JSON number, or one as text. Raises InvalidInput at the property."""
    found = value_at(properties, path)
    at = ("properties", *path.split("."))
    if isinstance(found, str) and NUMBER.fullmatch(found):
        return Decimal(found)
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        shown = "nothing" if found is None else f"{str(found)[:60]!r}"
        raise InvalidInput(f"A number must stand here, not {shown}.", at)
    number = Decimal(found)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(number) >= MAX_QUANTITY:
        raise InvalidInput("The number must be finite and below 10^18.", at)
    if exponent < -MAX_UNIT_DECIMALS:
        raise InvalidInput(f"The number must have at most {MAX_UNIT_DECIMALS} decimals.", at)
    return number


def metered_text(properties: Mapping[str, object], path: str) -> str:
    """The scalar at a path as text, equal for equal values: 1, 1.0 and "1" are all "1".

    A text stays as it is, a number has neither exponent nor trailing zeros, a boolean is true or
    false. Raises InvalidInput at the property; the SQL function `metered_text` gives null there.
    """
    found = value_at(properties, path)
    at = ("properties", *path.split("."))
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | Decimal):
        value = _plain_text(Decimal(found))
    elif isinstance(found, str):
        value = found
    else:
        kind = "nothing" if found is None else "an object or a list"
        raise InvalidInput(f"A text, a number or a boolean must stand here, not {kind}.", at)
    if len(value) > MAX_VALUE_TEXT:
        raise InvalidInput(
            f"The value must have at most {MAX_VALUE_TEXT} characters, not {len(value)}.", at
        )
    return value


def _plain_text(number: Decimal) -> str:
    """All the digits of a number, however many; `kernel.money.plain` keeps a hundred."""
    if number == 0:
        return "0"
    digits = f"{number:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def group_order(values: Sequence[str | None]) -> tuple[tuple[bool, str], ...]:
    """Sorts groups by their values, nulls last."""
    return tuple((value is None, value or "") for value in values)


def too_many_groups(*, of_all: bool) -> TooManyItems:
    """What a caller is told instead of the groups: of one line or customer, or of all of them."""
    if of_all:
        return TooManyItems(
            f"There are more than {MAX_GROUPS_OF_ALL} groups together; ask for fewer at once, or"
            " group by less.",
            ("groupBy",),
        )
    return TooManyItems(
        f"There are more than {MAX_GROUPS} groups; group by fewer keys, or by one with fewer"
        " values.",
        ("groupBy",),
    )
