"""How large a document is, before anything is looked up or executed.

Every figure is found in one walk of each definition: what a fragment adds is computed once and
used wherever it is spread, so that fragments that spread each other twice cost no more than others.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from billing_gql.settings import Settings

MAX_FIELDS = 10_000
"""Fields of an operation with every fragment written out."""
MAX_COMPARISONS = 10_000
"""Pairs of fields and of fragments that could be of one name at one place. Validation compares
each: about 10 microseconds a pair."""
INTROSPECTION_DEPTH = 20
"""What clients ask for is 15 deep. Lists of types inside of each other are limited by a rule of
graphql-core's, and what it all costs by `cost.INTROSPECTION_COST`."""
INTROSPECTION = ("__schema", "__type")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one operation may have; all are settings."""

    depth: int = 12
    aliases: int = 30
    tokens: int = 2_000
    mutation_fields: int = 10
    cost: int = 10_000

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Those of the settings."""
        return cls(
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            tokens=settings.max_tokens,
            mutation_fields=settings.max_mutation_fields,
            cost=settings.max_cost,
        )


@dataclass(slots=True)
class Size:
    """What a selection adds to the place where it stands, every fragment written out."""

    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    fields: int = 0
    width: int = 0
    """Fields of the outermost level alone."""

    def add(self, other: "Size") -> None:
        """Takes in what stands beside it."""
        self.depth = max(self.depth, other.depth)
        self.introspection_depth = max(self.introspection_depth, other.introspection_depth)
        self.aliases += other.aliases
        self.fields += other.fields
        self.width += other.width


def too_much(code: str, what: str, requested: int, limit: int) -> GraphQLError:
    """The error of a limit: `what` has a place for each of the two numbers."""
    return GraphQLError(
        what.format(f"{requested:,}", f"{limit:,}"),
        extensions={"code": code, "requested": requested, "limit": limit},
    )


def inner_first(document: DocumentNode) -> list[FragmentDefinitionNode]:
    """The fragments, each after those that it spreads; a cycle is cut where it is met."""
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    ordered = []
    entered: set[str] = set()
    for root in fragments:
        stack: list[tuple[str, Iterator[str]]] = []
        _enter(root, fragments, entered, stack)
        while stack:
            name, spreads = stack[-1]
            if not any(_enter(spread, fragments, entered, stack) for spread in spreads):
                stack.pop()
                ordered.append(fragments[name])
    return ordered


def _enter(
    name: str,
    fragments: Mapping[str, FragmentDefinitionNode],
    entered: set[str],
    stack: list[tuple[str, Iterator[str]]],
) -> bool:
    """Puts a fragment on the stack unless it has been there."""
    if name in entered or name not in fragments:
        return False
    entered.add(name)
    stack.append((name, _spreads(fragments[name].selection_set)))
    return True


def _spreads(selection_set: SelectionSetNode) -> Iterator[str]:
    stack = [selection_set]
    while stack:
        for selection in stack.pop().selections:
            match selection:
                case FragmentSpreadNode():
                    yield selection.name.value
                case FieldNode() | InlineFragmentNode() if selection.selection_set:
                    stack.append(selection.selection_set)


def sizes(document: DocumentNode) -> list[tuple[OperationDefinitionNode, Size]]:
    """The size of each operation."""
    known: dict[str, Size] = {}
    for fragment in inner_first(document):
        known[fragment.name.value] = _size(fragment.selection_set, known)
    return [
        (one, _size(one.selection_set, known))
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode)
    ]


def _size(selection_set: SelectionSetNode, known: Mapping[str, Size]) -> Size:
    size = Size()
    for selection in selection_set.selections:
        match selection:
            case FragmentSpreadNode():
                size.add(known.get(selection.name.value, Size()))
            case InlineFragmentNode():
                size.add(_size(selection.selection_set, known))
            case FieldNode():
                size.add(_field_size(selection, known))
    return size


