"""Tells the outbox what became of an invoice."""

from collections.abc import Mapping
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.states import InvoiceStatus, Standing, payment_status
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import exactly
from billing_gql.store.outbox import emit
from billing_gql.store.subjects import Subject


class InvoiceEvent(StrEnum):
    """What becomes of an invoice."""

    CREATED = "invoice.created"
    UPDATED = "invoice.updated"
    FINALIZED = "invoice.finalized"
    PAID = "invoice.paid"
    MARKED_UNCOLLECTIBLE = "invoice.marked_uncollectible"
    VOIDED = "invoice.voided"
    DELETED = "invoice.deleted"


async def announce(
    session: AsyncSession, actor: Actor, invoice: Invoice, what: InvoiceEvent
) -> None:
    """One event with the invoice as it is now. A verb calls it once, when it is done.

    Customer and invoice must be locked.
    """
    await emit(
        session,
        actor,
        Subject.INVOICE,
        invoice.id,
        what.value,
        invoice_facts(actor, invoice),
        invoice_id=invoice.id,
    )


@exactly
def invoice_facts(actor: Actor, invoice: Invoice) -> Mapping[str, object]:
    """What an event says of an invoice, in the schema's names; amounts as text."""
    # Not `invoice.amount_due`: the database computes it, and it is not read again here.
    due = invoice.total - invoice.customer_balance_applied - invoice.total_credited
    standing = Standing(
        status=invoice.status,
        amount_due=due,
        amount_paid=invoice.amount_paid,
        total_credited=invoice.total_credited,
        overdue_at=invoice.overdue_at,
        last_attempt=invoice.last_attempt,
    )
    dates = {"issueDate": invoice.issue_date, "dueDate": invoice.due_date}
    instants = {"periodStart": invoice.period_start, "periodEnd": invoice.period_end}
    return {
        "number": invoice.number,
        "status": invoice.status.value,
        "paymentStatus": payment_status(standing, actor.now).value,
        "invoiceType": invoice.invoice_type.value,
        "billingReason": invoice.billing_reason.value,
        "customerId": invoice.customer_id,
        "subscriptionId": invoice.subscription_id,
        "currency": invoice.currency,
        "subtotal": f"{invoice.subtotal:f}",
        "totalDiscount": f"{invoice.total_discount:f}",
        "totalTax": f"{invoice.total_tax:f}",
        "totalPrepaidCreditsApplied": f"{invoice.total_prepaid_credits_applied:f}",
        "total": f"{invoice.total:f}",
        "customerBalanceApplied": f"{invoice.customer_balance_applied:f}",
        "totalCredited": f"{invoice.total_credited:f}",
        "amountDue": f"{due:f}",
        "amountPaid": f"{invoice.amount_paid:f}",
        **{
            name: None if value is None else value.isoformat()
            for name, value in {**dates, **instants}.items()
        },
    }


async def announce_change(session: AsyncSession, actor: Actor, invoice: Invoice) -> None:
    """The same after money moved on a frozen invoice: PAID where nothing remains, else UPDATED."""
    due = invoice.total - invoice.customer_balance_applied - invoice.total_credited
    settled = invoice.status is InvoiceStatus.FINALIZED and invoice.amount_paid >= due
    await announce(session, actor, invoice, InvoiceEvent.PAID if settled else InvoiceEvent.UPDATED)
