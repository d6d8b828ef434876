"""Settles an attempt to take money: its provider is asked how it ended, and that is recorded."""

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.states import InvoiceStatus, PaymentState
from billing_gql.invoices.store import lock_invoice
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.payments.announce import announce_payment
from billing_gql.payments.ask import Question, ask, due_attempt, take_answer
from billing_gql.payments.count import count_money
from billing_gql.payments.providers import Providers
from billing_gql.payments.providers.provider import Charge, Outcome
from billing_gql.payments.tables import Payment
from billing_gql.store.database import Database


async def settle_attempt(
    database: Database, actor: Actor, payment_id: str, providers: Providers
) -> PaymentState | None:
    """How the attempt stands now; None where it is not due, or another process has it in hand."""

    async def question(session: AsyncSession) -> Question | None:
        payment = await due_attempt(session, actor, Payment, payment_id)
        if payment is None:
            return None
        charge = await _charge(session, actor, payment)
        return Question(payment.provider, lambda provider: provider.charge(charge))

    async def record(session: AsyncSession, outcome: Outcome) -> PaymentState:
        return await record_outcome(session, actor, payment_id, outcome)

    return await ask(database, payment_id, question, record, providers)


async def _charge(session: AsyncSession, actor: Actor, payment: Payment) -> Charge:
    earlier = select(func.count()).where(
        Payment.organization_id == actor.organization_id,
        col(Payment.invoice_id) == payment.invoice_id,
        col(Payment.provider) == payment.provider,
        col(Payment.token) == payment.token,
        col(Payment.attempt) < payment.attempt,
    )
    number = select(Invoice.number).where(
        Invoice.organization_id == actor.organization_id, Invoice.id == payment.invoice_id
    )
    return Charge(
        key=payment.id,
        token=payment.token or "",
        customer=payment.provider_customer,
        currency=payment.currency,
        amount=payment.amount,
        is_test=actor.is_test,
        organization_id=actor.organization_id,
        invoice_id=payment.invoice_id,
        invoice_number=(await session.exec(number)).one(),
        tried_before=(await session.exec(earlier)).one(),
        reference=payment.provider_reference,
        checks=payment.checks,
        started_at=payment.created_at,
        asked_at=actor.now,
    )


async def record_outcome(
    session: AsyncSession, actor: Actor, payment_id: str, outcome: Outcome
) -> PaymentState:
    """Stores what the provider said; how the payment stands then.

    A success that comes after a failure counts, once; after a success nothing counts any more.
    """
    mine = (Payment.organization_id == actor.organization_id, Payment.id == payment_id)
    invoice_id = (await session.exec(select(Payment.invoice_id).where(*mine))).one()
    customer, invoice = await lock_invoice(session, actor, invoice_id)
    payment = (await session.exec(select(Payment).where(*mine).with_for_update())).one()
    stands = payment.state
    if not take_answer(payment, outcome, actor.now):
        return stands
    if payment.state is PaymentState.SUCCEEDED:
        payment.received_at = actor.now
        await count_money(session, actor, customer, invoice, payment.amount, actor.now)
    await _note_last(session, payment, invoice)
    if payment.state is not stands:
        await announce_payment(session, actor, invoice, payment)
    return payment.state


async def _note_last(session: AsyncSession, payment: Payment, invoice: Invoice) -> None:
    """The invoice knows how its last attempt stands; a voided one is left as it is."""
    last = select(func.max(Payment.attempt)).where(
        Payment.organization_id == payment.organization_id,
        col(Payment.invoice_id) == invoice.id,
    )
    if (
        invoice.status is InvoiceStatus.VOIDED
        or (await session.exec(last)).one() != payment.attempt
    ):
        return
    if invoice.last_attempt is not payment.state:
        invoice.last_attempt = payment.state
        invoice.updated_at = payment.updated_at
    await session.flush()