def _field_size(node: FieldNode, known: Mapping[str, Size]) -> Size:
    inner = _size(node.selection_set, known) if node.selection_set else Size()
    introspects = node.name.value in INTROSPECTION
    return Size(
        depth=1 if introspects else 1 + inner.depth,
        introspection_depth=1 + inner.depth if introspects else inner.introspection_depth,
        aliases=(node.alias is not None) + inner.aliases,
        fields=1 + inner.fields,
        width=1,
    )


def oversize(
    operation: OperationDefinitionNode, size: Size, limits: Limits
) -> Iterator[GraphQLError]:
    """What of an operation is over a limit."""
    if size.depth > limits.depth:
        text = "The operation is {} levels of fields deep; at most {} are allowed."
        yield too_much("QUERY_TOO_DEEP", text, size.depth, limits.depth)
    if size.introspection_depth > INTROSPECTION_DEPTH:
        text = "The introspection is {} levels of fields deep; at most {} are allowed."
        yield too_much("QUERY_TOO_DEEP", text, size.introspection_depth, INTROSPECTION_DEPTH)
    if size.aliases > limits.aliases:
        text = "The operation has {} aliases; at most {} are allowed."
        yield too_much("TOO_MANY_ALIASES", text, size.aliases, limits.aliases)
    if operation.operation is OperationType.MUTATION and size.width > limits.mutation_fields:
        text = "The operation has {} mutation fields; at most {} are allowed."
        yield too_much("TOO_MANY_MUTATIONS", text, size.width, limits.mutation_fields)


def unbearable(document: DocumentNode, measured: Iterable[Size]) -> Iterator[GraphQLError]:
    """What validating the document itself would take too long for."""
    fields = max((size.fields for size in measured), default=0)
    if fields > MAX_FIELDS:
        text = "With its fragments written out an operation has {} fields; at most {} are allowed."
        yield too_much("QUERY_TOO_COMPLEX", text, fields, MAX_FIELDS)
    pairs = _comparisons(document)
    if pairs > MAX_COMPARISONS:
        text = (
            "Fields and fragments of the same names are repeated too often side by side: {} pairs"
            " or more; at most {} are allowed."
        )
        yield too_much("QUERY_TOO_COMPLEX", text, pairs, MAX_COMPARISONS)


def _comparisons(document: DocumentNode) -> int:
    """How many pairs validation may have to compare; counts on only until there are too many.

    Two fields can meet only where the fields around them have one name too, so they are counted
    by that name and their own.
    """
    fields: dict[str, Counter[str]] = defaultdict(Counter)
    spreads: dict[str, set[str]] = defaultdict(set)
    for definition in document.definitions:
        match definition:
            case OperationDefinitionNode():
                _count(definition.selection_set, "", fields, spreads)
            case FragmentDefinitionNode():
                root = "..." + definition.name.value
                _count(definition.selection_set, root, fields, spreads)
    pairs = 0
    for place in list(fields | spreads):
        if place.startswith("..."):
            continue
        reached = _reached(place, spreads)
        total = Counter(fields[place])
        for fragment in reached:
            total.update(fields[fragment])
        pairs += sum(n * (n - 1) // 2 for n in (len(reached), *total.values()))
        if pairs > MAX_COMPARISONS:
            break
    return pairs


def _count(
    selection_set: SelectionSetNode,
    place: str,
    fields: dict[str, Counter[str]],
    spreads: dict[str, set[str]],
) -> None:
    stack = [(selection_set, place)]
    while stack:
        selections, around = stack.pop()
        for selection in selections.selections:
            match selection:
                case FragmentSpreadNode():
                    spreads[around].add("..." + selection.name.value)
                case InlineFragmentNode():
                    stack.append((selection.selection_set, around))
                case FieldNode():
                    name = (selection.alias or selection.name).value
                    fields[around][name] += 1
                    if selection.selection_set:
                        stack.append((selection.selection_set, name))


def _reached(place: str, spreads: Mapping[str, set[str]]) -> set[str]:
    """The fragments whose outermost fields stand at the place."""
    reached: set[str] = set()
    stack = [place]
    while stack:
        new = spreads.get(stack.pop(), set()) - reached
        reached |= new
        stack.extend(new)
    return reached
