"""Documents that were read: parsed, measured, validated and priced once for all who send them."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from billing_gql.graph.bodies import HttpProblem
from billing_gql.graph.cost import INTROSPECTION_COST, Cost, Costs
from billing_gql.graph.limits import Limits, Size, oversize, sizes, too_much, unbearable
from billing_gql.observe.tracing import span

MAX_ERRORS = 10
"""Of one document. Some take long to word: they quote what they are about."""
MAX_REMEMBERED = 512
MAX_CHARACTERS = 1_000_000
"""Of all documents that are remembered."""
MAX_LENGTH = 200_000
"""Characters of a document: a text in it is read one by one, which takes half a second for 1 MB."""
MAX_MESSAGE = 500
"""Characters of an error: some quote all of the value that is wrong."""
MAX_TEXT = 50_000
"""Of one that is remembered: what is longer is read anew each time."""

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"


@dataclass(slots=True)
class Operation:
    """One of a document."""

    node: OperationDefinitionNode
    size: Size
    costs: Costs

    @property
    def name(self) -> str | None:
        """As it is written; None for one without."""
        return None if self.node.name is None else self.node.name.value


@dataclass(slots=True)
class Document:
    """What is known of a text. With errors it must not be executed."""

    node: DocumentNode | None = None
    errors: list[GraphQLError] = field(default_factory=list)
    valid: bool = False
    operations: list[Operation] = field(default_factory=list)

    def operation(self, name: str | None) -> Operation:
        """The one to run; raises HttpProblem where it is not clear which."""
        if name:
            for one in self.operations:
                if one.name == name:
                    return one
            raise HttpProblem(400, "BAD_REQUEST", f'Unknown operation named "{name}".')
        if len(self.operations) > 1:
            message = "The document has several operations: say which by operationName."
            raise HttpProblem(400, "BAD_REQUEST", message)
        if not self.operations:
            raise HttpProblem(400, "BAD_REQUEST", "The document has no operation.")
        return self.operations[0]


@dataclass(frozen=True, slots=True)
class Held:
    """Whether an operation may run, and what it costs; no cost where its document is not valid."""

    errors: list[GraphQLError]
    cost: int | None


class Documents:
    """Reads texts against one schema and its limits; remembers a bounded number of them."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> None:
        self.schema = schema
        self.limits = limits
        self.introspection = introspection
        self.rules = (
            *specified_rules,
            MaybeNullValidationRule,
            OneOfInputValidationRule,
            *(() if introspection else (NoSchemaIntrospectionCustomRule,)),
        )
        self._remembered: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def read(self, text: str) -> Document:
        """The document of a text, with what is wrong with it."""
        found = self._remembered.get(text)
        if found is not None:
            self._remembered.move_to_end(text)
            return found
        with span("read document"):
            document = self._read(text)
        self._remember(text, document)
        return document

    def admit(
        self, document: Document, operation: Operation, variables: Mapping[str, object]
    ) -> Held:
        """Holds an operation with its variables against the limits."""
        if not document.valid:
            return Held(document.errors, None)
        cost = operation.costs.of(variables)
        errors = list(oversize(operation.node, operation.size, self.limits))
        errors += _too_dear(cost, self.limits)
        return Held(errors, cost.once)

    def never_runs(self, document: Document) -> list[GraphQLError]:
        """What stops a document's operations whatever their variables: nothing, if each can run."""
        if not document.valid:
            return document.errors
        errors: list[GraphQLError] = []
        for one in document.operations:
            declared = [name.variable.name.value for name in one.node.variable_definitions or ()]
            # The least it can cost: pages of a variable's size as good as empty, and what
            # variables include or skip left out.
            tried = [one.costs.of(dict.fromkeys(declared, value)) for value in (False, True)]
            errors += oversize(one.node, one.size, self.limits)
            errors += _too_dear(min(tried, key=lambda cost: cost.once), self.limits)
        return errors

    def _remember(self, text: str, document: Document) -> None:
        if len(text) > MAX_TEXT:
            return
        self._remembered[text] = document
        self._characters += len(text)
        while self._characters > MAX_CHARACTERS or len(self._remembered) > MAX_REMEMBERED:
            oldest, _ = self._remembered.popitem(last=False)
            self._characters -= len(oldest)

    def _read(self, text: str) -> Document:
        """Each step is refused before the next one, which takes longer."""
        if len(text) > MAX_LENGTH:
            what = (
                "The document has {} characters; at most {} are allowed. Send values as variables."
            )
            return Document(errors=[too_much("DOCUMENT_TOO_LARGE", what, len(text), MAX_LENGTH)])
        try:
            node = parse(
                text, max_lexical_tokens=self.limits.tokens, max_comments=self.limits.tokens
            )
        except GraphQLSyntaxError as error:
            return Document(errors=[_syntax_error(error, self.limits.tokens)])
        document = Document(node)
        measured = sizes(node)
        for operation, size in measured:
            costs = Costs(self.schema, node, operation)
            document.operations.append(Operation(operation, size, costs))
        document.errors = list(unbearable(node, [size for _, size in measured]))
        if not document.errors:
            document.errors = self._validate(node)
            document.valid = not document.errors
        return document

    def _validate(self, node: DocumentNode) -> list[GraphQLError]:
        errors = validate(
            self.schema,
            node,
            self.rules,
            max_errors=MAX_ERRORS,
            hide_suggestions=not self.introspection,
        )
        return [_validation_error(error) for error in errors]


def _syntax_error(error: GraphQLSyntaxError, tokens: int) -> GraphQLError:
    if "Document contains more than" in error.message:
        return GraphQLError(
            f"The document has more than {tokens:,} tokens, or comments, which are the most"
            " that are allowed.",
            extensions={"code": "TOO_MANY_TOKENS", "limit": tokens},
        )
    error.extensions = {"code": "BAD_REQUEST", "reason": PARSE_FAILED}
    return error


def _validation_error(error: GraphQLError) -> GraphQLError:
    """As the caller sees it, unless it is a fault: that is masked by `problems.shown_error`."""
    if error.original_error is not None and not isinstance(error.original_error, ValueError):
        return error
    message = error.message
    if len(message) > MAX_MESSAGE:
        message = message[:MAX_MESSAGE] + " …"
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        extensions={"code": "BAD_REQUEST", "reason": VALIDATION_FAILED},
    )


def _too_dear(cost: Cost, limits: Limits) -> list[GraphQLError]:
    errors = []
    if cost.once > limits.cost:
        text = (
            "The operation costs {}; at most {} are allowed. Ask for smaller pages, or for less"
            " in each row."
        )
        errors.append(too_much("QUERY_TOO_COMPLEX", text, cost.once, limits.cost))
    if cost.introspection > INTROSPECTION_COST:
        text = "The introspection costs {}; at most {} are allowed."
        errors.append(too_much("QUERY_TOO_COMPLEX", text, cost.introspection, INTROSPECTION_COST))
    return errors
