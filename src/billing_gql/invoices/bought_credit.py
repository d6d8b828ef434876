"""Gives the prepaid credit that an invoice is for, once nothing remains of it."""

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import exactly
from billing_gql.ledger.top_up import top_up_as_paid


async def give_bought_credit(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> None:
    """Tops up the wallet of an invoice that was settled just now; nothing for other invoices.

    What credit notes gave back before is not bought. Whoever settles an invoice calls this once,
    in the same transaction. The customer and the invoice must be locked.
    """
    if invoice.wallet_id is None:
        return
    amount = _bought(invoice)
    if amount > 0:
        await top_up_as_paid(
            session,
            actor,
            customer,
            wallet_id=invoice.wallet_id,
            invoice_id=invoice.id,
            amount=amount,
        )


@exactly
def _bought(invoice: Invoice) -> Decimal:
    return invoice.subtotal - invoice.credited
