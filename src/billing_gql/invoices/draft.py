"""Drafts the invoice of a subscription's period."""

from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import BillingPeriod
from billing_gql.customers.tables import Customer
from billing_gql.invoices.assemble import assemble
from billing_gql.invoices.states import BillingReason, InvoiceType
from billing_gql.invoices.store import replace_generated_lines, take_generation
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import zero
from billing_gql.kernel.period import Period, local_date, midnight
from billing_gql.organizations.tables import Organization
from billing_gql.subscriptions.cycles import period_from
from billing_gql.subscriptions.tables import Subscription


async def draft_period(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    subscription: Subscription,
) -> Invoice:
    """Drafts the subscription's first period not yet billed and moves the subscription on.

    Customer and subscription must be locked. The unique index on subscription and period stands
    behind that.
    """
    period = Period(subscription.period_start, subscription.next_bill_at)
    invoice = new_invoice(actor, customer)
    invoice.invoice_type = InvoiceType.SUBSCRIPTION
    invoice.billing_reason = BillingReason.SUBSCRIPTION_CYCLE
    invoice.subscription_id = subscription.id
    invoice.period_start = period.start
    invoice.period_end = period.end
    invoice.billing_period = BillingPeriod.MONTHLY
    # Grace is counted in whole days of the customer's calendar, like every other term.
    grace_ends = local_date(period.end, subscription.timezone) + timedelta(
        days=organization.grace_period_days
    )
    invoice.finalize_at = midnight(grace_ends, subscription.timezone)
    lines = await assemble(
        session,
        actor,
        subscription,
        period,
        currency=customer.currency,
        generation=take_generation(customer),
    )
    session.add(invoice)
    await replace_generated_lines(session, invoice, [], lines)
    following = period_from(period.end, subscription.timezone)
    subscription.period_start = following.start
    subscription.next_bill_at = following.end
    await session.flush()
    return invoice


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
        created_at=actor.now,
        updated_at=actor.now,
    )
