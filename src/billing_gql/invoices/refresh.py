"""Computes a draft again from current usage and prices."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.add_up import add_up
from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.assemble import Bill, PlanSpan, assemble
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.states import InvoiceAction, InvoiceType
from billing_gql.invoices.store import (
    lines_of,
    lock_invoice,
    replace_generated_lines,
    require,
    take_generation,
)
from billing_gql.invoices.tables import Invoice
from billing_gql.invoices.totals import Totals
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.subscriptions.queries import find_subscription
from billing_gql.subscriptions.tables import Subscription


async def refresh_invoice(session: AsyncSession, actor: Actor, invoice_id: str) -> Invoice:
    """Refreshes a draft. Raises NotFound or InvoiceStateProblem."""
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.REFRESH, actor.now, "invoiceId")
    await refresh_locked(session, actor, customer, invoice)
    return invoice


async def refresh_locked(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> None:
    """Refreshes a draft that is locked with its customer."""
    await recompute(session, actor, customer, invoice)
    invoice.updated_at = actor.now
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.UPDATED)


async def recompute(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> Totals:
    """Generated lines from what is metered now, lines by hand as they are, then the sums.

    Customer and invoice must be locked.
    """
    if invoice.subscription_id is None:
        return await add_up(session, actor, customer, invoice, await lines_of(session, invoice))
    subscription = await find_subscription(session, actor, invoice.subscription_id, None)
    if subscription is None:
        raise AssertionError("a foreign key keeps the subscription of an invoice")
    invoice.usage_generation = take_generation(customer)
    lines = await assemble(
        session,
        actor,
        bill_of(invoice, subscription),
        currency=invoice.currency,
        generation=invoice.usage_generation,
    )
    present = await lines_of(session, invoice)
    rows = await replace_generated_lines(session, invoice, present, lines)
    return await add_up(session, actor, customer, invoice, rows)


def bill_of(invoice: Invoice, subscription: Subscription) -> Bill:
    """What the draft was made to bill."""
    closing = opening = None
    if invoice.plan_id and invoice.period_start and invoice.period_end:
        closing = PlanSpan(invoice.plan_id, Period(invoice.period_start, invoice.period_end))
    if invoice.opens_plan_id and invoice.opens_at and invoice.opens_until:
        opening = PlanSpan(invoice.opens_plan_id, Period(invoice.opens_at, invoice.opens_until))
    prorated = invoice.invoice_type is InvoiceType.PRORATION
    return Bill(
        subscription,
        closing,
        opening,
        opening_type=LineItemType.PRORATION if prorated else LineItemType.FIXED,
        late=not prorated,
        invoice_id=invoice.id,
    )
