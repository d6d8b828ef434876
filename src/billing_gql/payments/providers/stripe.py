"""Stripe: PaymentIntents that are confirmed off session, and their refunds.

Money is taken once an attempt because Stripe answers the same idempotency key, the payment's id,
with the same PaymentIntent. Stripe forgets a key after 24 hours of real time, whatever the
organization's clock says; what may be older, or was asked before without an end, is looked for
among the customer's PaymentIntents first.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog
from pydantic import SecretStr
from stripe import (
    CardError,
    HTTPXClient,
    InvalidRequestError,
    StripeClient,
    StripeError,
)

from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.clock import Clock, WallClock
from billing_gql.kernel.ids import made_at
from billing_gql.kernel.problems import AmountOutOfRange, InvalidInput, ProviderUnavailable
from billing_gql.payments.providers.provider import Charge, Outcome, Refund
from billing_gql.payments.providers.stripe_amount import stripe_amount
from billing_gql.payments.providers.stripe_objects import Failed, Intent, Returned, read

log = structlog.get_logger()

REQUEST_SECONDS = 10.0
"""How long one request may take: within what `payments.settle` waits for all of an attempt."""
NETWORK_RETRIES = 1
"""By the library, half a second later with the same key. More is the billing run's to do."""
KEYS_LIVE = timedelta(hours=23)
"""An hour less than Stripe keeps them, for clocks that differ."""
CLOCKS_DIFFER = timedelta(hours=1)
MOST_LOOKED_AT = 1_000
"""A customer with more PaymentIntents since the attempt was made is not charged unseen."""
LEFT_OPEN = ("requires_action", "requires_confirmation", "requires_payment_method")
UNATTENDED = "The bank wants the customer to confirm the payment, and nobody is there to do so."

CANCELLED = "The payment was cancelled at Stripe."


class StripeNotConfigured(Exception):
    """There is no key for organizations of this kind; nothing was asked."""


class StripeDiffers(Exception):
    """What Stripe has under our key is not what we asked for."""


class Stripe:
    """The accounts of one installation: one for LIVE organizations, one for TEST ones."""

    def __init__(
        self,
        *,
        live_key: SecretStr | None,
        test_key: SecretStr | None,
        api_base: str,
        request_seconds: float = REQUEST_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._http = HTTPXClient(timeout=request_seconds)
        self._request_seconds = request_seconds
        self._clock = clock or WallClock()
        self._clients: Mapping[bool, StripeClient] = {
            is_test: StripeClient(
                key.get_secret_value(),
                base_addresses={"api": api_base},
                http_client=self._http,
                max_network_retries=NETWORK_RETRIES,
            )
            for is_test, key in ((False, live_key), (True, test_key))
            if key is not None
        }

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call] # the library's own gap

    async def check_method(self, token: str, *, is_test: bool) -> str:
        """The Stripe customer that the PaymentMethod is attached to: a charge needs it."""
        kind = "TEST" if is_test else "LIVE"
        client = self._clients.get(is_test)
        if client is None:
            raise InvalidInput(
                f"STRIPE is not set up for {kind} organizations: the service has no key for them.",
                ("provider",),
            )
        # Not repeated: who mistakes something for a token may have sent a key.
        if not (token.startswith("pm_") and token.isascii() and token.isidentifier()):
            raise InvalidInput(
                "A token of STRIPE is the id of a PaymentMethod, like pm_1Abc.", ("token",)
            )
        try:
            async with asyncio.timeout(self._request_seconds):
                method = await client.v1.payment_methods.retrieve_async(token)
        except InvalidRequestError:
            raise InvalidInput(
                f"Stripe has no PaymentMethod {token!r} in the account for {kind} organizations.",
                ("token",),
            ) from None
        except (StripeError, TimeoutError) as failure:
            raise _unavailable(failure, asked="payment method") from None
        if not isinstance(method.customer, str):
            raise InvalidInput(
                f"{token!r} is not attached to a Stripe customer, so it cannot be charged later.",
                ("token",),
            )
        return method.customer

    async def charge(self, charge: Charge) -> Outcome:
        """Takes the money off session, or tells how the attempt with this key stands."""
        try:
            amount = stripe_amount(charge.currency, charge.amount)
        except AmountOutOfRange as problem:
            return Outcome(PaymentState.FAILED, reason=problem.message)
        client = self._client(charge.is_test)
        intent: Intent | None = None
        if charge.reference is not None:
            intent = await _retrieve(client, charge.reference)
        elif charge.checks > 0 or self._clock.now() - made_at(charge.key) > KEYS_LIVE:
            intent = await _find(client, charge)
        if intent is None:
            try:
                intent, is_old = await _create(client, charge, amount)
            except (CardError, InvalidRequestError) as refusal:
                left = read(Failed, refusal.json_body).error.payment_intent
                if left is None:
                    return Outcome(PaymentState.FAILED, reason=refusal.user_message)
                intent, is_old = left, False  # it is looked at again when it is cancelled
            if is_old:
                intent = await _retrieve(client, intent.id)
        if (intent.amount, intent.currency) != (amount, charge.currency.lower()):
            raise StripeDiffers(intent.id)
        return await self.outcome_of(intent, is_test=charge.is_test)

    async def outcome_of(self, intent: Intent, *, is_test: bool) -> Outcome:
        """How the attempt stands by its PaymentIntent.

        One that waits for somebody is cancelled first: it must not succeed later, unnoticed. If it
        has succeeded meanwhile, it has. Raises what the library raises.
        """
        ended = intent
        if intent.status in LEFT_OPEN:
            ended = await _cancel(self._client(is_test), intent.id)
        match ended.status:
            case "succeeded":
                return Outcome(PaymentState.SUCCEEDED, intent.id)
            case "canceled":
                error = intent.last_payment_error
                reason = UNATTENDED if intent.status == "requires_action" else CANCELLED
                if error is not None and error.message:
                    reason = error.message
                return Outcome(PaymentState.FAILED, intent.id, reason)
        return Outcome(PaymentState.PROCESSING, intent.id)

    async def refund(self, refund: Refund) -> Outcome:
        """Gives money of a payment back, or tells how the refund with this key stands.

        A payment has few refunds, so that they are always looked through first: the idempotency
        key is for two that ask at once.
        """
        try:
            amount = stripe_amount(refund.currency, refund.amount)
        except AmountOutOfRange as problem:
            return Outcome(PaymentState.FAILED, reason=problem.message)
        client = self._client(refund.is_test)
        if refund.reference is not None:
            found = await client.v1.refunds.retrieve_async(refund.reference)
            return refund_outcome(read(Returned, found))
        returned = await _find_refund(client, refund)
        if returned is None:
            try:
                made = await client.v1.refunds.create_async(
                    {
                        "payment_intent": refund.payment_reference,
                        "amount": amount,
                        "metadata": {"refund": refund.key},
                    },
                    {"idempotency_key": refund.key},
                )
            except (CardError, InvalidRequestError) as refusal:
                return Outcome(PaymentState.FAILED, reason=refusal.user_message)
            # Of a key that was used before, this is how it stood then.
            returned = read(Returned, await client.v1.refunds.retrieve_async(made.id))
        if (returned.amount, returned.currency) != (amount, refund.currency.lower()):
            raise StripeDiffers(returned.id)
        return refund_outcome(returned)

    def _client(self, is_test: bool) -> StripeClient:
        if is_test not in self._clients:
            raise StripeNotConfigured
        return self._clients[is_test]


