"""Gives up on an invoice that is owed."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus
from billing_gql.invoices.store import lock_invoice, require
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor


async def mark_uncollectible(session: AsyncSession, actor: Actor, invoice_id: str) -> Invoice:
    """Marks a finalized invoice on which something remains. Nothing moves: it stays owed.

    Raises NotFound or InvoiceStateProblem. Beside another call, or a credit note that settles the
    rest, the second waits for the customer's row and then meets what the first has made of it.
    """
    _, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.MARK_UNCOLLECTIBLE, actor.now, "invoiceId")
    invoice.status = InvoiceStatus.UNCOLLECTIBLE
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.MARKED_UNCOLLECTIBLE)
    return invoice
