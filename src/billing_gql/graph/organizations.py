"""Organizations in the schema: type, settings, test clock."""

from datetime import datetime
from typing import Self, cast

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.advance import advance_test_clock
from billing_gql.graph.address import Address, AddressInput
from billing_gql.graph.inputs import changes_of
from billing_gql.graph.mutate import Info, mutate, outcome_of
from billing_gql.graph.node import Node, entity
from billing_gql.graph.problems import UserError, user_error
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import Problem
from billing_gql.organizations import tables
from billing_gql.organizations.queries import actor_of, organization_of
from billing_gql.organizations.update import (
    MAY_BE_NULL,
    OrganizationChanges,
    update_organization,
)
from billing_gql.store.database import Outcome

OrganizationMode = strawberry.enum(
    tables.OrganizationMode, description="LIVE bills for real; TEST may set its own clock."
)
InvoiceNumbering = strawberry.enum(
    tables.InvoiceNumbering, description="Which series an invoice takes its number from."
)


@entity(description="The tenant that the API key opens.")
class Organization(Node):
    """Mirrors `organizations.tables.Organization`."""

    name: str
    mode: tables.OrganizationMode
    timezone: str = strawberry.field(
        description="IANA zone in which periods, days and due dates are cut."
    )
    default_currency: CurrencyCode
    invoice_prefix: str
    invoice_numbering: tables.InvoiceNumbering
    net_payment_term_days: int
    grace_period_days: int = strawberry.field(
        description="Days a subscription draft stays open for late events before it is finalized;"
        " 0 finalizes at once."
    )
    language: str = strawberry.field(
        description="Of the documents of customers that have none of their own, as BCP 47 has it."
        " Documents in a language that has no words here are in English."
    )
    email: str | None
    tax_identifier: str | None
    address: Address | None
    payment_instructions: str | None = strawberry.field(
        description="How to pay, as documents say it: a bank account, a reference."
    )
    now: datetime = strawberry.field(
        description="The organization's present: the wall clock, or the test clock where one is"
        " set (TEST only)."
    )

    @classmethod
    def of(cls, row: tables.Organization) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            mode=row.mode,
            timezone=row.timezone,
            default_currency=CurrencyCode(row.default_currency),
            invoice_prefix=row.invoice_prefix,
            invoice_numbering=row.invoice_numbering,
            net_payment_term_days=row.net_payment_term_days,
            grace_period_days=row.grace_period_days,
            language=row.language,
            email=row.email,
            tax_identifier=row.tax_identifier,
            address=None if row.address is None else Address.of(row.address),
            payment_instructions=row.payment_instructions,
            now=actor_of(row).now,
        )


@strawberry.input
class OrganizationUpdateInput:
    """What is left out stays; null empties what may be empty."""

    name: str | None = strawberry.UNSET
    timezone: str | None = strawberry.UNSET
    default_currency: CurrencyCode | None = strawberry.UNSET
    invoice_prefix: str | None = strawberry.UNSET
    invoice_numbering: tables.InvoiceNumbering | None = strawberry.UNSET
    net_payment_term_days: int | None = strawberry.UNSET
    grace_period_days: int | None = strawberry.UNSET
    language: str | None = strawberry.UNSET
    email: str | None = strawberry.UNSET
    tax_identifier: str | None = strawberry.UNSET
    address: AddressInput | None = strawberry.UNSET
    payment_instructions: str | None = strawberry.UNSET


@strawberry.type
class OrganizationUpdatePayload:
    """The organization as it is now."""

    organization: Organization | None
    user_errors: list[UserError]


@strawberry.input
class TestClockAdvanceInput:
    """Forward only."""

    to: datetime


@strawberry.type
class TestClockAdvancePayload:
    """The organization at its new present."""

    organization: Organization | None
    user_errors: list[UserError]


async def reread(info: Info) -> Organization:
    """The organization from the new snapshot; the request's present moves with it."""
    async with info.context.reading() as session:
        row = await organization_of(session, info.context.actor)
    info.context.enter(row)
    return Organization.of(row)


@strawberry.type
class OrganizationQueries:
    """Fields of Query."""

    @strawberry.field(description="The organization of the API key.")
    def organization(self, info: Info) -> Organization:
        return Organization.of(info.context.organization)


@strawberry.type
class OrganizationMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Changes settings; they hold for what is made from now on.")
    async def organization_update(
        self, info: Info, input: OrganizationUpdateInput
    ) -> OrganizationUpdatePayload:
        names = list(OrganizationChanges.__annotations__)
        never_null = [name for name in names if name not in MAY_BE_NULL]

        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            changes = changes_of(input, names, never_null=never_null)
            if isinstance(input.address, AddressInput):
                changes["address"] = input.address.address()
            organization = await update_organization(
                session, actor, cast("OrganizationChanges", changes)
            )
            return {"organization": organization.id}

        outcome = await mutate(info, input, verb)
        organization = await reread(info) if outcome.ids else None
        return OrganizationUpdatePayload(organization=organization, user_errors=outcome.errors)

    @strawberry.mutation(
        description="Moves a TEST organization's clock forward and does all that falls due on the"
        " way."
    )
    async def test_clock_advance(
        self, info: Info, input: TestClockAdvanceInput
    ) -> TestClockAdvancePayload:
        context = info.context
        await context.renew()
        note = outcome_of(info)
        note(Outcome.UNKNOWN)  # it is many transactions: stopped, it is done as far as it came
        try:
            await advance_test_clock(context.database, context.actor, input.to, context.providers)
            note(Outcome.DONE)
        except Problem as problem:
            return TestClockAdvancePayload(organization=None, user_errors=[user_error(problem)])
        return TestClockAdvancePayload(organization=await reread(info), user_errors=[])