def refund_outcome(returned: Returned) -> Outcome:
    """How a refund stands; one that waits for the customer is under way."""
    match returned.status:
        case "succeeded":
            return Outcome(PaymentState.SUCCEEDED, returned.id)
        case "failed" | "canceled":
            why = returned.failure_reason or returned.status
            return Outcome(PaymentState.FAILED, returned.id, f"Stripe says: {why}.")
    return Outcome(PaymentState.PROCESSING, returned.id)


async def _create(client: StripeClient, charge: Charge, amount: int) -> tuple[Intent, bool]:
    """The PaymentIntent, and whether that is how it stood when the key was first used.

    What is sent follows from the payment alone, since Stripe refuses a key with other values.
    """
    if charge.customer is None:
        raise AssertionError("the table holds a STRIPE payment only with its customer")
    shown = charge.invoice_number or charge.invoice_id
    made = await client.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": charge.currency.lower(),
            "customer": charge.customer,
            "payment_method": charge.token,
            "confirm": True,
            "off_session": True,
            # What sends the customer to a page of the bank's cannot be done off session.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "description": f"Invoice {shown}",
            "metadata": {
                "payment": charge.key,
                "organization": charge.organization_id,
                "invoice": charge.invoice_id,
                "invoice_number": shown,
            },
        },
        {"idempotency_key": charge.key},
    )
    answer = made.last_response
    is_old = answer is not None and answer.headers.get("idempotent-replayed") == "true"
    return read(Intent, made), is_old


async def _retrieve(client: StripeClient, reference: str) -> Intent:
    return read(Intent, await client.v1.payment_intents.retrieve_async(reference))


async def _cancel(client: StripeClient, reference: str) -> Intent:
    """The cancelled PaymentIntent, or as it ended otherwise just before."""
    try:
        return read(Intent, await client.v1.payment_intents.cancel_async(reference))
    except InvalidRequestError:
        ended = await _retrieve(client, reference)
        if ended.status in LEFT_OPEN:
            raise
        return ended


async def _find(client: StripeClient, charge: Charge) -> Intent | None:
    """The attempt's PaymentIntent among its customer's, by a list, which is never behind."""
    if charge.customer is None:
        raise AssertionError("the table holds a STRIPE payment only with its customer")
    since = made_at(charge.key) - CLOCKS_DIFFER
    page = await client.v1.payment_intents.list_async(
        {
            "customer": charge.customer,
            "created": {"gte": int(since.timestamp())},
            "limit": 100,
        }
    )
    seen = 0
    async for one in page.auto_paging_iter():
        intent = read(Intent, one)
        if intent.metadata.get("payment") == charge.key:
            return intent
        seen += 1
        if seen == MOST_LOOKED_AT:
            raise StripeDiffers(f"more than {MOST_LOOKED_AT} PaymentIntents to look through")
    return None


async def _find_refund(client: StripeClient, refund: Refund) -> Returned | None:
    page = await client.v1.refunds.list_async(
        {"payment_intent": refund.payment_reference, "limit": 100}
    )
    seen = 0
    async for one in page.auto_paging_iter():
        returned = read(Returned, one)
        if (returned.metadata or {}).get("refund") == refund.key:
            return returned
        seen += 1
        if seen == MOST_LOOKED_AT:
            raise StripeDiffers(f"more than {MOST_LOOKED_AT} refunds to look through")
    return None


def _unavailable(failure: Exception, *, asked: str) -> ProviderUnavailable:
    """What is told without the failure's words, which may show a part of the key."""
    log.warning("stripe did not answer", asked=asked, error=type(failure).__name__)
    return ProviderUnavailable("Stripe could not be asked; nothing was changed. Try again later.")
