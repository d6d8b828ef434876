"""What is read of Stripe's objects: the few fields that every version of its API has."""

from typing import TypeVar

import msgspec
from stripe import StripeObject

T = TypeVar("T")


class PaymentError(msgspec.Struct, frozen=True):
    """Why a PaymentIntent's last charge failed."""

    message: str | None = None


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent."""

    id: str
    status: str
    amount: int
    """In Stripe's units."""
    currency: str
    """Lower case."""
    metadata: dict[str, str] = {}
    last_payment_error: PaymentError | None = None


class Returned(msgspec.Struct, frozen=True):
    """A refund."""

    id: str
    status: str | None
    amount: int
    currency: str
    payment_intent: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The inside of an error."""

    payment_intent: Intent | None = None


class Failed(msgspec.Struct, frozen=True):
    """An error's body."""

    error: Refusal = Refusal()


class EventData(msgspec.Struct, frozen=True):
    """What an event is about, as it was when the event was made."""

    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    """An event of a webhook."""

    id: str
    type: str
    data: EventData


def read(kind: type[T], stripe_object: StripeObject | object) -> T:
    """The object as the kind; raises msgspec.ValidationError where a field is not as expected."""
    if isinstance(stripe_object, StripeObject):
        stripe_object = stripe_object.to_dict()
    return msgspec.convert(stripe_object, kind)


def read_json(kind: type[T], body: bytes | msgspec.Raw) -> T:
    """The same of JSON; raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=kind)
