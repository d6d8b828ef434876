"""POST /v1/stripe/webhook: what Stripe tells by itself about payments and refunds.

An event that is well signed is answered with 200 even where nothing is to be done for it, so that
Stripe does not send it again for days; 503 asks for it again.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import structlog
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from billing_gql.graph.bodies import (
    HttpProblem,
    error_response,
    failure_response,
    json_response,
    read_body,
)
from billing_gql.kernel.problems import ProviderUnavailable
from billing_gql.store.database import Database

if TYPE_CHECKING:
    from billing_gql.payments.providers.stripe import Stripe
    from billing_gql.payments.providers.stripe_events import Signed

log = structlog.get_logger()

BODY_BYTES = 1_000_000
"""Far more than an event of a payment has."""
OF_PAYMENTS = (
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)
OF_REFUNDS = ("refund.updated", "refund.failed", "charge.refund.updated")


class StripeWebhook:
    """The endpoint; without a signing secret there is none."""

    def __init__(
        self, database: Database, stripe: "Stripe | None", secrets: Mapping[bool, SecretStr]
    ) -> None:
        self.database = database
        self.stripe = stripe
        self.secrets = secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive))
        except ProviderUnavailable as failure:
            response = error_response(HttpProblem(503, "PROVIDER_UNAVAILABLE", failure.message))
        except Exception as failure:
            response = failure_response(failure)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self.stripe is None or not self.secrets:
            raise HttpProblem(404, "NOT_FOUND", "Stripe's webhook is not set up here.")
        if request.method != "POST":
            response = error_response(HttpProblem(405, "METHOD_NOT_ALLOWED", "Use POST."))
            response.headers["Allow"] = "POST"
            return response
        # Imported where Stripe is used: its library takes a quarter of a second.
        from billing_gql.payments.providers.stripe_events import BadSignature, read_event

        body = await read_body(request, BODY_BYTES)
        try:
            signed = read_event(body, request.headers.get("stripe-signature"), self.secrets)
            await self._hear(self.stripe, signed)
        except BadSignature as failure:
            raise HttpProblem(400, "BAD_SIGNATURE", str(failure)) from None
        except msgspec.DecodeError:
            raise HttpProblem(400, "INVALID_INPUT", "The body is no event of Stripe's.") from None
        return json_response({"received": True})

    async def _hear(self, stripe: "Stripe", signed: "Signed") -> None:
        from billing_gql.payments.hear_stripe import hear_of_payment, hear_of_refund
        from billing_gql.payments.providers.stripe_objects import Intent, Returned, read_json

        kind, told = signed.event.type, signed.event.data.object
        if kind in OF_PAYMENTS:
            intent = read_json(Intent, told)
            await hear_of_payment(self.database, stripe, intent, is_test=signed.is_test)
        elif kind in OF_REFUNDS:
            returned = read_json(Returned, told)
            await hear_of_refund(self.database, returned, is_test=signed.is_test)
        else:
            log.info("stripe told of what is not followed", type=kind, id=signed.event.id)
