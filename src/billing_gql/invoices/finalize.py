"""Finalizes a draft: from here on it is owed, and what it says never changes."""

from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.bought_credit import give_bought_credit
from billing_gql.invoices.numbers import take_number
from billing_gql.invoices.refresh import recompute
from billing_gql.invoices.settle import settle_late_usage
from billing_gql.invoices.states import InvoiceAction, InvoiceStatus
from billing_gql.invoices.store import lock_invoice, overdue_at, require
from billing_gql.invoices.tables import Invoice, Party
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import local_date
from billing_gql.ledger.settle_invoice import draw_for_invoice
from billing_gql.organizations.queries import organization_of
from billing_gql.organizations.tables import Organization


async def finalize_invoice(session: AsyncSession, actor: Actor, invoice_id: str) -> Invoice:
    """Finalizes a draft. Raises NotFound, InvoiceStateProblem or AmountOutOfRange.

    Two at once: the second waits for the customer's row and then meets a finalized invoice.
    """
    customer, invoice = await lock_invoice(session, actor, invoice_id, "invoiceId")
    require(invoice, InvoiceAction.FINALIZE, actor.now, "invoiceId")
    organization = await organization_of(session, actor)
    return await finalize_locked(session, actor, organization, customer, invoice)


async def finalize_locked(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    invoice: Invoice,
) -> Invoice:
    """Refreshes a draft that is locked with its customer, draws wallets and balance, then dates,
    numbers and freezes it."""
    # Writes the lines too: the freezing trigger adds them up as the status changes below.
    sums = await recompute(session, actor, customer, invoice)
    await draw_for_invoice(
        session,
        actor,
        customer,
        invoice.id,
        draws=[(draw.wallet_id, draw.amount) for draw in sums.draws],
        balance_applied=sums.customer_balance_applied,
    )
    await settle_late_usage(session, actor, customer, invoice)
    invoice.issue_date = local_date(actor.now, invoice.timezone)
    if invoice.due_date is None:
        terms = customer.net_payment_term_days
        days = organization.net_payment_term_days if terms is None else terms
        invoice.due_date = invoice.issue_date + timedelta(days=days)
    invoice.overdue_at = overdue_at(invoice)
    invoice.seller = Party(
        name=organization.name,
        email=organization.email,
        tax_identifier=organization.tax_identifier,
        address=organization.address,
        payment_instructions=organization.payment_instructions,
    )
    invoice.buyer = Party(
        name=customer.name,
        external_id=customer.external_id,
        email=customer.email,
        tax_identifier=customer.tax_identifier,
        address=customer.address,
        language=customer.language or organization.language,
    )
    invoice.finalize_at = None
    invoice.finalized_at = actor.now
    invoice.updated_at = actor.now
    invoice.has_payment_method = customer.payment_token is not None
    if invoice.total - invoice.customer_balance_applied == 0:
        invoice.paid_at = actor.now
    elif invoice.has_payment_method:
        invoice.collect_at = actor.now  # by the billing run, once this is committed
    invoice.number = await take_number(session, organization, customer, invoice.issue_date)
    invoice.status = InvoiceStatus.FINALIZED
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.FINALIZED)
    if invoice.paid_at is not None:
        await give_bought_credit(session, actor, customer, invoice)
    return invoice
