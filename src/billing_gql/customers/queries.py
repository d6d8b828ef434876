"""Reads and locks customers."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput, NotFound
from billing_gql.store.columns import among
from billing_gql.store.pages import Order, Page, PageRequest, contains, read_page


async def customers_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Customer]:
    """Those of the ids that are customers here, in any order."""
    return (
        await session.exec(
            select(Customer).where(
                Customer.organization_id == actor.organization_id, among(col(Customer.id), ids)
            )
        )
    ).all()


async def find_customer(
    session: AsyncSession, actor: Actor, customer_id: str | None, external_id: str | None
) -> Customer | None:
    """The customer of exactly one of the two identifiers; raises InvalidInput for none or both."""
    if (customer_id is None) == (external_id is None):
        raise InvalidInput("Give either an id or an external id.")
    return (
        await session.exec(
            select(Customer).where(
                Customer.organization_id == actor.organization_id,
                Customer.id == customer_id
                if external_id is None
                else Customer.external_id == external_id,
            )
        )
    ).first()


async def lock_customer(
    session: AsyncSession, actor: Actor, customer_id: str, *field: str
) -> Customer:
    """The customer, locked: its ingests, billing and other changes wait. Raises NotFound.

    Always the first lock of a verb, before subscription and invoice.
    """
    customer = (
        await session.exec(
            select(Customer)
            .where(Customer.organization_id == actor.organization_id, Customer.id == customer_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).first()
    if customer is None:
        raise NotFound.of("customer", customer_id, *field)
    return customer


def matching(search: str | None) -> list[ColumnElement[bool]]:
    """The condition of a search in name, e-mail or external id."""
    if search is None:
        return []
    return [
        or_(
            contains(Customer.name, search),
            contains(Customer.email, search),
            contains(Customer.external_id, search),
        )
    ]


BY_CREATION = Order((col(Customer.created_at), col(Customer.id)), descending=True)
"""Newest first."""


async def page_of_customers(
    session: AsyncSession, actor: Actor, search: str | None, request: PageRequest
) -> Page[Customer]:
    """A page of the organization's customers, newest first."""
    where = [col(Customer.organization_id) == actor.organization_id, *matching(search)]
    return await read_page(session, Customer, where, BY_CREATION, request)


async def count_customers(session: AsyncSession, actor: Actor, search: str | None) -> int:
    """How many the search finds."""
    statement = select(func.count()).where(
        col(Customer.organization_id) == actor.organization_id, *matching(search)
    )
    return (await session.exec(statement)).one()
