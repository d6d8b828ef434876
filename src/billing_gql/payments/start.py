"""Starts a payment by the customer's method: the attempt is stored before anybody is asked."""

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.states import InvoiceAction, PaymentState, available_actions
from billing_gql.invoices.store import lock_invoice, require
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.payments.announce import announce_payment
from billing_gql.payments.tables import Payment


async def retry_payment(session: AsyncSession, actor: Actor, invoice_id: str) -> Payment:
    """Another attempt for what remains. Raises NotFound or InvoiceStateProblem.

    Two at once: the second waits for the customer's row and then meets an attempt under way. Once
    this is committed, `settle_attempt` asks the provider; the billing run does where it does not.
    """
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.RETRY_PAYMENT, actor.now, "invoiceId")
    return await _start(session, actor, customer, invoice)


async def start_collecting(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> Payment | None:
    """The attempt that finalizing asked for; None where nothing is left to collect, or no method.

    The customer and the invoice must be locked.
    """
    invoice.collect_at = None
    if InvoiceAction.RETRY_PAYMENT not in available_actions(invoice.standing):
        return None
    return await _start(session, actor, customer, invoice)


async def _start(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> Payment:
    if customer.payment_provider is None or customer.payment_token is None:
        raise AssertionError("the table allows an attempt only where a method is set")
    before = select(func.max(Payment.attempt)).where(
        Payment.organization_id == actor.organization_id, col(Payment.invoice_id) == invoice.id
    )
    payment = Payment(
        organization_id=actor.organization_id,
        customer_id=customer.id,
        invoice_id=invoice.id,
        provider=customer.payment_provider,
        state=PaymentState.PROCESSING,
        currency=invoice.currency,
        amount=invoice.standing.amount_remaining,
        attempt=((await session.exec(before)).one() or 0) + 1,
        token=customer.payment_token,
        provider_customer=customer.payment_customer,
        next_check_at=actor.now,
        created_at=actor.now,
        updated_at=actor.now,
    )
    session.add(payment)
    invoice.last_attempt = PaymentState.PROCESSING
    invoice.collect_at = None
    invoice.updated_at = actor.now
    await session.flush()
    await announce_payment(session, actor, invoice, payment)
    return payment
