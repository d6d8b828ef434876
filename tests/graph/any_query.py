"""Documents for each field of Query and Mutation, as schemathesis makes them from the schema.

Only what a scalar may be is said here, and documents are made smaller, so that the
limits refuse few.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import schemathesis
from graphql import (
    REMOVE,
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLInputObjectType,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    SelectionSetNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    Visitor,
    get_named_type,
    is_composite_type,
    parse,
    print_ast,
    visit,
)
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from tests.support import FEDERATION, SCHEMA_FILE, schema_of_the_file

SCHEMA = schema_of_the_file()
MAX_DEPTH = 4
"""Levels of fields. A list in a list in a list is more than the limit of cost."""
CLOCK_END = "2026-03-15T00:00:00Z"
"""As far as the test clock goes: each day on the way is billed."""
FITTING = "what fits"
"""Stands for a text or an id that is right where it stands: `Filled` puts it there."""
TEXTS = {
    "timezone": "Europe/Berlin",
    "country": "DE",
    "language": "de",
    "email": "a@b.example",
    "token": "pm_ok",
    "groupBy": "source",
    "search": "ever",
    "number": "INV-1",
    "valueProperty": "size",
    "eventName": "every",
    "externalId": "every",
    "externalCustomerId": "every",
    "key": "every",
}
NAMES = ("id", "externalId", "key", "number")
"""Of which a query field takes one."""
RIVALS = {
    "CouponApplyInput": ("customerId", "invoiceId", "lineItemId"),
    "CouponCreateInput": ("percentOff", "amountOff"),
    "UsageEventInput": ("externalCustomerId", "customerId"),
}
"""Members of which an input takes one; where one fits the others are left out."""
KINDS = [
    "Organization",
    "Customer",
    "Feature",
    "Plan",
    "Price",
    "Subscription",
    "Invoice",
    "LineItem",
    "Coupon",
    "TaxRate",
    "Wallet",
    "WalletTransaction",
    "BalanceTransaction",
    "CreditNote",
    "Payment",
    "Refund",
]
JSON_KEYS = st.sampled_from(["a", "size", "source", "__typename"])


def _object(fields: Mapping[str, ValueNode]) -> ObjectValueNode:
    return ObjectValueNode(
        fields=tuple(
            ObjectFieldNode(name=NameNode(value=name), value=value)
            for name, value in fields.items()
        )
    )


FLAT = _object({"flat": _object({"amount": nodes.String("1")})})


def _texts(*texts: str) -> st.SearchStrategy[StringValueNode]:
    return st.sampled_from(texts).map(nodes.String)


TEXT = st.one_of(
    st.just(FITTING),
    st.just(FITTING),
    st.sampled_from(["", "a", "b", "\x00", "%", "_\\", "'\"", "ß" * 255, "x" * 256, "\U0001f600"]),
    st.text(max_size=12),
)
NUMBER = st.one_of(
    st.integers(0, 12), st.integers(0, 12), st.sampled_from([-1, 100, 101, 2**31 - 1, -(2**31)])
)
JSON = st.recursive(
    st.one_of(
        st.just(nodes.Null),
        st.booleans().map(nodes.Boolean),
        st.integers(-(10**20), 10**20).map(nodes.Int),
        st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float),
        TEXT.map(nodes.String),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(nodes.List),
        st.dictionaries(JSON_KEYS, inner, max_size=3).map(_object),
    ),
    max_leaves=5,
)
STRATEGIES: dict[str, st.SearchStrategy[ValueNode]] = {
    "ID": st.one_of(st.just(FITTING), st.just(FITTING), st.sampled_from(KINDS), TEXT).map(
        nodes.String
    ),
    "String": TEXT.map(nodes.String),
    "Int": NUMBER.map(nodes.Int),
    "BigInt": st.one_of(NUMBER, st.sampled_from([2**53 - 1, 1 - 2**53])).map(nodes.Int),
    "Decimal": st.one_of(
        st.integers(0, 200).map(str),
        st.decimals(-1_000, 100_000, places=2).map(lambda value: format(value, "f")),
        st.sampled_from(
            ["0", "-0", "0.000000000001", "0." + "0" * 29 + "1", "999999999999999.99", "9" * 30]
        ),
    ).map(nodes.String),
    "DateTime": st.one_of(
        _texts("2026-01-01T00:00:00Z", "2026-01-20T12:30:00+05:30", "2026-02-01T00:00:00-08:00"),
        _texts("1969-12-31T23:59:59Z", "2199-12-31T23:59:59.999999Z", "2200-01-01T00:00:00Z"),
        _texts("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2024-02-29T00:00:00Z"),
    ),
    "Date": _texts("1970-01-01", "2026-01-31", "2024-02-29", "2199-12-31"),
    "CurrencyCode": _texts("USD", "USD", "USD", "EUR", "JPY", "KWD"),
    "JSON": JSON,
    "_Any": st.builds(
        lambda kind, id_: _object({"__typename": nodes.String(kind), "id": nodes.String(id_)}),
        st.sampled_from(KINDS),
        st.one_of(st.sampled_from(KINDS), TEXT),
    )
    | JSON,
}


def operations() -> schemathesis.schemas.BaseSchema:
    """The schema, of which `[root][field].as_strategy()` makes cases."""
    for name, strategy in STRATEGIES.items():
        schemathesis.graphql.scalar(name, strategy)
    return schemathesis.graphql.from_file(SCHEMA_FILE.read_text() + FEDERATION)


def made_fit(text: str, ids: Mapping[str, str]) -> DocumentNode:
    """The document with real ids and fitting texts, smaller, and with every `__typename`."""
    info = TypeInfo(SCHEMA)
    smaller = visit(parse(text), TypeInfoVisitor(info, _Smaller(info)))
    # An argument's own type is only known to the visitor before anything in it is changed.
    fitted = visit(smaller, _Filled(ids))
    return parse(print_ast(fitted))


class _Smaller(Visitor):
    """Cuts what is too deep and keeps one member of each `@oneOf` input."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.depth = 0

    def enter_field(self, node: FieldNode, *_: object) -> object:
        type_ = self.info.get_type()
        if is_composite_type(get_named_type(type_)) and self.depth >= MAX_DEPTH - 1:
            return REMOVE
        self.depth += 1
        if self.depth > 1:
            return None
        return FieldNode(
            name=node.name,
            alias=node.alias,
            arguments=_without_rivals(node.arguments or (), NAMES),
            selection_set=node.selection_set,
        )

    def leave_field(self, *_: object) -> None:
        self.depth -= 1

    def leave_selection_set(self, node: SelectionSetNode, *_: object) -> object:
        if self.depth == 0:
            return None
        typename = FieldNode(name=NameNode(value="__typename"))
        return SelectionSetNode(selections=(typename, *node.selections))

    def enter_object_value(self, node: ObjectValueNode, *_: object) -> object:
        type_ = get_named_type(self.info.get_input_type())
        if not isinstance(type_, GraphQLInputObjectType):
            return None
        if type_.is_one_of:
            given = [one for one in node.fields if not isinstance(one.value, NullValueNode)]
            return ObjectValueNode(fields=tuple(given[:1])) if given else FLAT
        rivals = RIVALS.get(type_.name, ())
        return ObjectValueNode(fields=_without_rivals(node.fields, rivals)) if rivals else None


