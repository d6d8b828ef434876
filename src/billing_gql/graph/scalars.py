"""The scalars of the contract, strict both ways."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NewType, cast

import strawberry
from graphql import (
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    value_from_ast_untyped,
)

from billing_gql.kernel import checks
from billing_gql.kernel.problems import Problem

CurrencyCode = NewType("CurrencyCode", str)
BigInt = NewType("BigInt", int)
Json = NewType("Json", object)

DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
MAX_BIG_INT = 2**53 - 1


class BadScalar(ValueError):
    """What the caller sent is not a value of the scalar; the message says what would be."""


def parse_decimal(value: object) -> Decimal:
    """A text of digits with at most one point; ranges are the verbs' to check."""
    if not isinstance(value, str) or not DECIMAL.fullmatch(value):
        raise BadScalar('A Decimal is a string of digits, like "12.50".')
    return Decimal(value)


def show_decimal(value: Decimal) -> str:
    """Without exponent; the value's own decimals, which the domain has made right."""
    return format(value, "f")


def parse_datetime(value: object) -> datetime:
    """ISO 8601 with an offset."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise BadScalar("A DateTime has a date, a time and an offset: 2026-01-31T12:00:00Z.")
    return instant


def show_datetime(value: datetime) -> str:
    """UTC, ending in Z; fractions only where there are any."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_date(value: object) -> date:
    """ISO 8601 calendar date, within the years that every calendar computation can take."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        day = None
    if day is None or not checks.EARLIEST.year <= day.year < checks.LATEST.year:
        raise BadScalar("A Date is a day from 1970 to 2199, like 2026-01-31.")
    return day


def parse_currency(value: object) -> CurrencyCode:
    """ISO 4217, upper case."""
    try:
        return CurrencyCode(checks.currency(value if isinstance(value, str) else ""))
    except Problem:
        raise BadScalar('A CurrencyCode is of ISO 4217, upper case: "USD".') from None


def parse_big_int(value: object) -> BigInt:
    """A whole JSON number that every client can hold exactly."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_BIG_INT:
        raise BadScalar("A BigInt is a whole number of at most 2^53 - 1.")
    return BigInt(value)


def parse_json_literal(node: ValueNode, variables: dict[str, object] | None = None) -> object:
    """A JSON value written into the query; numbers with a fraction stay exact."""
    match node:
        case FloatValueNode() | IntValueNode():
            try:
                return (int if isinstance(node, IntValueNode) else Decimal)(node.value)
            except (ArithmeticError, ValueError):
                raise BadScalar("The number has too many digits.") from None
        case ListValueNode():
            return [parse_json_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {
                field.name.value: parse_json_literal(field.value, variables)
                for field in node.fields
            }
        case VariableNode():
            return (variables or {}).get(node.name.value)
    return value_from_ast_untyped(node, variables)


SCALARS = cast(
    "dict[object, strawberry.types.scalar.ScalarDefinition]",
    {
        Decimal: strawberry.scalar(
            name="Decimal",
            description=(
                "Fixed-point decimal. A string on the wire, both ways; a JSON number or a"
                " non-finite value is refused."
            ),
            serialize=show_decimal,
            parse_value=parse_decimal,
        ),
        datetime: strawberry.scalar(
            name="DateTime",
            description="ISO 8601 instant. An offset is required in; UTC comes out.",
            serialize=show_datetime,
            parse_value=parse_datetime,
        ),
        date: strawberry.scalar(
            name="Date",
            description="ISO 8601 calendar date.",
            serialize=date.isoformat,
            parse_value=parse_date,
        ),
        CurrencyCode: strawberry.scalar(
            name="CurrencyCode",
            description="ISO 4217 alphabetic code, upper case.",
            serialize=str,
            parse_value=parse_currency,
        ),
        BigInt: strawberry.scalar(
            name="BigInt",
            description="Integer up to 2^53 - 1, a JSON number.",
            serialize=int,
            parse_value=parse_big_int,
        ),
        Json: strawberry.scalar(
            name="JSON",
            description="Any JSON value.",
            serialize=lambda value: value,
            parse_value=lambda value: value,
            parse_literal=parse_json_literal,
        ),
    },
)
