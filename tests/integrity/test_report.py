"""The integrity report finds each kind of damage, and nothing where there is none.

Damage is planted in a transaction that goes round the guards, the report is read in it, and all of
it is undone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.integrity.check import MAX_FINDINGS
from billing_gql.integrity.report import CHECKS, integrity_report
from billing_gql.kernel.actor import Actor
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.store.database import Database
from tests.integrity.damages import DAMAGES, GUARDED, UNCHECKED, Damage
from tests.integrity.story import rich_story
from tests.support import Api, assert_books_are_right, counted, new_organization

OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"


@dataclass(frozen=True)
class Story:
    """A company with a history, and the ids in it by name."""

    api: Api
    ids: Mapping[str, str]

    async def run(self, session: AsyncSession, *statements: str) -> list[str]:
        """Runs statements; the first column of the last one, if it has any."""
        found: list[str] = []
        for statement in statements:
            named = {name: one for name, one in self.ids.items() if f":{name}" in statement}
            result = await (await session.connection()).execute(text(statement), named)
            found = [row[0] for row in result] if result.returns_rows else []
        return found


@pytest.fixture(scope="module")
async def story(http: httpx.AsyncClient, database: Database) -> Story:
    api = await new_organization(http, database)
    ids = await rich_story(api)
    return Story(api, {**ids, "organization": api.organization_id})


async def actor(session: AsyncSession, api: Api) -> Actor:
    mine = select(Organization).where(Organization.id == api.organization_id)
    return actor_of((await session.exec(mine)).one())


async def test_the_books_of_a_rich_story_are_right(story: Story) -> None:
    assert await assert_books_are_right(story.api) == 31


async def test_a_company_without_anything_has_no_findings(api: Api) -> None:
    assert await assert_books_are_right(api) == 0


@pytest.mark.parametrize("damage", DAMAGES, ids=[one.name for one in DAMAGES])
async def test_damage_is_found_and_nothing_else(story: Story, other: Api, damage: Damage) -> None:
    session = AsyncSession(story.api.database.engine)
    async with session:
        guards = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in GUARDED]
        await story.run(session, *guards, *UNCHECKED, *damage.statements)
        report = await integrity_report(session, await actor(session, story.api))
        wanted = {
            (code, one) for code, rows in damage.found for one in await story.run(session, rows)
        }
        assert wanted
        found = [(one.code, one.subject_id) for one in report.findings]
        assert sorted(found, key=str) == sorted(wanted), report.findings
        assert (await integrity_report(session, await actor(session, other))).findings == ()
        await session.rollback()


def test_every_code_that_is_documented_is_planted() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", OPERATE.read_text(), re.MULTILINE)
    planted = {code for one in DAMAGES for code, _ in one.found}
    assert set(documented) == planted


async def test_the_report_over_http_shows_a_finding(api: Api, other: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10.00")
    damage = "UPDATE invoices SET subtotal = 11, total = 11 WHERE id = :id"
    async with api.database.engine.begin() as connection:
        await connection.execute(text(damage), {"id": invoice["id"]})
    data = await api.query(
        "{ integrityReport { asOf invoicesChecked findings { code message subjectId } } }"
    )
    report = data["integrityReport"]
    assert (report["asOf"], report["invoicesChecked"]) == ("2026-01-01T00:00:00Z", 1)
    assert [(one["code"], one["subjectId"]) for one in report["findings"]] == [
        ("INVOICE_SUBTOTAL", invoice["id"]),
        ("AMOUNT_DECIMALS", invoice["id"]),
    ]
    words = "The invoice says subtotal 11, and it should be 10.00."
    assert report["findings"][0]["message"] == words
    assert await assert_books_are_right(other) == 0


async def test_a_report_has_at_most_a_thousand_findings(story: Story) -> None:
    async with AsyncSession(story.api.database.engine) as session:
        await story.run(
            session,
            *[f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in GUARDED],
            """INSERT INTO ledger_entries (id, organization_id, customer_id, movement_id,
                 account_id, sequence, kind, reason, currency, amount, starting_balance,
                 ending_balance, created_at)
               SELECT 'ent_' || n, e.organization_id, e.customer_id, 'mov_' || n, e.account_id,
                 100 + 2 * n, e.kind, e.reason, e.currency, 1.00, 0.00, 1.00, e.created_at
               FROM generate_series(1, 1500) AS n, (
                 SELECT * FROM ledger_entries WHERE organization_id = :organization
                   AND kind = 'ADJUSTMENTS' ORDER BY id LIMIT 1) AS e""",
        )
        report = await integrity_report(session, await actor(session, story.api))
        assert len(report.findings) == MAX_FINDINGS
        assert {one.code for one in report.findings} == {"MOVEMENT"}
        await session.rollback()


async def test_the_number_of_statements_is_fixed(story: Story) -> None:
    counts = []
    for _ in range(2):
        with counted(story.api.database) as statements:
            assert await assert_books_are_right(story.api)
        counts.append(len(statements))
        await story.api.one_off({"id": story.ids["acme"]}, "1.00")
    # One a check, one more for the usage of lines and for what coupons took, two more for late
    # usage, one for the extent, one for the key.
    assert counts == [len(CHECKS) + 6] * 2
