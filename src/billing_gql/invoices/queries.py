"""Reads invoices and their lines: by id, and in filtered, sorted pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Date,
    SQLColumnExpression,
    and_,
    case,
    func,
    literal_column,
    or_,
)
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Feature
from billing_gql.customers.queries import matching
from billing_gql.customers.tables import Customer
from billing_gql.invoices.states import (
    OWED,
    InvoiceStatus,
    InvoiceType,
    PaymentState,
    PaymentStatus,
)
from billing_gql.invoices.tables import Invoice, LineItem
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput
from billing_gql.store.columns import among, from_json
from billing_gql.store.pages import (
    Order,
    Page,
    PageRequest,
    contains,
    read_counts,
    read_page,
    read_pages,
)


class InvoiceSortField(StrEnum):
    """What a list of invoices may be sorted by. Drafts, which have no issue date, are newest."""

    ISSUE_DATE = "ISSUE_DATE"
    CREATED_AT = "CREATED_AT"
    DUE_DATE = "DUE_DATE"
    TOTAL = "TOTAL"


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What a list of invoices shows; what is None does not narrow it."""

    statuses: tuple[InvoiceStatus, ...] | None = None
    """Without it DRAFT and VOIDED are left out."""
    payment_statuses: tuple[PaymentStatus, ...] | None = None
    invoice_types: tuple[InvoiceType, ...] | None = None
    customer_id: str | None = None
    external_customer_id: str | None = None
    subscription_id: str | None = None
    currency: str | None = None
    issue_date_from: date | None = None
    issue_date_to: date | None = None
    due_date_from: date | None = None
    due_date_to: date | None = None
    total_from: Decimal | None = None
    total_to: Decimal | None = None
    is_overdue: bool | None = None
    metadata: str | None = None
    """A JSON object; an invoice must have each of its pairs."""
    search: str | None = None


NO_FILTER = InvoiceFilter()


async def invoices_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[Invoice]:
    """Those of the ids that are invoices here."""
    mine = Invoice.organization_id == actor.organization_id
    return (await session.exec(select(Invoice).where(mine, among(col(Invoice.id), ids)))).all()


async def find_invoice(
    session: AsyncSession, actor: Actor, invoice_id: str | None, number: str | None
) -> Invoice | None:
    """The invoice of exactly one of the two identifiers; raises InvalidInput for none or both."""
    if (invoice_id is None) == (number is None):
        raise InvalidInput("Give either an id or a number.")
    same = Invoice.id == invoice_id if number is None else Invoice.number == number
    mine = Invoice.organization_id == actor.organization_id
    return (await session.exec(select(Invoice).where(mine, same))).first()


async def lines_of_invoices(
    session: AsyncSession, actor: Actor, invoice_ids: Sequence[str]
) -> Sequence[tuple[LineItem, Feature | None]]:
    """The invoices' lines in order, with their features: a breakdown needs both."""
    rows = await session.exec(
        select(LineItem, Feature)
        .outerjoin(Feature, col(Feature.id) == col(LineItem.feature_id))
        .where(
            LineItem.organization_id == actor.organization_id,
            among(col(LineItem.invoice_id), invoice_ids),
        )
        .order_by(col(LineItem.invoice_id), col(LineItem.position), col(LineItem.id))
    )
    return [(row[0], row[1]) for row in rows]


async def lines_by_ids(
    session: AsyncSession, actor: Actor, ids: Sequence[str]
) -> Sequence[tuple[LineItem, Feature | None]]:
    """Those of the ids that are lines here, with their features."""
    rows = await session.exec(
        select(LineItem, Feature)
        .outerjoin(Feature, col(Feature.id) == col(LineItem.feature_id))
        .where(LineItem.organization_id == actor.organization_id, among(col(LineItem.id), ids))
    )
    return [(row[0], row[1]) for row in rows]


def order_of(field: InvoiceSortField, *, descending: bool) -> Order:
    """The list's order; each is an index of `invoices.tables`."""
    # A literal, as the indexes have it: a parameter would not match their expression.
    latest = literal_column("'infinity'::date", Date)
    first: SQLColumnExpression[object] = {
        InvoiceSortField.ISSUE_DATE: func.coalesce(col(Invoice.issue_date), latest),
        InvoiceSortField.CREATED_AT: col(Invoice.created_at),
        InvoiceSortField.DUE_DATE: func.coalesce(col(Invoice.due_date), latest),
        InvoiceSortField.TOTAL: col(Invoice.total),
    }[field]
    return Order((first, col(Invoice.id)), descending)


NEWEST = order_of(InvoiceSortField.ISSUE_DATE, descending=True)


async def page_of_invoices(
    session: AsyncSession,
    actor: Actor,
    filters: InvoiceFilter,
    order: Order,
    request: PageRequest,
) -> Page[Invoice]:
    """A page of the organization's invoices."""
    return await read_page(session, Invoice, conditions(actor, filters), order, request)


