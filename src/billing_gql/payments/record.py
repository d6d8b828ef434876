"""Records a payment that came in outside of the service: a bank transfer, a cheque, cash."""

from datetime import datetime
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.states import InvoiceAction, PaymentState
from billing_gql.invoices.store import lock_invoice, require
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput, problems_under
from billing_gql.payments.announce import announce_payment
from billing_gql.payments.count import count_money
from billing_gql.payments.tables import Payment


async def record_payment(
    session: AsyncSession,
    actor: Actor,
    invoice_id: str,
    *,
    amount: Decimal | None = None,
    reference: str | None = None,
    received_at: datetime | None = None,
) -> Payment:
    """Stores the payment and counts it; without an amount it is what remains.

    More than remains is paid too, and the excess goes to the customer's balance. An attempt of the
    payment method that is under way goes on: if it succeeds, its money is the excess.

    Raises NotFound, InvoiceStateProblem, InvalidInput or AmountOutOfRange. Many at once wait for
    the customer's row, one after another, and each sees what the ones before it paid.
    """
    checks.optional_text(reference, "reference")
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.RECORD_PAYMENT, actor.now, "invoiceId")
    if received_at is None:
        received_at = actor.now
    elif (received_at := checks.instant(received_at, "receivedAt")) > actor.now:
        raise InvalidInput("Must not lie in the future.", ("receivedAt",))
    if amount is None:
        amount = invoice.standing.amount_remaining
        if amount == 0:
            raise InvalidInput(
                "Nothing remains to be paid. Say an amount to record an overpayment.", ("amount",)
            )
    amount = checks.amount(amount, invoice.currency, "amount")
    payment = Payment(
        organization_id=actor.organization_id,
        customer_id=customer.id,
        invoice_id=invoice.id,
        provider=PaymentProvider.MANUAL,
        state=PaymentState.SUCCEEDED,
        currency=invoice.currency,
        amount=amount,
        reference=reference,
        received_at=received_at,
        created_at=actor.now,
        updated_at=actor.now,
    )
    session.add(payment)
    with problems_under("amount"):
        await count_money(session, actor, customer, invoice, amount, received_at)
    await announce_payment(session, actor, invoice, payment)
    return payment