Named = TypeVar("Named", ArgumentNode, ObjectFieldNode)


def _without_rivals(given: Sequence[Named], rivals: Sequence[str]) -> tuple[Named, ...]:
    """What is given, but of the rivals only the first that fits."""
    fits = [one.name.value for one in given if _fits(one) and one.name.value in rivals]
    others = set(rivals) - set(fits[:1]) if fits else set()
    return tuple(one for one in given if one.name.value not in others)


def _fits(one: ArgumentNode | ObjectFieldNode) -> bool:
    return isinstance(one.value, StringValueNode) and one.value.value == FITTING


class _Filled(Visitor):
    """Puts what fits in the place of what stands for it."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        super().__init__()
        self.ids = ids
        self.fields: list[str] = []
        self.names: list[str] = []

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.fields.append(node.name.value)

    def leave_field(self, *_: object) -> None:
        self.fields.pop()

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        self.names.append(node.name.value)

    def leave_argument(self, *_: object) -> None:
        self.names.pop()

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> None:
        self.names.append(node.name.value)

    def leave_object_field(self, *_: object) -> None:
        self.names.pop()

    def enter_string_value(self, node: StringValueNode, *_: object) -> object:
        value, name = node.value, self.names[-1]
        if value in self.ids:
            return StringValueNode(value=self.ids[value])
        if self.fields == ["testClockAdvance"] and name == "to":
            return StringValueNode(value=min(value, CLOCK_END))
        return StringValueNode(value=self.fitting(name)) if value == FITTING else None

    def fitting(self, name: str) -> str:
        kind = (self.fields[-1] if name in ("id", "ids") else name).removesuffix("Ids")
        kind = kind.removesuffix("Id").removeprefix("_").rstrip("s")
        kind = kind[:1].upper() + kind[1:]
        if name in TEXTS:
            return TEXTS[name]
        return self.ids.get(kind) or (self.ids["Invoice"] if name in ("id", "ids") else "every")
