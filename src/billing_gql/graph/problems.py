"""The only place where a failure becomes an answer.

In a mutation a Problem becomes a userError; in a query it becomes a top-level error with the code
BAD_USER_INPUT. Anything else is a fault: masked, logged with a reference, and INTERNAL.
"""

from enum import StrEnum
from uuid import uuid4

import strawberry
import structlog
from graphql import GraphQLError

from billing_gql.graph.scalars import BadScalar
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus, PaymentStatus
from billing_gql.kernel.problems import (
    AlreadyExists,
    IdempotencyMismatch,
    InvoiceStateProblem,
    NotFound,
    Problem,
)
from billing_gql.observe.scope import note_error, note_user_error
from billing_gql.store.database import StatementTimeout

log = structlog.get_logger()


@strawberry.enum(description="What kind of failure a userError is.")
class UserErrorCode(StrEnum):
    """The codes of the catalogue in `kernel.problems`."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    INVALID_STATE = "INVALID_STATE"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    AMOUNT_OUT_OF_RANGE = "AMOUNT_OUT_OF_RANGE"
    TOO_MANY_ITEMS = "TOO_MANY_ITEMS"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"


@strawberry.interface(
    description="A failure that the caller can put right. Concrete types add what helps to do so."
)
class UserError:
    """Every failure of a mutation that is the caller's to mend."""

    code: UserErrorCode
    message: str
    field: list[str] | None = strawberry.field(
        description=('Path into the input, outermost first, e.g. ["events", "17", "timestamp"].')
    )


@strawberry.federation.type(
    shareable=True, description="A value that cannot be right, or cannot be right now."
)
class InvalidInputError(UserError):
    """The catalogue's general case."""


@strawberry.federation.type(shareable=True, description="No such thing in this organization.")
class NotFoundError(UserError):
    """Another organization's looks the same."""


@strawberry.federation.type(shareable=True, description="The identifier is taken.")
class AlreadyExistsError(UserError):
    """Of a customer, feature, plan, subscription or event."""


@strawberry.type(
    description="The invoice's state does not allow the action; says what it does allow."
)
class InvoiceStateError(UserError):
    """A verb met a state that the table refuses."""

    status: strawberry.enum(InvoiceStatus)  # type: ignore[valid-type] # registers the enum here, where the schema first meets it
    payment_status: strawberry.enum(PaymentStatus)  # type: ignore[valid-type] # the same
    available_actions: list[strawberry.enum(InvoiceAction)]  # type: ignore[valid-type] # the same


@strawberry.federation.type(
    shareable=True, description="The idempotency key was used before, with another input."
)
class IdempotencyMismatchError(UserError):
    """A key stands for one input."""


ERROR_TYPES = [
    InvalidInputError,
    NotFoundError,
    AlreadyExistsError,
    InvoiceStateError,
    IdempotencyMismatchError,
]


def user_error(problem: Problem) -> UserError:
    """The userError of a problem."""
    code = UserErrorCode(problem.code)
    note_user_error(code)
    field = list(problem.field) or None
    match problem:
        case InvoiceStateProblem():
            return InvoiceStateError(
                code=code,
                message=problem.message,
                field=field,
                status=InvoiceStatus(problem.status),
                payment_status=PaymentStatus(problem.payment_status),
                available_actions=[InvoiceAction(one) for one in problem.available_actions],
            )
        case NotFound():
            kind: type[UserError] = NotFoundError
        case AlreadyExists():
            kind = AlreadyExistsError
        case IdempotencyMismatch():
            kind = IdempotencyMismatchError
        case _:
            kind = InvalidInputError
    return kind(code=code, message=problem.message, field=field)


def shown_error(error: GraphQLError) -> GraphQLError:
    """A top-level error as the caller may see it."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, Problem):
        return _like(
            error,
            cause.message,
            {"code": "BAD_USER_INPUT", "argument": list(cause.field), "problem": cause.code},
        )
    if isinstance(cause, StatementTimeout):
        return _like(error, str(cause), {"code": "STATEMENT_TIMEOUT"})
    if cause is None or isinstance(cause, GraphQLError | BadScalar):
        return _like(error, error.message, {"code": "BAD_REQUEST", **(error.extensions or {})})
    reference = uuid4().hex[:12]
    log.error("fault", reference=reference, path=error.path, exc_info=cause)
    return _like(
        error,
        f"Something went wrong on our side. Reference: {reference}.",
        {"code": "INTERNAL", "reference": reference},
    )


def _like(error: GraphQLError, message: str, extensions: dict[str, object]) -> GraphQLError:
    note_error(str(extensions["code"]))
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
