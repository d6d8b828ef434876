"""Tells the outbox what became of a payment, of a refund, and of the invoice of a payment."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.announce import announce_change
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.payments.tables import Payment, Refund
from billing_gql.store.outbox import emit
from billing_gql.store.subjects import Subject


async def announce_payment(
    session: AsyncSession, actor: Actor, invoice: Invoice, payment: Payment
) -> None:
    """`payment.processing`, `payment.succeeded` or `payment.failed`, then the invoice's own event.

    A verb calls it once, when it is done. The customer and the invoice must be locked.
    """
    await announce_state(session, actor, payment)
    await announce_change(session, actor, invoice)


async def announce_state(session: AsyncSession, actor: Actor, payment: Payment) -> None:
    """The payment's event alone, as `payment.refunded`: nothing of the invoice has changed."""
    await emit(
        session,
        actor,
        Subject.PAYMENT,
        payment.id,
        f"payment.{payment.state.value.lower()}",
        {
            "invoiceId": payment.invoice_id,
            "provider": payment.provider.value,
            "state": payment.state.value,
            "currency": payment.currency,
            "amount": f"{payment.amount:f}",
            "reference": payment.reference,
            "failureReason": payment.failure_reason,
            "receivedAt": payment.received_at.isoformat() if payment.received_at else None,
        },
        invoice_id=payment.invoice_id,
    )


async def announce_refund(session: AsyncSession, actor: Actor, refund: Refund) -> None:
    """`refund.processing`, `refund.succeeded` or `refund.failed`.

    The customer and the invoice must be locked.
    """
    await emit(
        session,
        actor,
        Subject.REFUND,
        refund.id,
        f"refund.{refund.state.value.lower()}",
        {
            "invoiceId": refund.invoice_id,
            "creditNoteId": refund.credit_note_id,
            "paymentId": refund.payment_id,
            "provider": refund.provider.value,
            "state": refund.state.value,
            "currency": refund.currency,
            "amount": f"{refund.amount:f}",
            "reference": refund.reference or refund.provider_reference,
            "failureReason": refund.failure_reason,
            "refundedAt": refund.refunded_at.isoformat() if refund.refunded_at else None,
        },
        invoice_id=refund.invoice_id,
    )
