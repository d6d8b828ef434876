"""Pays out a REFUND credit note: back through the providers that took the money, else by hand."""

from collections.abc import Sequence
from decimal import Decimal

import structlog
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.credit_notes import CreditNote
from billing_gql.invoices.states import PaymentState
from billing_gql.invoices.store import lock_invoice
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import exactly
from billing_gql.kernel.problems import NotFound
from billing_gql.payments.announce import announce_refund, announce_state
from billing_gql.payments.ask import Question, ask, due_attempt, take_answer
from billing_gql.payments.providers import Providers, provider
from billing_gql.payments.queries import refunded_of_payments
from billing_gql.payments.tables import Payment, Refund, refund_id_of
from billing_gql.store.database import Database

log = structlog.get_logger()


async def refund_credit_note(
    session: AsyncSession, actor: Actor, note: CreditNote
) -> Sequence[Refund]:
    """Splits the note's total over what paid its invoice, in the transaction that makes the note.

    Of the payments that a provider took, the newest gives first, each as far as no refund names
    it yet. What they cannot give came in by hand: it is recorded as paid out by hand. That all
    notes together give back no more than was paid is for `credit_invoice` to see; it has locked
    the customer and the invoice. Once this is committed, `settle_refund` asks the providers; the
    billing run does where nobody else does.
    """
    mine = (Invoice.organization_id == actor.organization_id, Invoice.id == note.invoice_id)
    customer_id = (await session.exec(select(Invoice.customer_id).where(*mine))).one()
    refunds = []
    for payment, amount in _parts(note.total, await _refundable(session, actor, note.invoice_id)):
        refund = Refund(
            organization_id=actor.organization_id,
            customer_id=customer_id,
            invoice_id=note.invoice_id,
            credit_note_id=note.id,
            payment_id=None if payment is None else payment.id,
            provider=PaymentProvider.MANUAL if payment is None else payment.provider,
            state=PaymentState.SUCCEEDED if payment is None else PaymentState.PROCESSING,
            currency=note.currency,
            amount=amount,
            attempt=None if payment is None else 1,
            refunded_at=actor.now if payment is None else None,
            next_check_at=None if payment is None else actor.now,
            started_at=actor.now,
            created_at=actor.now,
            updated_at=actor.now,
        )
        session.add(refund)
        refunds.append(refund)
    await session.flush()
    for refund in refunds:
        await announce_refund(session, actor, refund)
    return refunds


async def _refundable(
    session: AsyncSession, actor: Actor, invoice_id: str
) -> Sequence[tuple[Payment, Decimal]]:
    """The invoice's payments that a provider took, newest first, and what refunds name of each.

    A refund that failed is still owed and may be tried again: its part of the payment stays taken.
    """
    rows = await session.exec(
        select(Payment, func.coalesce(func.sum(Refund.amount), 0))
        .outerjoin(Refund, col(Refund.payment_id) == col(Payment.id))
        .where(
            Payment.organization_id == actor.organization_id,
            Payment.invoice_id == invoice_id,
            Payment.state == PaymentState.SUCCEEDED,
            col(Payment.provider_reference).is_not(None),
        )
        .group_by(col(Payment.id))
        .order_by(col(Payment.received_at).desc(), col(Payment.id).desc())
    )
    return rows.all()


@exactly
def _parts(
    total: Decimal, payments: Sequence[tuple[Payment, Decimal]]
) -> list[tuple[Payment | None, Decimal]]:
    parts: list[tuple[Payment | None, Decimal]] = []
    for payment, taken in payments:
        part = min(payment.amount - taken, total)
        if part > 0:
            parts.append((payment, part))
            total -= part
    if total > 0:
        parts.append((None, total))
    return parts


async def settle_refund(
    database: Database, actor: Actor, refund_id: str, providers: Providers
) -> PaymentState | None:
    """How the refund stands now; None where it is not due, or another process has it in hand."""
    asked: list[str] = []

    async def question(session: AsyncSession) -> Question | None:
        refund = await due_attempt(session, actor, Refund, refund_id)
        if refund is None:
            return None
        wanted = await _wanted(session, actor, refund)
        asked.append(wanted.key)
        return Question(refund.provider, lambda one: one.refund(wanted))

    async def record(session: AsyncSession, outcome: provider.Outcome) -> PaymentState:
        return await record_refund(session, actor, asked[0], outcome)

    return await ask(database, refund_id, question, record, providers)


async def _wanted(session: AsyncSession, actor: Actor, refund: Refund) -> provider.Refund:
    payment = (
        await session.exec(
            select(Payment).where(
                Payment.organization_id == actor.organization_id, Payment.id == refund.payment_id
            )
        )
    ).one()
    return provider.Refund(
        key=refund.key,
        payment_reference=payment.provider_reference or "",
        reference=refund.provider_reference,
        currency=refund.currency,
        amount=refund.amount,
        is_test=actor.is_test,
        started_at=refund.started_at,
        asked_at=actor.now,
        token=payment.token or "",
        tried_before=(refund.attempt or 1) - 1,
    )


async def record_refund(
    session: AsyncSession, actor: Actor, key: str, outcome: provider.Outcome
) -> PaymentState:
    """Stores what the provider said of the attempt with this key; how the refund stands then.

    A success that comes after a failure counts, once; after a success nothing counts any more. Of
    an attempt before the last one a success alone counts: its failure is known.
    """
    refund = await lock_refund(session, actor, refund_id_of(key))
    stands = refund.state
    if key != refund.key and outcome.state is not PaymentState.SUCCEEDED:
        return stands
    if not take_answer(refund, outcome, actor.now):
        _tell_of_a_second(refund, outcome)
        return stands
    if refund.state is PaymentState.SUCCEEDED:
        await note_success(session, actor, refund)
    elif refund.state is not stands:
        await announce_refund(session, actor, refund)
    return refund.state


def _tell_of_a_second(refund: Refund, outcome: provider.Outcome) -> None:
    """Money that went back once more: by hand and by the provider, or by two attempts."""
    if outcome.state is not PaymentState.SUCCEEDED:
        return
    by_hand = refund.provider is PaymentProvider.MANUAL
    if by_hand or outcome.reference not in (None, refund.provider_reference):
        log.warning(
            "a refund went back twice",
            refund=refund.id,
            recorded="by hand" if by_hand else refund.provider_reference,
            reported=outcome.reference,
        )


async def lock_refund(session: AsyncSession, actor: Actor, refund_id: str, *field: str) -> Refund:
    """The refund, locked after its customer and invoice. Raises NotFound."""
    mine = (Refund.organization_id == actor.organization_id, Refund.id == refund_id)
    invoice_id = (await session.exec(select(Refund.invoice_id).where(*mine))).first()
    if invoice_id is None:
        raise NotFound.of("refund", refund_id, *field)
    await lock_invoice(session, actor, invoice_id)
    return (await session.exec(select(Refund).where(*mine).with_for_update())).one()


async def note_success(session: AsyncSession, actor: Actor, refund: Refund) -> None:
    """The money has gone back: a payment of which all has is REFUNDED. The refund is locked."""
    refund.refunded_at = actor.now
    await session.flush()
    await announce_refund(session, actor, refund)
    payment = (
        await session.exec(
            select(Payment)
            .where(
                Payment.organization_id == actor.organization_id, Payment.id == refund.payment_id
            )
            .with_for_update()
        )
    ).one()
    given = await refunded_of_payments(session, actor, [payment.id])
    if given.get(payment.id) == payment.amount:
        payment.state = PaymentState.REFUNDED
        payment.updated_at = actor.now
        await session.flush()
        await announce_state(session, actor, payment)
