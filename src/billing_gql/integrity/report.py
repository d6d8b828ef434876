"""The integrity report: an organization's books held against themselves."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.integrity import (
    amounts,
    discounts,
    ledger,
    lines,
    metering,
    owed_back,
    rating,
    series,
    settled,
)
from billing_gql.integrity.check import MAX_FINDINGS, Books, Check, Finding
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import currency_decimals
from billing_gql.store.database import run_sql

CHECKS: tuple[Check, ...] = (
    amounts.sums,
    amounts.decimals,
    amounts.currencies,
    amounts.discounts,
    discounts.bounds,
    discounts.shares,
    discounts.uses,
    amounts.taxes,
    amounts.tax_shares,
    lines.workings,
    lines.ratings,
    rating.from_usage,
    owed_back.owed,
    owed_back.given_back,
    ledger.movements,
    ledger.chains,
    ledger.accounts,
    ledger.wallets,
    ledger.invoices,
    ledger.bought,
    settled.payments,
    settled.credited,
    settled.notes,
    settled.refunds_of_notes,
    settled.refunds_of_payments,
    settled.numbers,
    series.numbers,
    series.periods_once,
    series.periods_all,
    metering.quantities,
    metering.billed_once,
    metering.days,
    metering.hours,
)
"""In the order of the report."""

_EXTENT = text("""
SELECT (SELECT count(*) FROM invoices WHERE organization_id = :organization) AS invoices,
       ARRAY(SELECT DISTINCT currency FROM customers WHERE organization_id = :organization
             UNION SELECT DISTINCT currency FROM invoices WHERE organization_id = :organization)
         AS currencies
""")


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """What does not hold; nothing where all is well."""

    as_of: datetime
    invoices_checked: int
    findings: tuple[Finding, ...]


async def integrity_report(session: AsyncSession, actor: Actor) -> IntegrityReport:
    """The report as of the session's snapshot: at most 1,000 findings, the first ones.

    A fixed number of statements, each of which must end within the statement time limit. What a
    check reads grows with the organization, but for those that take the newest lines or events;
    `docs/operate.md` has the costs.
    """
    extent = (await run_sql(session, _EXTENT, {"organization": actor.organization_id})).one()
    books = Books(actor, {one: currency_decimals(one) for one in sorted(extent.currencies)})
    findings: list[Finding] = []
    for check in CHECKS:
        findings += await check(session, books)
    return IntegrityReport(actor.now, extent.invoices, tuple(findings[:MAX_FINDINGS]))
