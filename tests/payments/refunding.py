"""What tests of refunds say, in few words."""

from decimal import Decimal

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.run import run_due
from billing_gql.invoices.credit import LineCredit, credit_invoice
from billing_gql.invoices.credit_notes import CreditNoteReason, CreditNoteSettlement
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.actor import Actor
from billing_gql.payments.providers import SANDBOX_ONLY
from billing_gql.payments.providers.provider import Outcome
from billing_gql.payments.refund import record_refund, refund_credit_note
from billing_gql.payments.settle import record_outcome
from billing_gql.payments.tables import Payment
from tests.payments.paying import set_method
from tests.support import Api, Json
from tests.verbs import done

REFUND = """id provider state currency amount reference failureReason refundedAt createdAt
  payment { id state amountRefunded } creditNote { id }"""
NOTE = f"creditNote {{ id total refunds {{ {REFUND} }} }}"
READ = f"""query ($id: ID!) {{ invoice(id: $id) {{ status paymentStatus amountPaid
  payments {{ id provider state amount amountRefunded }}
  creditNotes {{ id total refunds {{ {REFUND} }} }} }} }}"""


def note(invoice: Json, amount: str) -> Json:
    """An input that refunds so much of the invoice's first line."""
    lines = [{"lineItemId": invoice["lineItems"][0]["id"], "amount": amount}]
    settled = {"reason": "OTHER", "settlement": "REFUND"}
    return {"invoiceId": invoice["id"], **settled, "lineItems": lines}


async def refund(api: Api, invoice: Json, amount: str) -> list[Json]:
    """The refunds of a new note of so much."""
    payload = await api.done("creditNoteCreate", NOTE, **note(invoice, amount))
    assert payload["creditNote"]["total"] == f"{Decimal(amount):.2f}"
    found: list[Json] = payload["creditNote"]["refunds"]
    return found


async def read(api: Api, invoice: Json) -> Json:
    """The invoice with its payments and refunds."""
    found: Json = (await api.query(READ, {"id": invoice["id"]}))["invoice"]
    return found


async def refunds(api: Api, invoice: Json) -> list[tuple[str, str, str]]:
    """Provider, state and amount of each refund of the invoice, in order."""
    notes = (await read(api, invoice))["creditNotes"]
    return [
        (one["provider"], one["state"], one["amount"]) for each in notes for one in each["refunds"]
    ]


async def paid(api: Api, method: str = "pm_ok", external_id: str = "acme") -> Json:
    """An invoice that a new customer's method has paid, by the second day."""
    customer = await api.customer(external_id)
    await set_method(api, customer, method)
    invoice = await api.one_off(customer, "100", finalize=True)
    await api.advance("2026-01-02T00:00:00Z")
    if method == "pm_recovers":
        await api.done("invoiceRetryPayment", "payment { id }", invoiceId=invoice["id"])
    await run_due(api.database, api.organization_id, SANDBOX_ONLY)
    (*_, payment) = (await read(api, invoice))["payments"]
    assert payment["state"] == "SUCCEEDED"
    return invoice


async def failed_refunds(api: Api, customer: Json, many: int) -> list[str]:
    """The ids of refunds that failed once, and go back when they are tried again.

    The customer's method pays afterwards.
    """
    await set_method(api, customer, "pm_recovers")
    invoice = await api.one_off(customer, "40", finalize=True)
    for _ in range(2):
        await api.mutate("invoiceRetryPayment", "payment { id }", invoiceId=invoice["id"])
    made = [one for _ in range(many) for one in await refund(api, invoice, "1")]
    assert {one["state"] for one in made} == {"FAILED"}
    await set_method(api, customer, "pm_ok")
    return [one["id"] for one in made]


async def unasked(api: Api, invoice: Json, amount: str) -> str:
    """The id of a refund of which nobody has asked the provider: the process died before."""

    async def verb(session: AsyncSession, actor: Actor) -> str:
        made = await credit_invoice(
            session,
            actor,
            invoice["id"],
            reason=CreditNoteReason.OTHER,
            settlement=CreditNoteSettlement.REFUND,
            lines=[LineCredit(invoice["lineItems"][0]["id"], Decimal(amount))],
        )
        (only,) = await refund_credit_note(session, actor, made)
        return only.id

    return await done(api, verb)


async def say(api: Api, key: str, state: str, reference: str | None = None) -> str:
    """The provider's word about a refund, whenever it comes; how the refund stands then."""
    outcome = Outcome(PaymentState(state), reference, "No." if state == "FAILED" else None)
    return (await done(api, record_refund, key, outcome)).value


async def late_success(api: Api, invoice: Json) -> None:
    """The provider's word that the invoice's first attempt took the money after all."""

    async def verb(session: AsyncSession, actor: Actor) -> None:
        mine = (Payment.organization_id == actor.organization_id, Payment.attempt == 1)
        of = Payment.invoice_id == invoice["id"]
        payment_id = (await session.exec(select(Payment.id).where(*mine, of))).one()
        await record_outcome(session, actor, payment_id, Outcome(PaymentState.SUCCEEDED))

    await done(api, verb)
