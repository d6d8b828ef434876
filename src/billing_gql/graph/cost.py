"""What an operation costs, before it is executed: an upper bound of the objects that it makes.

An object is 1. A list multiplies what is in it: by its page's size, by the number of ids that it is
asked for, else by 10. A usage breakdown is 20 with all its groups, and with those of all lines
where it is an invoice's; one that is recalculated 100. Scalars are free.
What `@skip` and `@include` leave out is free too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from billing_gql.graph.connections import DEFAULT_PAGE
from billing_gql.graph.limits import INTROSPECTION, inner_first

LIST = 10
BREAKDOWN = 20
RECALCULATED = 100
TYPES = 100
"""What a list of all types multiplies by."""
INTROSPECTION_COST = 400_000
"""What an operation may introspect. The query of GraphiQL and of code generators is 160,000 and
takes about 0.1 seconds."""
MOST = 10**10
"""Stands for every larger number: no limit is as high."""
MAX_REMEMBERED = 64

SIZED_BY = ("ids", "representations")
"""Arguments that are lists of what is wanted: the answer is as long."""

COMPOSITE = (GraphQLObjectType, GraphQLInterfaceType)

Matter = int | bool | None
"""What of a variable's value matters here."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a selection: what it is by itself, and what it is for each row of the page around it."""

    once: int = 0
    per_row: int = 0
    introspection: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.once + other.once,
            self.per_row + other.per_row,
            self.introspection + other.introspection,
        )


@dataclass(slots=True)
class Costs:
    """The costs of one operation, remembered by the values of the variables that matter."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    _names: tuple[str, ...] | None = None
    _remembered: dict[tuple[int | str | None, ...], Cost] = field(default_factory=dict)

    def of(self, variables: Mapping[str, object]) -> Cost:
        """What it costs with these variables, as they came: not yet coerced."""
        if self._names is not None:
            found = self._remembered.get(self._key(variables))
            if found is not None:
                return found
        walk = _Walk(self.schema, self.operation, variables)
        cost = walk.total(self.document)
        self._names = tuple(sorted(walk.read))
        if len(self._remembered) == MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[self._key(variables)] = cost
        return cost

    def _key(self, variables: Mapping[str, object]) -> tuple[int | str | None, ...]:
        return tuple(
            _told_apart(_matter(variables[name])) if name in variables else "default"
            for name in self._names or ()
        )


def _matter(value: object) -> Matter:
    """A number or a length from 0 to MOST, a boolean, or None for anything else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list):
        return len(value)
    if isinstance(value, int | float | Decimal):
        return int(min(max(value, 0), MOST))
    return None


def _told_apart(value: Matter) -> int | str | None:
    """As part of a key: to Python, 1 and True are one."""
    return str(value) if isinstance(value, bool) else value


class _Walk:
    """One computation. `read` is every variable that it looked at."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        variables: Mapping[str, object],
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.variables = variables
        self.defaults = {
            one.variable.name.value: one.default_value
            for one in operation.variable_definitions or ()
        }
        self.read: set[str] = set()
        self.fragments: dict[str, Cost] = {}

    def total(self, document: DocumentNode) -> Cost:
        for fragment in inner_first(document):
            name = fragment.type_condition.name.value
            self.fragments[fragment.name.value] = self._selections(fragment.selection_set, name)
        root = self.schema.get_root_type(self.operation.operation)
        return self._selections(self.operation.selection_set, root.name if root else "")

    def _selections(self, selection_set: SelectionSetNode, type_name: str) -> Cost:
        cost = Cost()
        for selection in selection_set.selections:
            match selection:
                case FragmentSpreadNode():
                    one = self.fragments.get(selection.name.value, Cost())
                case InlineFragmentNode():
                    condition = selection.type_condition
                    inner = condition.name.value if condition else type_name
                    one = self._selections(selection.selection_set, inner)
                case FieldNode():
                    one = self._field(selection, type_name)
                case _:
                    continue
            # Asked last: the variables inside of what is left out are among those that matter.
            if not self._left_out(selection):
                cost += one
        return cost

    def _field(self, node: FieldNode, type_name: str) -> Cost:
        parent = self.schema.get_type(type_name)
        if node.selection_set is None or not isinstance(parent, COMPOSITE):
            return Cost()
        definition = self.schema.get_field(parent, node.name.value)
        # The groups are in a breakdown's price.
        if definition is None or (type_name == "UsageBreakdown" and node.name.value == "groups"):
            return Cost()
        arguments = {one.name.value: one.value for one in node.arguments or ()}
        named = get_named_type(definition.type).name
        inner = self._selections(node.selection_set, named)
        rows = self._page(arguments) if "first" in definition.args else LIST
        within = inner.once + rows * inner.per_row
        if node.name.value in INTROSPECTION:
            return Cost(introspection=1 + within)
        if _is_list(definition.type) and "pageInfo" in parent.fields:
            return Cost(0, 1 + within, inner.introspection)
        times = self._times(node, definition.type, arguments)
        if named == "UsageBreakdown":
            return Cost(self._breakdown(arguments) + times * within, 0, inner.introspection)
        return Cost(times * (1 + within), 0, inner.introspection)

    def _times(
        self, node: FieldNode, output: GraphQLOutputType, arguments: Mapping[str, ValueNode]
    ) -> int:
        if not _is_list(output):
            return 1
        return TYPES if node.name.value == "types" else self._length(arguments)

    def _breakdown(self, arguments: Mapping[str, ValueNode]) -> int:
        recalculated = self._value(arguments.get("forceRuntimeRecalculation"))
        return RECALCULATED if recalculated is True else BREAKDOWN

    def _page(self, arguments: Mapping[str, ValueNode]) -> int:
        sizes = [self._value(arguments.get(name)) for name in ("first", "last")]
        given = [one for one in sizes if one is not None]
        return max(given) if given else DEFAULT_PAGE

    def _length(self, arguments: Mapping[str, ValueNode]) -> int:
        for name in SIZED_BY:
            if name in arguments:
                length = self._value(arguments[name])
                return LIST if length is None else int(length)
        return LIST

    def _left_out(self, selection: SelectionNode) -> bool:
        for directive in selection.directives or ():
            name = directive.name.value
            if name in ("skip", "include") and directive.arguments:
                value = self._value(directive.arguments[0].value)
                if value is (name == "skip"):
                    return True
        return False

    def _value(self, node: ValueNode | None) -> Matter:
        match node:
            case VariableNode():
                name = node.name.value
                self.read.add(name)
                if name in self.variables:
                    return _matter(self.variables[name])
                return self._value(self.defaults.get(name))
            case IntValueNode():
                digits = node.value
                return MOST if len(digits) > 10 else max(int(digits), 0)
            case BooleanValueNode():
                return node.value
            case ListValueNode():
                return len(node.values)
        return None


def _is_list(output: GraphQLOutputType) -> bool:
    return is_list_type(output.of_type if is_non_null_type(output) else output)
