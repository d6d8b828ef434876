"""Computes a draft again from current usage and prices."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.assemble import assemble
from billing_gql.invoices.states import InvoiceAction
from billing_gql.invoices.store import (
    apply_totals,
    lines_of,
    lock_invoice,
    period_of,
    replace_generated_lines,
    require,
    take_generation,
)
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.subscriptions.queries import find_subscription


async def refresh_invoice(session: AsyncSession, actor: Actor, invoice_id: str) -> Invoice:
    """Refreshes a draft. Raises NotFound or InvoiceStateProblem."""
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.REFRESH, actor.now, "invoiceId")
    await recompute(session, actor, customer, invoice)
    invoice.updated_at = actor.now
    await session.flush()
    return invoice


async def recompute(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> None:
    """Generated lines from what is metered now, lines by hand as they are, then the sums.

    Customer and invoice must be locked.
    """
    period = period_of(invoice)
    if invoice.subscription_id is None or period is None:
        apply_totals(invoice, await lines_of(session, invoice))
        await session.flush()
        return
    subscription = await find_subscription(session, actor, invoice.subscription_id, None)
    if subscription is None:
        raise AssertionError("a foreign key keeps the subscription of an invoice")
    lines = await assemble(
        session,
        actor,
        subscription,
        period,
        currency=invoice.currency,
        generation=take_generation(customer),
    )
    await replace_generated_lines(session, invoice, await lines_of(session, invoice), lines)
