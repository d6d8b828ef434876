"""What an invoice is, in Python and in SQL, over every combination of the facts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from sqlalchemy import select
from sqlmodel import col

from billing_gql.customers.create import create_customer
from billing_gql.invoices.draft import new_invoice
from billing_gql.invoices.queries import is_overdue_sql, payment_status_sql
from billing_gql.invoices.states import (
    InvoiceStatus,
    PaymentState,
    Standing,
    available_actions,
    is_overdue,
    payment_status,
)
from billing_gql.invoices.tables import Invoice, Party
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.store.database import Database, run_sql

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TOTALS = ["0.00", "0.01", "10.00"]
PAID = ["0.00", "0.01", "5.00", "10.00", "15.00"]
CREDITED = ["0.00", "10.00"]
OVERDUE_AT = [None, NOW - SECOND, NOW, NOW + SECOND]
ATTEMPTS = [None, PaymentState.PROCESSING, PaymentState.FAILED]


def standings() -> Iterator[Standing]:
    for status, total, paid, credited, at, attempt in product(
        InvoiceStatus, TOTALS, PAID, CREDITED, OVERDUE_AT, ATTEMPTS
    ):
        if Decimal(credited) <= Decimal(total):
            due = Decimal(total) - Decimal(credited)
            yield Standing(status, due, Decimal(paid), Decimal(credited), at, last_attempt=attempt)


async def test_sql_tells_the_same_status_as_python(database: Database) -> None:
    async with database.transaction() as session:
        organization = await create_organization(
            session, name="States", mode=OrganizationMode.TEST, timezone="UTC", currency="USD"
        )
        actor = actor_of(organization)
        customer = await create_customer(session, actor, external_id="acme", name="Acme")
        wanted = {}
        for number, standing in enumerate(standings()):
            row = new_invoice(actor, customer)
            row.subtotal = row.total = standing.amount_due + standing.total_credited
            row.total_credited = standing.total_credited
            row.amount_paid = standing.amount_paid
            row.overdue_at = standing.overdue_at
            row.last_attempt = standing.last_attempt
            row.status = standing.status
            if standing.status is not InvoiceStatus.DRAFT:
                row.number = f"STA-{number}"
                row.issue_date = row.due_date = date(2026, 1, 1)
                row.finalized_at = NOW
                row.seller = row.buyer = Party(name="Someone")
            if standing.status is InvoiceStatus.VOIDED:
                row.voided_at = NOW
            session.add(row)
            wanted[row.id] = (payment_status(standing, NOW).value, is_overdue(standing, NOW))
        await session.flush()
        found = await run_sql(
            session,
            select(Invoice.id, payment_status_sql(NOW), is_overdue_sql(NOW)).where(  # type: ignore[call-overload] # SQLModel types a column as its value
                col(Invoice.organization_id) == organization.id
            ),
        )
        assert {row[0]: (row[1], row[2]) for row in found} == wanted
    assert len(wanted) == 960
    assert {status for status, _ in wanted.values()} == {
        "OVERPAID",
        "PAID",
        "PARTIALLY_PAID",
        "UNPAID",
        "PENDING",
        "FAILED",
    }


PAST, FUTURE = NOW - SECOND, NOW + SECOND


@pytest.mark.parametrize(
    ("status", "due", "paid", "overdue_at", "payment", "overdue"),
    [
        ("DRAFT", "0", "0", None, "PENDING", False),
        ("DRAFT", "10", "0", PAST, "PENDING", False),
        ("FINALIZED", "0", "0", PAST, "PAID", False),
        ("FINALIZED", "10", "0", FUTURE, "PENDING", False),
        ("FINALIZED", "10", "0", NOW, "UNPAID", True),
        ("FINALIZED", "10", "4", PAST, "PARTIALLY_PAID", True),
        ("FINALIZED", "10", "10", PAST, "PAID", False),
        ("FINALIZED", "10", "11", PAST, "OVERPAID", False),
        ("UNCOLLECTIBLE", "10", "0", FUTURE, "PENDING", False),
        ("UNCOLLECTIBLE", "10", "0", NOW, "UNPAID", True),
        ("UNCOLLECTIBLE", "10", "4", PAST, "PARTIALLY_PAID", True),
        ("VOIDED", "10", "0", PAST, "PENDING", False),
        ("VOIDED", "0", "0", None, "PENDING", False),
    ],
)
def test_the_status_of_a_payment_by_hand(
    status: str, due: str, paid: str, overdue_at: datetime | None, payment: str, overdue: bool
) -> None:
    standing = Standing(InvoiceStatus(status), Decimal(due), Decimal(paid), Decimal(0), overdue_at)
    assert payment_status(standing, NOW) == payment
    assert is_overdue(standing, NOW) is overdue


def test_what_remains_is_never_negative_and_nothing_once_voided() -> None:
    for standing in standings():
        remains = standing.amount_remaining
        assert remains == (
            max(standing.amount_due - standing.amount_paid, Decimal(0))
            if standing.status is not InvoiceStatus.VOIDED
            else 0
        )
        assert remains.as_tuple().exponent == -2


UNPAID = ["MARK_UNCOLLECTIBLE", "RECORD_PAYMENT"]
DRAFT_ACTIONS = ["UPDATE", "ADD_LINE_ITEM", "REFRESH", "FINALIZE", "DELETE"]


@pytest.mark.parametrize(
    ("status", "paid", "offset", "credited", "actions"),
    [
        ("DRAFT", "0", "0", "0", DRAFT_ACTIONS),
        ("FINALIZED", "0", "0", "0", ["UPDATE", "VOID", *UNPAID, "CREDIT"]),
        ("FINALIZED", "0.01", "0", "0", ["UPDATE", *UNPAID, "CREDIT"]),
        ("FINALIZED", "0", "0.02", "0.01", ["UPDATE", *UNPAID, "CREDIT"]),
        ("FINALIZED", "0", "0", "0.01", ["UPDATE", *UNPAID, "CREDIT"]),
        ("FINALIZED", "0", "0", "9", ["UPDATE", *UNPAID]),
        ("FINALIZED", "10", "0", "8.99", ["UPDATE", "RECORD_PAYMENT", "CREDIT"]),
        ("FINALIZED", "10", "0", "9", ["UPDATE", "RECORD_PAYMENT"]),
        ("UNCOLLECTIBLE", "0", "0", "0", ["UPDATE", "VOID", "RECORD_PAYMENT", "CREDIT"]),
        ("UNCOLLECTIBLE", "1", "0", "0", ["UPDATE", "RECORD_PAYMENT", "CREDIT"]),
        ("UNCOLLECTIBLE", "0", "0", "1", ["UPDATE", "RECORD_PAYMENT", "CREDIT"]),
        ("UNCOLLECTIBLE", "0", "0", "9", ["UPDATE", "RECORD_PAYMENT"]),
        ("VOIDED", "0", "0", "0", []),
    ],
)
def test_the_table_of_actions(
    status: str, paid: str, offset: str, credited: str, actions: list[str]
) -> None:
    """9 of the 10 that are due are creditable; the tenth is tax."""
    standing = Standing(
        InvoiceStatus(status),
        Decimal(10),
        Decimal(paid),
        Decimal(offset),
        None,
        creditable=Decimal(9),
        credited=Decimal(credited),
    )
    downloads = [] if status == "DRAFT" else ["DOWNLOAD"]
    assert available_actions(standing) == [*actions, *downloads]


@pytest.mark.parametrize(
    ("paid", "attempt", "method", "actions"),
    [
        ("0", None, True, {"VOID", "RETRY_PAYMENT"}),
        ("0", "FAILED", True, {"VOID", "RETRY_PAYMENT"}),
        ("0", "FAILED", False, {"VOID"}),
        ("0", "PROCESSING", True, set()),
        ("4", "SUCCEEDED", True, {"RETRY_PAYMENT"}),
        ("10", "SUCCEEDED", True, set()),
    ],
)
def test_the_actions_on_payments(
    paid: str, attempt: str | None, method: bool, actions: set[str]
) -> None:
    last = None if attempt is None else PaymentState(attempt)
    standing = Standing(
        InvoiceStatus.FINALIZED,
        Decimal(10),
        Decimal(paid),
        Decimal(0),
        None,
        last_attempt=last,
        has_payment_method=method,
    )
    remains = {"MARK_UNCOLLECTIBLE"} if Decimal(paid) < 10 else set()
    always = {"UPDATE", "RECORD_PAYMENT", "DOWNLOAD"}
    assert set(available_actions(standing)) == {*always, *remains, *actions}
    assert (payment_status(standing, NOW) == "FAILED") == (attempt == "FAILED")
