"""Subscriptions in the schema."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.billing_runs.cancel import CancelAt, cancel_subscription
from billing_gql.billing_runs.change_plan import change_plan
from billing_gql.graph.catalog import Plan, plan_of
from billing_gql.graph.connections import Connection, page_request, write_cursor
from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.inputs import given
from billing_gql.graph.loaders import PageKey
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.problems import UserError
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.subscriptions import queries, states, tables
from billing_gql.subscriptions.create import create_subscription

if TYPE_CHECKING:
    from billing_gql.graph.invoice_lists import InvoiceConnection

strawberry.enum(states.SubscriptionStatus, description="What a subscription is now.")
strawberry.enum(
    states.BillingAnchor,
    description="CALENDAR: periods follow the calendar of the customer's zone, the first one"
    " partial; ANNIVERSARY: periods follow the first billed day, as 31 January, 28 February, 31"
    " March.",
)
strawberry.enum(
    CancelAt,
    name="SubscriptionCancelAt",
    description="NOW bills up to this instant; PERIOD_END lets the period run out.",
)

LazyInvoices = Annotated["InvoiceConnection", strawberry.lazy("billing_gql.graph.invoice_lists")]


@entity(description="A customer on a plan.")
class Subscription(Node):
    """Mirrors `subscriptions.tables.Subscription`."""

    external_id: str
    status: states.SubscriptionStatus
    billing_anchor: states.BillingAnchor
    started_at: datetime
    trial_ends_at: datetime | None = strawberry.field(
        description="Until then nothing is billed; null without a trial."
    )
    ended_at: datetime | None
    cancels_at: datetime | None = strawberry.field(
        description="When it ends, after a cancellation at the period's end."
    )
    row: strawberry.Private[tables.Subscription]
    customer_id: strawberry.Private[str]
    plan_id: strawberry.Private[str]

    @strawberry.field(description="Who is on the plan.")
    async def customer(self, info: Info) -> Customer:
        return kept(await customer_of(info, self.customer_id))

    @strawberry.field(description="The price list.")
    async def plan(self, info: Info) -> Plan:
        return kept(await plan_of(info, self.plan_id))

    @strawberry.field(description="The plan from the next period on; null unless it changes.")
    async def pending_plan(self, info: Info) -> Plan | None:
        return await plan_of(info, self.row.pending_plan_id)

    @strawberry.field(description="Null before the subscription starts and after its end.")
    async def current_period_start(self, info: Info) -> datetime | None:
        current = await _current_period(info, self.row)
        return current.start if current else None

    @strawberry.field(description="Exclusive.")
    async def current_period_end(self, info: Info) -> datetime | None:
        current = await _current_period(info, self.row)
        return current.end if current else None

    @strawberry.field(description="Newest first, without drafts and voided ones.")
    async def invoices(
        self, info: Info, first: int | None = 25, after: str | None = strawberry.UNSET
    ) -> LazyInvoices:
        from billing_gql.graph.invoice_lists import invoices_of_subscription

        return await invoices_of_subscription(info, self.id, first, given(after))

    @strawberry.field(description="Why the last try to bill it failed; null when all is well.")
    async def billing_problem(self, info: Info) -> str | None:
        return await info.context.loaders.billing_problems.load(self.id)

    @classmethod
    def of(cls, row: tables.Subscription, now: datetime) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            external_id=row.external_id,
            status=row.status(now),
            billing_anchor=row.billing_anchor,
            started_at=row.started_at,
            trial_ends_at=row.trial_ends_at,
            ended_at=row.ended_at,
            cancels_at=row.cancels_at,
            row=row,
            customer_id=row.customer_id,
            plan_id=row.plan_id,
        )


async def _current_period(info: Info, row: tables.Subscription) -> Period | None:
    now = info.context.actor.now
    plan = await info.context.loaders.plans.load(row.plan_id)
    return None if plan is None else row.current_period(now, plan.billing_period)


@strawberry.type
class SubscriptionConnection(Connection[Subscription]):
    """A page of subscriptions."""


@strawberry.input
class SubscriptionCreateInput:
    """The plan must be in the customer's currency."""

    customer_id: strawberry.ID
    plan_id: strawberry.ID
    external_id: str | None = strawberry.UNSET
    started_at: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description="Defaults to now; may lie in the past or the future.",
    )
    billing_anchor: states.BillingAnchor = states.BillingAnchor.CALENDAR
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class SubscriptionCreatePayload:
    """The new subscription."""

    subscription: Subscription | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class SubscriptionChangePlanInput:
    """The new plan must be in the customer's currency."""

    subscription_id: strawberry.ID
    plan_id: strawberry.ID
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class SubscriptionChangePlanPayload:
    """The subscription on its new plan, or with it pending."""

    subscription: Subscription | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class SubscriptionCancelInput:
    """When it ends."""

    subscription_id: strawberry.ID
    at: CancelAt = CancelAt.PERIOD_END
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class SubscriptionCancelPayload:
    """The subscription with its end."""

    subscription: Subscription | None
    user_errors: list[UserError]
    replayed: bool


