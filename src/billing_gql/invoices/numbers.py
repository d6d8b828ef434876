"""Numbers of invoices and credit notes: gapless in their series, never reused."""

from datetime import date

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.organizations.tables import InvoiceNumbering, Organization
from billing_gql.store.series import next_number


async def take_number(
    session: AsyncSession, organization: Organization, customer: Customer, issued: date
) -> str:
    """The next number, taken last in the transaction: a failure leaves no gap.

    PER_CUSTOMER: prefix, the customer's number, the customer's invoice: ACM-001-001.
    PER_ORGANIZATION: prefix, the month of issue, the organization's invoice: ACM-202601-001.
    """
    if organization.invoice_numbering is InvoiceNumbering.PER_CUSTOMER:
        number = await next_number(session, organization.id, f"invoices of {customer.id}")
        return f"{organization.invoice_prefix}-{customer.sequence:03}-{number:03}"
    number = await next_number(session, organization.id, "invoices")
    return f"{organization.invoice_prefix}-{issued:%Y%m}-{number:03}"


async def take_credit_note_number(session: AsyncSession, organization: Organization) -> str:
    """The next number of the organization's credit notes, whatever its invoices' are: ACM-CN-001.

    Taken last in the transaction, like an invoice's.
    """
    number = await next_number(session, organization.id, "credit notes")
    return f"{organization.invoice_prefix}-CN-{number:03}"
