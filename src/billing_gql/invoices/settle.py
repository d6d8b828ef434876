"""Notes what of late usage and of negative lines a draft has dealt with, once it is frozen."""

from sqlalchemy import text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.credits import carried_credit
from billing_gql.invoices.states import InvoiceStatus
from billing_gql.invoices.store import lines_of
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.store.database import run_sql
from billing_gql.subscriptions.tables import Subscription

# What every subscription of the customer has settled is not looked for again.
_FORGET = """
DELETE FROM late_usage
WHERE organization_id = :organization AND customer_id = :customer AND generation <= (
  SELECT min(settled_generation) FROM subscriptions
  WHERE organization_id = :organization AND customer_id = :customer)
"""


async def settle_late_usage(
    session: AsyncSession, actor: Actor, customer: Customer, invoice: Invoice
) -> None:
    """Once a draft is frozen: keeps what a negative line could not give back as a credit, and
    notes that what came late is billed.

    The customer and the draft must be locked, its lines computed. With a second draft open nothing
    is noted: that one may be deleted, and what is late for it would be lost.
    """
    if invoice.subscription_id is None:
        return
    lines = await lines_of(session, invoice)
    # What a line cannot give back of a credit is left of that credit by itself.
    carried = [line for line in lines if line.carried and line.credit_id is None]
    session.add_all(carried_credit(actor, line) for line in carried)
    customer.terms_generation += bool(carried)
    taken = [line.usage_generation for line in lines if line.usage_generation is not None]
    if not taken:
        return
    if await _another_is_open(session, actor, invoice):
        return
    await settle_up_to(session, actor, invoice.customer_id, invoice.subscription_id, max(taken))


async def settle_up_to(
    session: AsyncSession, actor: Actor, customer_id: str, subscription_id: str, generation: int
) -> None:
    """Late usage of the generations so far is dealt with. The customer must be locked."""
    await session.exec(
        update(Subscription)
        .where(
            col(Subscription.organization_id) == actor.organization_id,
            col(Subscription.id) == subscription_id,
        )
        .values(settled_generation=generation)
    )
    await run_sql(
        session,
        text(_FORGET),
        {"organization": actor.organization_id, "customer": customer_id},
    )


async def waive_late_usage(session: AsyncSession, actor: Actor, invoice: Invoice) -> None:
    """Before a draft is deleted: where no invoice follows, what came late stays unbilled.

    Otherwise the next invoice takes it, or a draft that is open beside it. The customer and the
    draft must be locked.
    """
    taken = [
        line.usage_generation
        for line in await lines_of(session, invoice)
        if line.usage_generation is not None
    ]
    if (
        invoice.subscription_id is None
        or not taken
        or await _another_is_open(session, actor, invoice)
    ):
        return
    goes_on = select(Subscription.next_bill_at).where(
        Subscription.organization_id == actor.organization_id,
        Subscription.id == invoice.subscription_id,
    )
    if (await session.exec(goes_on)).one() is None:
        await settle_up_to(session, actor, invoice.customer_id, invoice.subscription_id, max(taken))


async def _another_is_open(session: AsyncSession, actor: Actor, invoice: Invoice) -> bool:
    """Whether the invoice's subscription has a draft beside it."""
    others = select(Invoice.id).where(
        Invoice.organization_id == actor.organization_id,
        Invoice.subscription_id == invoice.subscription_id,
        Invoice.status == InvoiceStatus.DRAFT,
        Invoice.id != invoice.id,
    )
    return (await session.exec(others)).first() is not None
