"""The whole catalogue of failures that a caller can put right.

A verb raises one of these; `graph/problems.py` alone turns it into a userError of a mutation or a
BAD_USER_INPUT error of a query, and `graph/events.py` into an item of an ingest answer. Whatever
else is raised is a fault of ours: masked and logged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Self


class Problem(Exception):
    """A failure with a message for the caller and a path into what the caller sent."""

    code: ClassVar[str]

    def __init__(self, message: str, field: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.field = tuple(str(step) for step in field)

    def under(self, *prefix: str | int) -> Self:
        """The same problem, its path moved below `prefix`."""
        self.field = (*(str(step) for step in prefix), *self.field)
        return self


class InvalidInput(Problem):
    """A value that can never be right."""

    code = "INVALID_INPUT"


class NotFound(Problem):
    """No such thing in this organization; another organization's looks the same."""

    code = "NOT_FOUND"

    @classmethod
    def of(cls, kind: str, value: str, *field: str | int) -> Self:
        return cls(f"There is no {kind} {value!r}.", field)


class AlreadyExists(Problem):
    """The identifier is taken."""

    code = "ALREADY_EXISTS"


class InvalidState(Problem):
    """Right in itself, but not now."""

    code = "INVALID_STATE"


class InvoiceStateProblem(InvalidState):
    """The invoice's state does not allow the action; carries what it does allow."""

    def __init__(
        self,
        message: str,
        field: Sequence[str | int] = (),
        *,
        status: str,
        payment_status: str,
        available_actions: Sequence[str],
    ) -> None:
        super().__init__(message, field)
        self.status = status
        self.payment_status = payment_status
        self.available_actions = tuple(available_actions)


class PaymentDeclined(Problem):
    """The provider refused the payment. The attempt is stored: shown beside it, never raised."""

    code = "PAYMENT_DECLINED"


class ProviderUnavailable(Problem):
    """The provider of payments could not be asked. Nothing was changed: the same may work later."""

    code = "PROVIDER_UNAVAILABLE"


class CurrencyMismatch(Problem):
    """An amount in another currency than its owner's."""

    code = "CURRENCY_MISMATCH"


class AmountOutOfRange(Problem):
    """An amount, price or quantity that is too large, too precise or of the wrong sign."""

    code = "AMOUNT_OUT_OF_RANGE"


class TooManyItems(Problem):
    """More of something than a limit allows."""

    code = "TOO_MANY_ITEMS"


class IdempotencyMismatch(Problem):
    """The idempotency key was used for another input."""

    code = "IDEMPOTENCY_MISMATCH"


@contextmanager
def problems_under(*prefix: str | int) -> Iterator[None]:
    """Moves the path of a problem that is raised meanwhile below `prefix`."""
    try:
        yield
    except Problem as problem:
        raise problem.under(*prefix) from None
