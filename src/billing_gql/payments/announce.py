"""Tells the outbox what became of a payment, and of its invoice."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.announce import announce_change
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.payments.tables import Payment
from billing_gql.store.outbox import emit
from billing_gql.store.subjects import Subject


async def announce_payment(
    session: AsyncSession, actor: Actor, invoice: Invoice, payment: Payment
) -> None:
    """`payment.processing`, `payment.succeeded` or `payment.failed`, then the invoice's own event.

    A verb calls it once, when it is done. The customer and the invoice must be locked.
    """
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
        invoice_id=invoice.id,
    )
    await announce_change(session, actor, invoice)
