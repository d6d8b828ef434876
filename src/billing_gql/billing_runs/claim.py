"""Claims what a task is about: of several runs at once, one gets it."""

from functools import cache
from typing import TypeVar

from sqlalchemy import TextClause
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.tables import Wallet
from billing_gql.subscriptions.tables import Subscription

Claimed = TypeVar("Claimed", Subscription, Invoice, Wallet)


@cache
def _it(table: type[Claimed]) -> type[Claimed]:
    """Kept: it has a copy of each of the table's columns."""
    return aliased(table, name="it")


async def claim(
    session: AsyncSession, actor: Actor, table: type[Claimed], subject_id: str, due: TextClause
) -> tuple[Claimed, Customer] | None:
    """The row and its customer, locked; None where others hold them, or `due` is true no more.

    `due` calls the row `it`.
    """
    it = _it(table)
    return (
        await session.exec(
            select(it, Customer)
            .join(Customer, col(Customer.id) == col(it.customer_id))
            .where(
                col(it.organization_id) == actor.organization_id,
                col(it.id) == subject_id,
                due,
            )
            .with_for_update(key_share=True, skip_locked=True)
        )
    ).first()
