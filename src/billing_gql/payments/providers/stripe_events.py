"""Events that Stripe sends, once their signature is known to be right."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr
from stripe import SignatureVerificationError, Webhook, WebhookSignature

from billing_gql.payments.providers.stripe_objects import Event, read_json

TOLERANCE_SECONDS = Webhook.DEFAULT_TOLERANCE
"""An event that was signed longer ago is refused: somebody may have kept it. Stripe signs anew
whenever it sends again."""


class BadSignature(Exception):
    """Signed by none of the secrets, or too long ago; the message says which."""


@dataclass(frozen=True, slots=True)
class Signed:
    """An event, and which of the accounts it is from."""

    event: Event
    is_test: bool


def read_event(body: bytes, signature: str | None, secrets: Mapping[bool, SecretStr]) -> Signed:
    """The event of a body; the secret that signed it says whether it is of the TEST account.

    Raises BadSignature, or msgspec.DecodeError for a body that is signed but no event.
    """
    if signature is not None and not signature.isascii():
        raise BadSignature("The Stripe-Signature header is not ASCII.")
    for is_test, secret in secrets.items():
        try:
            WebhookSignature.verify_header(
                body, signature, secret.get_secret_value(), TOLERANCE_SECONDS
            )
        except SignatureVerificationError as error:
            if "tolerance" in (error.user_message or ""):
                raise BadSignature("The signature is too old.") from None
        except UnicodeDecodeError:
            raise BadSignature("The body is not UTF-8.") from None
        else:
            return Signed(read_json(Event, body), is_test)
    raise BadSignature("The Stripe-Signature header does not fit the body.")
