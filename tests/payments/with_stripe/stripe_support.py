"""What tests with Stripe say, in few words."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from sqlalchemy import text
from stripe import StripeClient, WebhookSignature

from billing_gql.billing_runs.run import run_due
from billing_gql.payments.providers import Providers
from tests.payments.paying import read
from tests.support import Api, Json

LIVE_KEY = "sk_live_right"
TEST_KEY = "sk_test_right"
LIVE_SIGNING = "whsec_live"
TEST_SIGNING = "whsec_test"

GOOD = "4242424242424242"
DECLINED = "4000000000000341"
"""Can be saved; charging it is declined."""
CONFIRM = "4000002500003155"
"""The bank wants the customer to confirm each payment."""


@dataclass
class Fake:
    """The Stripe of the run."""

    http: httpx.AsyncClient
    accounts: dict[bool, StripeClient]

    async def trouble(self, kind: str, path: str = "/v1/payment_intents", times: int = 1) -> None:
        """The next `times` requests to the path go wrong."""
        told = {"kind": kind, "path": path, "times": times}
        assert (await self.http.post("/_config/fake/trouble", json=told)).is_success

    async def forget_keys(self) -> None:
        """A day has passed for idempotency keys."""
        assert (await self.http.post("/_config/fake/forget")).is_success

    async def requests(self, path: str = "") -> list[Json]:
        """What was asked since the test began, with this in its path."""
        found: list[Json] = (await self.http.get("/_config/fake/requests")).json()
        return [one for one in found if path in one["path"]]

    async def intents(self, api: Api) -> list[Json]:
        """The PaymentIntents that the organization has made."""
        asked = {"organization": api.organization_id}
        found: list[Json] = (await self.http.get("/_config/fake/intents", params=asked)).json()
        return found

    async def intent(self, api: Api) -> Json:
        """The only one."""
        (one,) = await self.intents(api)
        return one

    async def refunds(self, intent: Json) -> list[Json]:
        """The refunds of one."""
        asked = {"payment_intent": intent["id"]}
        found: list[Json] = (await self.http.get("/_config/fake/refunds", params=asked)).json()
        return found

    async def finish(self, intent: Json, status: str = "succeeded", *, tell: bool = False) -> Json:
        """The PaymentIntent ends at last; as it is then."""
        told = {"id": intent["id"], "status": status, "tell": tell}
        ended: Json = (await self.http.post("/_config/fake/finish", json=told)).json()
        return ended

    async def method(self, card: str = GOOD, *, is_test: bool = True, attached: bool = True) -> str:
        """A new payment method, of a new Stripe customer."""
        client = self.accounts[is_test]
        method = await client.v1.payment_methods.create_async(
            {
                "type": "card",
                "card": {"number": card, "exp_month": 12, "exp_year": 2050, "cvc": "123"},
            }
        )
        if attached:
            customer = await client.v1.customers.create_async({})
            await client.v1.payment_methods.attach_async(method.id, {"customer": customer.id})
        return method.id

    async def invoice(self, api: Api, card: str = GOOD, amount: str = "100", **of: object) -> Json:
        """A finalized invoice of a new customer with a saved card, not yet collected."""
        mode = (await api.query("{ organization { mode } }"))["organization"]["mode"]
        customer = await api.customer(**of)
        token = await self.method(card, is_test=mode == "TEST")
        await set_stripe(api, customer, token)
        return await api.one_off(customer, amount, finalize=True)


async def set_stripe(api: Api, customer: Json, token: str) -> None:
    """Sets a payment method of Stripe."""
    await api.done(
        "customerPaymentMethodSet",
        "customer { id }",
        customerId=customer["id"],
        provider="STRIPE",
        token=token,
    )


async def collected(api: Api, invoice: Json, providers: Providers) -> Json:
    """The invoice after a billing run."""
    await run_due(api.database, api.organization_id, providers)
    return await read(api, invoice)


async def asked_again(api: Api, invoice: Json, providers: Providers) -> Json:
    """The invoice after the run in which the attempt is due again; also of a LIVE organization."""
    statement = text(
        "UPDATE payments SET next_check_at = created_at"
        " WHERE organization_id = :organization AND state = 'PROCESSING'"
    )
    async with api.database.engine.begin() as connection:
        await connection.execute(statement, {"organization": api.organization_id})
    return await collected(api, invoice, providers)


def event(kind: str, thing: Json) -> Json:
    """An event about an object of Stripe's, as it is."""
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": thing}}


async def tell(
    api: Api,
    body: Json,
    signing: str = TEST_SIGNING,
    *,
    signed_at: float | None = None,
) -> httpx.Response:
    """Sends an event to our webhook, signed as Stripe does."""
    payload = json.dumps(body)
    signature = WebhookSignature.generate_signature_header(
        payload, signing, int(signed_at or time.time())
    )
    return await api.http.post(
        "/v1/stripe/webhook", content=payload, headers={"Stripe-Signature": signature}
    )


@dataclass
class Later:
    """A clock that is ahead of the machine's."""

    instant: datetime = datetime(2100, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant
