"""What tests say to the service, in few words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from graphql import GraphQLSchema, build_schema
from sqlalchemy import event, text
from sqlmodel import SQLModel

from billing_gql.organizations.create import create_key, create_organization
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.store.database import Database

Json = dict[str, Any]
"""An answer: tests look into it freely, and a wrong shape fails them."""

SCHEMA_FILE = Path(__file__).parents[1] / "schema.graphql"
FEDERATION = """
directive @link(url: String!, import: [String!]) on SCHEMA
directive @key(fields: String!) on OBJECT
directive @shareable on OBJECT
"""
"""What `@link` imports: a subgraph's schema does not define it."""
ERRORS = """userErrors { __typename code message field
  ... on InvoiceStateError { status paymentStatus availableActions } }"""
INVOICE = """id number status paymentStatus total subtotal amountDue amountRemaining
  availableActions issueDate dueDate memo metadata periodStart periodEnd
  lineItems { id type name quantity unitAmount amount total eventCount }"""
ERROR_TYPES = {
    "NOT_FOUND": "NotFoundError",
    "ALREADY_EXISTS": "AlreadyExistsError",
    "IDEMPOTENCY_MISMATCH": "IdempotencyMismatchError",
}
"""The type of a userError by its code; the others are InvalidInputError."""


@dataclass
class Api:
    """An organization and its key."""

    http: httpx.AsyncClient
    database: Database
    organization_id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def post(self, query: str, variables: Mapping[str, object] | None = None) -> Json:
        """The whole answer, errors and all; what every answer has in `extensions` is looked at
        and taken out."""
        response = await self.http.post(
            "/graphql", json={"query": query, "variables": variables or {}}, headers=self.headers
        )
        answer: Json = response.json()
        extensions = answer.pop("extensions", {"cost": {"requested": 0, "limit": 0}})
        assert set(extensions) == {"cost"}
        assert set(extensions["cost"]) == {"requested", "limit"}
        return answer

    async def query(self, query: str, variables: Mapping[str, object] | None = None) -> Json:
        """The data; an error fails the test."""
        answer = await self.post(query, variables)
        assert "errors" not in answer, answer["errors"]
        data: Json = answer["data"]
        return data

    async def mutate(self, name: str, selection: str, /, **values: object) -> Json:
        """The payload of one mutation field, its userErrors selected too."""
        kind = name[0].upper() + name[1:] + "Input"
        data = await self.query(
            f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {selection} {ERRORS} }} }}",
            {"input": values},
        )
        payload: Json = data[name]
        return payload

    async def done(self, name: str, selection: str, /, **values: object) -> Json:
        """The payload of a mutation that must succeed."""
        payload = await self.mutate(name, selection, **values)
        assert payload["userErrors"] == [], payload["userErrors"]
        return payload

    async def refused(
        self,
        name: str,
        selection: str,
        code: str,
        field: list[str] | None,
        words: str,
        /,
        **values: object,
    ) -> Json:
        """The only userError of a mutation that must be refused and must store nothing."""
        before = await self.stored()
        payload = await self.mutate(name, selection, **values)
        assert await self.stored() == before
        (error,) = payload.pop("userErrors")
        assert (error["code"], error["field"]) == (code, field), error
        assert words in error["message"]
        if "status" not in error:
            assert error["__typename"] == ERROR_TYPES.get(code, "InvalidInputError")
        assert payload.pop("replayed", False) is False
        assert set(payload.values()) == {None}, payload
        found: Json = error
        return found

    async def stored(self) -> set[tuple[str, str]]:
        """Every row of the organization, by table."""
        tables = [one for one in SQLModel.metadata.sorted_tables if "organization_id" in one.c]
        rows = " UNION ALL ".join(
            [
                "SELECT 'organizations', to_jsonb(t)::text FROM organizations t WHERE id = :id",
                *(
                    f"SELECT '{one.name}', to_jsonb(t)::text FROM {one.name} t"
                    " WHERE organization_id = :id"
                    for one in tables
                ),
            ]
        )
        async with self.database.engine.connect() as connection:
            found = await connection.execute(text(rows), {"id": self.organization_id})
            return {(row[0], row[1]) for row in found}

    async def customer(self, external_id: str = "acme", /, **values: object) -> Json:
        """A new customer."""
        values = {"externalId": external_id, "name": external_id.title(), **values}
        payload = await self.done("customerCreate", "customer { id externalId }", **values)
        customer: Json = payload["customer"]
        return customer

    async def feature(self, key: str, aggregation: str = "COUNT", /, **values: object) -> Json:
        """A new feature."""
        values = {"key": key, "name": key, "aggregation": aggregation, **values}
        feature: Json = (await self.done("featureCreate", "feature { id key }", **values))[
            "feature"
        ]
        return feature

    async def plan(self, key: str, prices: Sequence[object], /, **values: object) -> Json:
        """A new monthly plan."""
        values = {
            "key": key,
            "name": key,
            "currency": "USD",
            "billingPeriod": "MONTHLY",
            "prices": prices,
            **values,
        }
        plan: Json = (await self.done("planCreate", "plan { id key }", **values))["plan"]
        return plan

    async def subscription(self, customer: Json, plan: Json, /, **values: object) -> Json:
        """A new subscription, from the organization's present unless said otherwise."""
        values = {"customerId": customer["id"], "planId": plan["id"], **values}
        payload = await self.done("subscriptionCreate", "subscription { id externalId }", **values)
        subscription: Json = payload["subscription"]
        return subscription

    async def ingest(self, *events: Mapping[str, object]) -> Json:
        """Sends events; the payload with its counts."""
        return await self.mutate(
            "usageEventsIngest",
            "acceptedCount duplicateCount unmatchedCount",
            events=list(events),
        )

    async def advance(self, to: str) -> None:
        """Moves the test clock."""
        await self.done("testClockAdvance", "organization { now }", to=to)

    async def one_off(self, customer: Json, *amounts: str, **values: object) -> Json:
        """A draft with a line an amount."""
        lines = [{"name": f"Line {n}", "amount": amount} for n, amount in enumerate(amounts, 1)]
        values = {"customerId": customer["id"], "lineItems": lines, **values}
        payload = await self.done("invoiceCreate", f"invoice {{ {INVOICE} }}", **values)
        invoice: Json = payload["invoice"]
        return invoice

    async def invoices(
        self, selection: str = INVOICE, statuses: str = "DRAFT", sort: str = "field: ISSUE_DATE"
    ) -> list[Json]:
        """All invoices of these statuses, newest first, read in pages that any selection can have
        within the limit of costs."""
        nodes: list[Json] = []
        after = None
        while True:
            data = await self.query(
                f"""query ($after: String) {{
                  invoices(first: 40, after: $after, filter: {{statuses: [{statuses}]}},
                           sort: {{{sort}}}) {{
                    pageInfo {{ hasNextPage endCursor }} nodes {{ {selection} }} }} }}""",
                {"after": after},
            )
            nodes += data["invoices"]["nodes"]
            after = data["invoices"]["pageInfo"]["endCursor"]
            if not data["invoices"]["pageInfo"]["hasNextPage"]:
                return nodes


async def assert_books_are_right(api: Api) -> int:
    """The integrity report must have found nothing; how many invoices it looked at."""
    data = await api.query(
        "{ integrityReport { asOf invoicesChecked findings { code message subjectId } } }"
    )
    report = data["integrityReport"]
    assert report["findings"] == []
    checked: int = report["invoicesChecked"]
    return checked


async def new_organization(
    http: httpx.AsyncClient,
    database: Database,
    *,
    name: str = "Acme",
    mode: OrganizationMode = OrganizationMode.TEST,
    timezone: str = "UTC",
    currency: str = "USD",
    clock: datetime | None = datetime(2026, 1, 1, tzinfo=UTC),  # a constant
) -> Api:
    """A new organization with a key."""
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name=name,
            mode=mode,
            timezone=timezone,
            currency=currency,
            clock=clock if mode is OrganizationMode.TEST else None,
        )
        key = await create_key(session, organization)
    return Api(http, database, organization.id, key)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that the database runs meanwhile."""
    statements: list[str] = []

    def remember(*args: Any) -> None:
        statements.append(args[2])

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", remember)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", remember)


def schema_of_the_file() -> GraphQLSchema:
    """What `schema.graphql` says."""
    return build_schema(SCHEMA_FILE.read_text() + FEDERATION)
