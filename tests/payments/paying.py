"""What tests of payments say, in few words."""

from decimal import Decimal

from sqlmodel import col, select

from billing_gql.customers.tables import PaymentProvider
from billing_gql.ledger.postings import AccountKind
from billing_gql.ledger.tables import Account
from billing_gql.payments.providers import Providers
from billing_gql.payments.providers.provider import Charge, Outcome, Refund
from billing_gql.payments.providers.sandbox import Sandbox
from tests.support import Api, Json

PAYMENT = """id provider state currency amount reference failureReason receivedAt createdAt"""
PAID = f"""id number status paymentStatus amountDue amountPaid amountRemaining availableActions
  paidAt payments {{ {PAYMENT} }}"""
BOTH = f"payment {{ {PAYMENT} }} invoice {{ {PAID} }}"


async def read(api: Api, invoice: Json) -> Json:
    """The invoice with its payments."""
    data = await api.query(
        f"query ($id: ID!) {{ invoice(id: $id) {{ {PAID} }} }}", {"id": invoice["id"]}
    )
    found: Json = data["invoice"]
    return found


async def set_method(api: Api, customer: Json, token: str | None) -> Json:
    """Sets a method of the sandbox; the customer as it is then."""
    payload = await api.done(
        "customerPaymentMethodSet",
        "customer { id paymentMethod { provider token } }",
        customerId=customer["id"],
        provider="SANDBOX",
        token=token,
    )
    found: Json = payload["customer"]
    return found


async def record(api: Api, invoice: Json, **values: object) -> Json:
    """The payload of a payment by hand."""
    return await api.done("paymentRecord", BOTH, invoiceId=invoice["id"], **values)


async def balance(api: Api) -> Decimal:
    """What all balances of the organization's customers sum to."""
    async with api.database.snapshot() as session:
        rows = await session.exec(
            select(col(Account.balance)).where(
                Account.organization_id == api.organization_id,
                Account.kind == AccountKind.BALANCE,
            )
        )
        return sum(rows.all(), Decimal(0))


def states(invoice: Json) -> list[str]:
    """How the invoice's payments stand, oldest first."""
    return [one["state"] for one in invoice["payments"]]


class Forgetful(Sandbox):
    """A provider that does as the sandbox does, but whose first answers are lost on the way.

    It remembers the keys that it was asked with: money is taken once a key.
    """

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.asked: list[str] = []

    async def charge(self, charge: Charge) -> Outcome:
        """What the sandbox says, or a timeout after the money was taken."""
        return self._told(charge.key, await Sandbox().charge(charge))

    async def refund(self, refund: Refund) -> Outcome:
        """The same of a refund."""
        return self._told(refund.key, await Sandbox().refund(refund))

    def _told(self, key: str, outcome: Outcome) -> Outcome:
        self.asked.append(key)
        if len(self.asked) <= self.lost:
            raise TimeoutError("sk_live_this_must_not_be_logged")
        return outcome

    @property
    def providers(self) -> Providers:
        """The registry with this one in the sandbox's place."""
        return {PaymentProvider.SANDBOX: self}


class Killed(BaseException):
    """Ends a run as a kill does: nothing after it is done."""


class Deadly(Forgetful):
    """Moves the money, and the process that asked is gone before it hears of it."""

    def _told(self, key: str, outcome: Outcome) -> Outcome:
        """Raises what no code of ours catches, as often as an answer is lost."""
        try:
            return super()._told(key, outcome)
        except TimeoutError:
            raise Killed from None
