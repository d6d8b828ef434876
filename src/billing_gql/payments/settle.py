"""Asks a provider how an attempt ended, outside of any transaction, and records what it says.

Safe to kill anywhere: the attempt is stored before the provider is asked, stays due until the
outcome is stored, and is asked for again with the same key, so that the money is taken once.
"""

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.states import InvoiceStatus, PaymentState
from billing_gql.invoices.store import lock_invoice
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.payments.announce import announce_payment
from billing_gql.payments.count import count_money
from billing_gql.payments.providers import Providers
from billing_gql.payments.providers.provider import Charge, Outcome
from billing_gql.payments.tables import Payment
from billing_gql.store.database import Database

log = structlog.get_logger()

PATIENCE_SECONDS = 20.0
"""How long a provider is waited for."""
PAUSE_SECONDS = 0.2
"""After an attempt was found in other hands: looking costs a connection."""
UNKNOWN = Outcome(PaymentState.PROCESSING)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)


async def settle_attempt(
    database: Database, actor: Actor, payment_id: str, providers: Providers
) -> PaymentState | None:
    """How the attempt stands now; None where it is not due, or another process has it in hand.

    Several at once: a lock that no transaction holds lets one ask, and a process that is killed
    lets go of it.
    """
    async with database.exclusive(f"payment {payment_id}") as mine:
        if not mine:
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        async with database.transaction() as session:
            payment = await _due(session, actor, payment_id)
            if payment is None:
                return None
            charge = await _charge(session, actor, payment)
        outcome = await _ask(providers, payment, charge)

        async def record(session: AsyncSession) -> PaymentState:
            return await record_outcome(session, actor, payment_id, outcome)

        return await database.work(record)


async def _due(session: AsyncSession, actor: Actor, payment_id: str) -> Payment | None:
    return (
        await session.exec(
            select(Payment).where(
                Payment.organization_id == actor.organization_id,
                Payment.id == payment_id,
                col(Payment.next_check_at) <= actor.now,
            )
        )
    ).first()


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


async def _ask(providers: Providers, payment: Payment, charge: Charge) -> Outcome:
    """The provider's answer, or that it is unknown. Its error may hold a secret: its type alone
    is logged."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await providers[payment.provider].charge(charge)
    except Exception as failure:
        log.warning(
            "the provider did not answer",
            payment=payment.id,
            provider=payment.provider.value,
            error=type(failure).__name__,
        )
        return UNKNOWN


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
    stands, says = payment.state, outcome.state
    ended = stands is not PaymentState.PROCESSING
    if says is stands is PaymentState.PROCESSING:
        payment.checks += 1
        payment.next_check_at = ask_again_at(actor.now, payment.checks)
    elif stands not in (PaymentState.PROCESSING, PaymentState.FAILED) or (
        ended and says is not PaymentState.SUCCEEDED
    ):
        return stands
    else:
        payment.state = says
        payment.next_check_at = None
        payment.failure_reason = None
        if says is PaymentState.FAILED:
            payment.failure_reason = (outcome.reason or "No reason was given.")[:500]
    payment.provider_reference = outcome.reference or payment.provider_reference
    payment.updated_at = actor.now
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


def ask_again_at(now: datetime, checks: int) -> datetime:
    """A minute after the first answer without an end, then twice as long each time, to 6 hours."""
    return now + min(FIRST_PAUSE * (1 << min(checks - 1, 9)), LONGEST_PAUSE)
