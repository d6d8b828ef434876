"""Whether an answer has the shape that the schema promises for its document."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    is_abstract_type,
    is_composite_type,
)

DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{6})?Z")


def _whole(value: object, bits: int) -> bool:
    return type(value) is int and abs(value) < 2**bits


def _instant(value: object) -> bool:
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        return False
    return datetime.fromisoformat(value).utcoffset() is not None


def _day(value: object) -> bool:
    return isinstance(value, str) and date.fromisoformat(value).isoformat() == value


SCALARS: dict[str, Callable[[object], bool]] = {
    "Boolean": lambda value: isinstance(value, bool),
    "Int": lambda value: _whole(value, 31),
    "BigInt": lambda value: _whole(value, 53),
    "String": lambda value: isinstance(value, str),
    "ID": lambda value: isinstance(value, str),
    "Decimal": lambda value: isinstance(value, str) and bool(DECIMAL.fullmatch(value)),
    "CurrencyCode": lambda value: isinstance(value, str) and bool(re.fullmatch("[A-Z]{3}", value)),
    "DateTime": _instant,
    "Date": _day,
    "JSON": lambda value: value is not None,
}
"""What each scalar is on the wire."""

Path = tuple[str | int, ...]


def departures(schema: GraphQLSchema, document: DocumentNode, data: object) -> list[str]:
    """Where the data is not what the schema says of the document's only operation, in words.

    Every selection on an interface or a union must have `__typename`, and there are no named
    fragments, no variables and no `@skip`: what is generated has none.
    """
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    return list(_object(schema, root, operation.selection_set, data, ()))


def _value(
    schema: GraphQLSchema, type_: GraphQLOutputType, node: FieldNode, value: object, path: Path
) -> Iterator[str]:
    if isinstance(type_, GraphQLNonNull):
        if value is None:
            yield f"{path}: null, not {type_}"
            return
        type_ = type_.of_type
    if value is None:
        return
    if isinstance(type_, GraphQLList):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _value(schema, type_.of_type, node, item, (*path, index))
        else:
            yield f"{path}: {value!r} is no list"
    elif isinstance(type_, GraphQLEnumType | GraphQLScalarType):
        if not _is_leaf(type_, value):
            yield f"{path}: {value!r} is no {type_}"
    else:
        assert node.selection_set is not None
        concrete: object = type_
        if is_abstract_type(type_) and isinstance(value, Mapping):
            concrete = schema.get_type(str(value.get("__typename")))
            if concrete not in schema.get_possible_types(type_):
                yield f"{path}: {value.get('__typename')!r} is no {type_}"
                return
        assert isinstance(concrete, GraphQLObjectType)
        yield from _object(schema, concrete, node.selection_set, value, path)


def _is_leaf(type_: GraphQLEnumType | GraphQLScalarType, value: object) -> bool:
    if isinstance(type_, GraphQLEnumType):
        return value in type_.values
    return SCALARS[type_.name](value)


def _object(
    schema: GraphQLSchema,
    type_: GraphQLObjectType,
    selections: SelectionSetNode,
    value: object,
    path: Path,
) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {value!r} is no {type_}"
        return
    asked = _asked(schema, type_, selections)
    if list(value) != list(asked):
        yield f"{path}: has {list(value)}, asked for {list(asked)}"
        return
    for key, nodes in asked.items():
        name = nodes[0].name.value
        if name == "__typename":
            if value[key] != type_.name:
                yield f"{path}: {value[key]!r} is no {type_}"
            continue
        whole = nodes[0] if len(nodes) == 1 else _merged(nodes)
        yield from _value(schema, type_.fields[name].type, whole, value[key], (*path, key))


def _asked(
    schema: GraphQLSchema, type_: GraphQLObjectType, selections: SelectionSetNode
) -> dict[str, list[FieldNode]]:
    """What is selected on an object of the type, by its key in the answer, in order."""
    asked: dict[str, list[FieldNode]] = {}
    for selection in selections.selections:
        assert not isinstance(selection, FragmentSpreadNode)
        if isinstance(selection, FieldNode):
            asked.setdefault((selection.alias or selection.name).value, []).append(selection)
        elif isinstance(selection, InlineFragmentNode) and _applies(schema, selection, type_):
            for key, nodes in _asked(schema, type_, selection.selection_set).items():
                asked.setdefault(key, []).extend(nodes)
    return asked


def _applies(schema: GraphQLSchema, fragment: InlineFragmentNode, type_: GraphQLObjectType) -> bool:
    if fragment.type_condition is None:
        return True
    on = schema.get_type(fragment.type_condition.name.value)
    assert is_composite_type(on)
    return on == type_ or (is_abstract_type(on) and schema.is_sub_type(on, type_))


def _merged(nodes: Sequence[FieldNode]) -> FieldNode:
    """One field for those that share a key."""
    sets = [node.selection_set for node in nodes if node.selection_set]
    if not sets:
        return nodes[0]
    merged = SelectionSetNode(selections=tuple(s for one in sets for s in one.selections))
    return FieldNode(name=nodes[0].name, alias=nodes[0].alias, selection_set=merged)
