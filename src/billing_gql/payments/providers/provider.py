"""What every provider is asked and answers."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from billing_gql.invoices.states import PaymentState


@dataclass(frozen=True, slots=True)
class Charge:
    """An attempt to take money. The same key always asks for the same charge, never another."""

    key: str
    """The payment's id."""
    token: str
    customer: str | None
    """The provider's own reference of the customer, where it has one."""
    currency: str
    amount: Decimal
    """In whole currency units, with exactly the currency's decimals."""
    is_test: bool
    """Of a TEST organization: no real money may move."""
    organization_id: str
    invoice_id: str
    invoice_number: str | None
    tried_before: int
    """How many attempts with this token the invoice had before."""
    reference: str | None
    """The provider's own of this attempt, once it has answered."""
    checks: int
    """How often it has not answered, or not with an end. A process that was killed while it asked
    is not counted."""
    started_at: datetime
    asked_at: datetime
    """The organization's present: later than `started_at` where this is asked again."""


@dataclass(frozen=True, slots=True)
class Refund:
    """An attempt to give back some of a payment. The same key always asks for the same refund."""

    key: str
    """Our refund's id, and after it the attempt where it is not the first."""
    payment_reference: str
    """The provider's own of the payment."""
    reference: str | None
    """The provider's own of this attempt, once it has told it."""
    currency: str
    amount: Decimal
    """In whole currency units, with exactly the currency's decimals."""
    is_test: bool
    started_at: datetime
    asked_at: datetime
    """The organization's present: later than `started_at` where this is asked again."""
    token: str = ""
    """What the payment was made with."""
    tried_before: int = 0
    """How many attempts of this refund failed before."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the attempt stands: PROCESSING, SUCCEEDED, or FAILED with a reason for people."""

    state: PaymentState
    reference: str | None = None
    """The provider's own, unique there."""
    reason: str | None = None


class Provider(Protocol):
    """Takes money by a payment method, and gives it back."""

    async def check_method(self, token: str, *, is_test: bool) -> str | None:
        """Whether the method can be charged for an organization of that kind.

        Answers with the provider's own reference of the customer, where it charges with one alone.
        Raises InvalidInput at `provider` or `token`, or ProviderUnavailable.
        """
        ...

    async def charge(self, charge: Charge) -> Outcome:
        """Starts the charge, or tells how the one with this key stands.

        Whatever is raised, or no answer in time, leaves it unknown whether money was taken: the
        attempt stays under way, and the same is asked again later.
        """
        ...

    async def refund(self, refund: Refund) -> Outcome:
        """Starts the refund, or tells how the one with this key stands.

        What is raised, or no answer in time, leaves it unknown as for a charge.
        """
        ...
