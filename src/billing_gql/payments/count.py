"""Counts money that came in on its invoice: the only writer of what an invoice has been paid."""

from datetime import datetime
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.bought_credit import give_bought_credit
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import exactly, to_currency
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import BalanceTransactionReason


async def count_money(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    invoice: Invoice,
    amount: Decimal,
    received_at: datetime,
) -> None:
    """Adds `amount`, in the invoice's currency, to what is paid; what is beyond the due goes to
    the customer's balance too.

    What settles an invoice for prepaid credit tops its wallet up, in this transaction.

    An invoice that was voided meanwhile stays as it is: all of the amount goes to the balance. The
    customer and the invoice must be locked. Raises AmountOutOfRange.
    """
    excess = _beyond(amount, invoice.standing.amount_remaining)
    if invoice.status is not InvoiceStatus.VOIDED:
        invoice.amount_paid = _plus(invoice.amount_paid, amount, invoice.currency)
        if invoice.standing.amount_remaining == 0:
            if invoice.paid_at is None:
                invoice.paid_at = received_at
                await give_bought_credit(session, actor, customer, invoice)
            # From whichever status the table let it be paid in.
            invoice.status = InvoiceStatus.FINALIZED
        invoice.updated_at = actor.now
    if excess > 0:
        reason = BalanceTransactionReason.OVERPAYMENT
        await post(session, actor, customer, reason, excess, invoice_id=invoice.id)
    await session.flush()


@exactly
def _beyond(amount: Decimal, remaining: Decimal) -> Decimal:
    return max(amount - remaining, remaining - remaining)


@exactly
def _plus(paid: Decimal, amount: Decimal, currency: str) -> Decimal:
    return to_currency(paid + amount, currency)