async def invoice_pages_by_customer(
    session: AsyncSession,
    actor: Actor,
    customer_ids: Sequence[str],
    filters: InvoiceFilter,
    request: PageRequest,
) -> dict[str, Page[Invoice]]:
    """The same page of each customer's invoices, newest first, through ix_invoices_customer."""
    parent = col(Invoice.customer_id)
    where = conditions(actor, filters)
    return await read_pages(session, Invoice, parent, customer_ids, where, NEWEST, request)


async def invoice_pages_by_subscription(
    session: AsyncSession,
    actor: Actor,
    subscription_ids: Sequence[str],
    filters: InvoiceFilter,
    request: PageRequest,
) -> dict[str, Page[Invoice]]:
    """The same page of each subscription's invoices, newest first."""
    parent = col(Invoice.subscription_id)
    where = conditions(actor, filters)
    return await read_pages(session, Invoice, parent, subscription_ids, where, NEWEST, request)


async def count_invoices(session: AsyncSession, actor: Actor, filters: InvoiceFilter) -> int:
    """How many the filter lets through; asked only where a client selects it."""
    statement = select(func.count()).select_from(Invoice).where(*conditions(actor, filters))
    return (await session.exec(statement)).one()


async def counts_by_customer(
    session: AsyncSession, actor: Actor, customer_ids: Sequence[str], filters: InvoiceFilter
) -> dict[str, int]:
    """How many of each customer's the filter lets through, in one statement."""
    return await read_counts(
        session, col(Invoice.customer_id), customer_ids, conditions(actor, filters)
    )


async def counts_by_subscription(
    session: AsyncSession, actor: Actor, subscription_ids: Sequence[str], filters: InvoiceFilter
) -> dict[str, int]:
    """How many of each subscription's the filter lets through, in one statement."""
    return await read_counts(
        session, col(Invoice.subscription_id), subscription_ids, conditions(actor, filters)
    )


def conditions(actor: Actor, filters: InvoiceFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL; the organization always."""
    statuses = filters.statuses
    if statuses is None:
        statuses = OWED
    where = [
        col(Invoice.organization_id) == actor.organization_id,
        col(Invoice.status).in_(statuses),
        *_equalities(filters),
        *_ranges(filters),
    ]
    if filters.payment_statuses is not None:
        where.append(payment_status_sql(actor.now).in_(filters.payment_statuses))
    if filters.is_overdue is not None:
        overdue = is_overdue_sql(actor.now)
        where.append(overdue if filters.is_overdue else ~overdue)
    if filters.metadata is not None:
        where.append(col(Invoice.metadata_).contains(from_json(filters.metadata)))
    if filters.external_customer_id is not None:
        where.append(_customers(actor, [col(Customer.external_id) == filters.external_customer_id]))
    if filters.search is not None:
        where.append(
            or_(
                contains(Invoice.number, filters.search),
                _customers(actor, matching(filters.search)),
            )
        )
    return where


def _equalities(filters: InvoiceFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if filters.invoice_types is not None:
        where.append(col(Invoice.invoice_type).in_(filters.invoice_types))
    for column, value in (
        (Invoice.customer_id, filters.customer_id),
        (Invoice.subscription_id, filters.subscription_id),
        (Invoice.currency, filters.currency),
    ):
        if value is not None:
            where.append(col(column) == value)
    return where


def _ranges(filters: InvoiceFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if filters.issue_date_from is not None:
        where.append(col(Invoice.issue_date) >= filters.issue_date_from)
    if filters.issue_date_to is not None:
        where.append(col(Invoice.issue_date) <= filters.issue_date_to)
    if filters.due_date_from is not None:
        where.append(col(Invoice.due_date) >= filters.due_date_from)
    if filters.due_date_to is not None:
        where.append(col(Invoice.due_date) <= filters.due_date_to)
    if filters.total_from is not None:
        where.append(col(Invoice.total) >= filters.total_from)
    if filters.total_to is not None:
        where.append(col(Invoice.total) <= filters.total_to)
    return where


def _customers(actor: Actor, where: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    found = select(Customer.id).where(
        col(Customer.organization_id) == actor.organization_id, *where
    )
    return col(Invoice.customer_id).in_(found)


def is_overdue_sql(now: datetime) -> ColumnElement[bool]:
    """`states.is_overdue` as SQL."""
    return and_(
        col(Invoice.status).in_(OWED),
        col(Invoice.amount_due) > col(Invoice.amount_paid),
        func.coalesce(col(Invoice.overdue_at) <= now, False),
    )


def payment_status_sql(now: datetime) -> ColumnElement[str]:
    """`states.payment_status` as SQL, in the same order."""
    due, paid = col(Invoice.amount_due), col(Invoice.amount_paid)
    return case(
        (paid > due, PaymentStatus.OVERPAID.value),
        (
            and_(col(Invoice.status).in_(OWED), due <= paid),
            PaymentStatus.PAID.value,
        ),
        (paid > 0, PaymentStatus.PARTIALLY_PAID.value),
        (
            func.coalesce(col(Invoice.last_attempt) == PaymentState.FAILED, False),
            PaymentStatus.FAILED.value,
        ),
        (is_overdue_sql(now), PaymentStatus.UNPAID.value),
        else_=PaymentStatus.PENDING.value,
    )
