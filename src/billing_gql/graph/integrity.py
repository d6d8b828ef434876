"""The integrity report in the schema."""

from datetime import datetime

import strawberry

from billing_gql.graph.mutate import Info
from billing_gql.integrity.report import integrity_report


@strawberry.type(description="Something in the books that does not hold.")
class IntegrityFinding:
    """Mirrors `integrity.check.Finding`."""

    code: str = strawberry.field(description="Which check found it; `docs/operate.md` lists them.")
    message: str
    subject_id: strawberry.ID | None = strawberry.field(
        description="The invoice, line, account or other row that it was found on."
    )


@strawberry.type(description="The organization's books, held against themselves.")
class IntegrityReport:
    """Mirrors `integrity.report.IntegrityReport`."""

    as_of: datetime = strawberry.field(description="The organization's present.")
    invoices_checked: int
    findings: list[IntegrityFinding] = strawberry.field(
        description="Empty where all is well; at most 1,000."
    )


@strawberry.type
class IntegrityQueries:
    """Fields of Query."""

    @strawberry.field(
        description="Checks the organization's books against themselves. No findings: all is well."
    )
    async def integrity_report(self, info: Info) -> IntegrityReport:
        async with info.context.reading() as session:
            report = await integrity_report(session, info.context.actor)
        return IntegrityReport(
            as_of=report.as_of,
            invoices_checked=report.invoices_checked,
            findings=[
                IntegrityFinding(
                    code=one.code,
                    message=one.message,
                    subject_id=None if one.subject_id is None else strawberry.ID(one.subject_id),
                )
                for one in report.findings
            ],
        )
