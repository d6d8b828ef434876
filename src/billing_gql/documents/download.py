"""Whether an invoice may be downloaded."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.queries import find_invoice
from billing_gql.invoices.states import InvoiceAction
from billing_gql.invoices.store import require
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import NotFound


async def downloadable(session: AsyncSession, actor: Actor, invoice_id: str) -> Invoice:
    """The invoice; raises NotFound, or InvoiceStateProblem for a draft. Changes nothing."""
    invoice = await find_invoice(session, actor, invoice_id, None)
    if invoice is None:
        raise NotFound.of("invoice", invoice_id, "invoiceId")
    require(invoice, InvoiceAction.DOWNLOAD, actor.now, "invoiceId")
    return invoice