SUBSCRIPTIONS = "subscriptions"


async def subscription_of(info: Info, subscription_id: str | None) -> Subscription | None:
    """The subscription through its loader; None for no id."""
    if subscription_id is None:
        return None
    row = await info.context.loaders.subscriptions.load(subscription_id)
    return None if row is None else Subscription.of(row, info.context.actor.now)


async def subscriptions_of_customer(
    info: Info, customer_id: str, first: int | None, after: str | None
) -> SubscriptionConnection:
    """A page of a customer's subscriptions, batched with other customers' same pages."""
    context = info.context
    request = page_request(tuple[datetime, str], SUBSCRIPTIONS, first=first, after=after)
    page = await context.loaders.subscriptions_of_customer.load(PageKey(customer_id, request))

    return SubscriptionConnection.of(
        page.map(lambda row: Subscription.of(row, context.actor.now)),
        lambda node: write_cursor(SUBSCRIPTIONS, (node.started_at, node.id)),
        lambda: context.loaders.subscription_count.load(customer_id),
    )


@strawberry.type
class SubscriptionQueries:
    """Fields of Query."""

    @strawberry.field(description="By exactly one of id and externalId.")
    async def subscription(
        self,
        info: Info,
        id: strawberry.ID | None = strawberry.UNSET,
        external_id: str | None = strawberry.UNSET,
    ) -> Subscription | None:
        async with info.context.reading() as session:
            row = await queries.find_subscription(
                session, info.context.actor, given(id), given(external_id)
            )
        return None if row is None else Subscription.of(row, info.context.actor.now)


@strawberry.type
class SubscriptionMutations:
    """Fields of Mutation."""

    @strawberry.mutation(
        description="Starts a subscription; past periods are billed by the next billing run."
    )
    async def subscription_create(
        self, info: Info, input: SubscriptionCreateInput
    ) -> SubscriptionCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            subscription = await create_subscription(
                session,
                actor,
                customer_id=input.customer_id,
                plan_id=input.plan_id,
                external_id=given(input.external_id),
                started_at=given(input.started_at),
                billing_anchor=input.billing_anchor,
            )
            return {"subscription": subscription.id}

        outcome = await mutate(info, input, verb)
        return SubscriptionCreatePayload(
            subscription=await subscription_of(info, outcome.ids.get("subscription")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(
        description="Moves a subscription to another plan. One whose fixed prices cost more in a"
        " year holds from today on: the rest of the old fee is credited and the new one charged by"
        " days, on one PRORATION invoice. Any other holds from the next period on; the present plan"
        " takes such a coming change back."
    )
    async def subscription_change_plan(
        self, info: Info, input: SubscriptionChangePlanInput
    ) -> SubscriptionChangePlanPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            changed = await change_plan(session, actor, input.subscription_id, input.plan_id)
            return {"subscription": changed.id}

        outcome = await mutate(info, input, verb)
        return SubscriptionChangePlanPayload(
            subscription=await subscription_of(info, outcome.ids.get("subscription")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(
        description="Cancels a subscription. NOW drafts a last invoice for the usage and fees up to"
        " this instant and credits what is unused of fees paid in advance."
    )
    async def subscription_cancel(
        self, info: Info, input: SubscriptionCancelInput
    ) -> SubscriptionCancelPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            cancelled = await cancel_subscription(session, actor, input.subscription_id, input.at)
            return {"subscription": cancelled.id}

        outcome = await mutate(info, input, verb)
        return SubscriptionCancelPayload(
            subscription=await subscription_of(info, outcome.ids.get("subscription")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
