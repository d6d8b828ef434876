"""Changes an organization's settings."""

import re
from typing import TypedDict

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.address import Address
from billing_gql.kernel.problems import InvalidInput
from billing_gql.organizations.queries import lock_organization
from billing_gql.organizations.tables import InvoiceNumbering, Organization

MAX_INSTRUCTIONS = 1_000


class OrganizationChanges(TypedDict, total=False):
    """What may be changed; what is absent stays."""

    name: str
    timezone: str
    default_currency: str
    invoice_prefix: str
    invoice_numbering: InvoiceNumbering
    net_payment_term_days: int
    grace_period_days: int
    language: str
    email: str | None
    tax_identifier: str | None
    address: Address | None
    payment_instructions: str | None


MAY_BE_NULL = ("email", "tax_identifier", "address", "payment_instructions")


async def update_organization(
    session: AsyncSession, actor: Actor, changes: OrganizationChanges
) -> Organization:
    """Stores the changes; they hold for what is made from now on."""
    organization = await lock_organization(session, actor)
    if "name" in changes:
        organization.name = checks.text(changes["name"], "name")
    if "timezone" in changes:
        organization.timezone = checks.timezone(changes["timezone"], "timezone")
    if "default_currency" in changes:
        organization.default_currency = checks.currency(
            changes["default_currency"], "defaultCurrency"
        )
    if "invoice_prefix" in changes:
        organization.invoice_prefix = _prefix(changes["invoice_prefix"])
    if "invoice_numbering" in changes:
        organization.invoice_numbering = changes["invoice_numbering"]
    if "net_payment_term_days" in changes:
        organization.net_payment_term_days = checks.whole_days(
            changes["net_payment_term_days"], "netPaymentTermDays", most=365
        )
    if "grace_period_days" in changes:
        organization.grace_period_days = checks.whole_days(
            changes["grace_period_days"], "gracePeriodDays", most=90
        )
    _change_letterhead(organization, changes)
    await session.flush()
    return organization


def _change_letterhead(organization: Organization, changes: OrganizationChanges) -> None:
    """What documents say of the seller, and their language."""
    if "language" in changes:
        organization.language = checks.language(changes["language"], "language")
    if "email" in changes:
        organization.email = checks.email(changes["email"], "email")
    if "tax_identifier" in changes:
        organization.tax_identifier = checks.optional_text(
            changes["tax_identifier"], "taxIdentifier"
        )
    if "address" in changes:
        organization.address = checks.address(changes["address"], "address")
    if "payment_instructions" in changes:
        organization.payment_instructions = checks.optional_text(
            changes["payment_instructions"], "paymentInstructions", most=MAX_INSTRUCTIONS
        )


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{1,10}", value):
        raise InvalidInput("Must be 1 to 10 capital letters or digits.", ("invoicePrefix",))
    return value
