"""Voids an invoice that nothing was paid or credited on, with no payment under way."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.late import look_again
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus
from billing_gql.invoices.store import lock_invoice, require
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.settle_invoice import give_back


async def void_invoice(
    session: AsyncSession, actor: Actor, invoice_id: str, reason: str | None = None
) -> Invoice:
    """Voids the invoice and gives back what it took of wallets, balance and coupons.

    It keeps its number, and its period is not billed again by itself.

    What it gave back, of credits and for late corrections, the next invoice gives back again.

    Raises NotFound or InvoiceStateProblem. Two at once: the second meets a voided invoice.
    So does a payment that is recorded at the same time, or this meets a paid one.
    """
    checks.optional_text(reason, "reason", most=checks.MAX_LONG_TEXT)
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.VOID, actor.now, "invoiceId")
    await give_back(session, actor, customer, invoice.id)
    customer.terms_generation += 1  # its coupons and credits are left again
    await look_again(session, invoice, customer.usage_generation)
    invoice.status = InvoiceStatus.VOIDED
    invoice.void_reason = reason
    invoice.voided_at = actor.now
    invoice.collect_at = None
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.VOIDED)
    return invoice
