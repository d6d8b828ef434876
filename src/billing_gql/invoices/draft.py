"""Drafts the invoices of a subscription."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Plan
from billing_gql.customers.tables import Customer
from billing_gql.invoices.add_up import add_up
from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.assemble import Bill, assemble
from billing_gql.invoices.next_bill import next_bill
from billing_gql.invoices.settle import settle_up_to
from billing_gql.invoices.states import BillingReason, InvoiceType
from billing_gql.invoices.store import replace_generated_lines, take_generation
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import zero
from billing_gql.kernel.period import local_date, midnight
from billing_gql.organizations.tables import Organization
from billing_gql.subscriptions.put_on import note_plan
from billing_gql.subscriptions.tables import Subscription


async def draft_next(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    subscription: Subscription,
) -> Invoice | None:
    """Drafts what falls due next and moves the subscription on; None where that bills nothing.

    Customer and subscription must be locked. The unique index on subscription and period stands
    behind that.
    """
    due = await next_bill(session, actor, subscription)
    if due is None:
        raise AssertionError(f"the subscription {subscription.id} has nothing that falls due")
    invoice = None
    if not due.is_empty:
        invoice = await draft_bill(
            session,
            actor,
            customer,
            due.bill,
            plan=due.billing_plan,
            reason=due.reason,
            finalize_at=end_of_grace(organization, due.bill, due.at),
        )
    subscription.period_start = due.at
    if due.next_period is None:
        subscription.ended_at = due.at
        subscription.next_bill_at = None
        subscription.pending_plan_id = None
    else:
        subscription.next_bill_at = due.next_period.end
        if subscription.plan_id != due.plan.id:
            subscription.plan_id = due.plan.id
            subscription.plan_since = due.at
            await note_plan(session, subscription, due.at)
        subscription.pending_plan_id = None
    await session.flush()
    return invoice


async def draft_late(
    session: AsyncSession, actor: Actor, customer: Customer, subscription: Subscription
) -> Invoice | None:
    """Drafts what came late for a subscription whose last invoice is out; None if nothing did.

    The draft waits until someone finalizes it. Customer and subscription must be locked.
    """
    generation = customer.usage_generation
    bill = Bill(subscription)
    lines = await assemble(session, actor, bill, currency=customer.currency, generation=generation)
    if all(line.scope is None for line in lines):
        take_generation(customer)
        await settle_up_to(session, actor, customer.id, subscription.id, generation)
        return None
    return await draft_bill(
        session,
        actor,
        customer,
        bill,
        plan=None,
        reason=BillingReason.SUBSCRIPTION_END,
        finalize_at=None,
    )


async def draft_bill(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    bill: Bill,
    *,
    plan: Plan | None,
    reason: BillingReason,
    finalize_at: datetime | None,
    invoice_type: InvoiceType = InvoiceType.SUBSCRIPTION,
) -> Invoice:
    """A draft of the bill; its period is the one that ended, or else the one that starts."""
    invoice = new_invoice(actor, customer)
    invoice.invoice_type = invoice_type
    invoice.billing_reason = reason
    invoice.subscription_id = bill.subscription.id
    invoice.billing_period = None if plan is None else plan.billing_period
    invoice.finalize_at = finalize_at
    if bill.opening is not None:
        invoice.opens_plan_id = bill.opening.plan_id
        invoice.opens_at = invoice.period_start = bill.opening.period.start
        invoice.opens_until = invoice.period_end = bill.opening.period.end
    if bill.closing is not None:
        invoice.plan_id = bill.closing.plan_id
        invoice.period_start = bill.closing.period.start
        invoice.period_end = bill.closing.period.end
        # From here on an event of that time is late; see `usage.ingest`.
        closed = (customer.billed_until, bill.closing.period.end)
        customer.billed_until = max(at for at in closed if at is not None)
    invoice.usage_generation = take_generation(customer)
    lines = await assemble(
        session,
        actor,
        bill,
        currency=customer.currency,
        generation=invoice.usage_generation,
    )
    session.add(invoice)
    rows = await replace_generated_lines(session, invoice, [], lines)
    await add_up(session, actor, customer, invoice, rows)
    await announce(session, actor, invoice, InvoiceEvent.CREATED)
    return invoice


def end_of_grace(organization: Organization, bill: Bill, at: datetime) -> datetime:
    """When the draft is finalized: where usage may still come, after so many whole days."""
    if bill.closing is None:
        return at
    timezone = bill.subscription.timezone
    # Grace is counted in whole days of the customer's calendar, like every other term.
    last_day = local_date(at, timezone) + timedelta(days=organization.grace_period_days)
    return max(at, midnight(last_day, timezone))


def new_invoice(actor: Actor, customer: Customer) -> Invoice:
    """An empty draft for the customer; a one-off unless the caller makes it another."""
    nothing = zero(customer.currency)
    return Invoice(
        organization_id=actor.organization_id,
        invoice_type=InvoiceType.ONE_TIME,
        billing_reason=BillingReason.MANUAL,
        customer_id=customer.id,
        currency=customer.currency,
        timezone=customer.timezone,
        subtotal=nothing,
        total_discount=nothing,
        total_tax=nothing,
        total_prepaid_credits_applied=nothing,
        total=nothing,
        customer_balance_applied=nothing,
        total_credited=nothing,
        amount_paid=nothing,
        credited=nothing,
        refunded=nothing,
        created_at=actor.now,
        updated_at=actor.now,
    )
