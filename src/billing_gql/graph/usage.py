"""Usage in the schema: ingest, quantities and the keys of groups."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import cast

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.graph.catalog import Feature
from billing_gql.graph.inputs import given
from billing_gql.graph.mutate import Info, outcome_of
from billing_gql.graph.problems import UserError, user_error
from billing_gql.graph.scalars import BigInt, Json
from billing_gql.kernel.problems import InvalidInput, Problem, TooManyItems
from billing_gql.observe.scope import note_events
from billing_gql.usage.ingest import IngestReport, NewEvent, ingest
from billing_gql.usage.meters import GroupKey
from billing_gql.usage.queries import Usage, UsageWindow

strawberry.enum(
    UsageWindow,
    description="How a span is cut: by the clock and calendar of the customer's zone.",
)

MAX_EVENTS = 1000


@strawberry.type(description="One key of a group and its value.")
class UsageGroupKey:
    """A dimension and what the group's events have there."""

    dimension: str
    value: str | None = strawberry.field(description="Null for events without the property.")


def group_keys(keys: Sequence[GroupKey], values: Sequence[str | None]) -> list[UsageGroupKey]:
    """The keys of a group with their values."""
    return [
        UsageGroupKey(dimension=key.dimension, value=value)
        for key, value in zip(keys, values, strict=True)
    ]


@strawberry.type(description="What a customer used of a feature.")
class UsageQuantity:
    """In one window and one group, where they were asked for."""

    feature: Feature
    window_start: datetime | None
    window_end: datetime | None
    keys: list[UsageGroupKey]
    quantity: Decimal
    event_count: BigInt

    @staticmethod
    def of(usage: Usage, keys: Sequence[GroupKey]) -> "UsageQuantity":
        return UsageQuantity(
            feature=Feature.of(usage.feature),
            window_start=usage.window.start if usage.window else None,
            window_end=usage.window.end if usage.window else None,
            keys=group_keys(keys, usage.values),
            quantity=usage.quantity,
            event_count=BigInt(usage.event_count),
        )


@strawberry.input(description="Exactly one of customerId and externalCustomerId.")
class UsageEventInput:
    """An event as it happened."""

    transaction_id: str
    customer_id: strawberry.ID | None = strawberry.UNSET
    external_customer_id: str | None = strawberry.UNSET
    external_subscription_id: str | None = strawberry.UNSET
    event_name: str
    timestamp: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Defaults to now."
    )
    source: str | None = strawberry.UNSET
    properties: Json | None = strawberry.UNSET

    def event(self) -> NewEvent:
        """The event for the writer; raises InvalidInput for properties that are no object."""
        properties = given(self.properties)
        if properties is not None and not isinstance(properties, dict):
            raise InvalidInput('Must be an object, like {"bytes": 512}.', ("properties",))
        return NewEvent(
            transaction_id=self.transaction_id,
            event_name=self.event_name,
            customer_id=given(self.customer_id),
            external_customer_id=given(self.external_customer_id),
            external_subscription_id=given(self.external_subscription_id),
            timestamp=given(self.timestamp),
            source=given(self.source),
            properties=cast("dict[str, object] | None", properties),
        )


@strawberry.input(
    description="1 to 1000 events. Good ones are stored even where others are refused."
)
class UsageEventsIngestInput:
    """A batch."""

    events: list[UsageEventInput]


@strawberry.type
class UsageEventsIngestPayload:
    """Every event is accepted, a duplicate, or refused by a userError with its position."""

    accepted_count: int
    duplicate_count: int = strawberry.field(
        description="Already stored under the same transactionId; not an error."
    )
    unmatched_count: int = strawberry.field(
        description="Accepted, but no feature meters the event's name yet."
    )
    user_errors: list[UserError]


@strawberry.type
class UsageMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Stores events; sending one again changes nothing.")
    async def usage_events_ingest(
        self, info: Info, input: UsageEventsIngestInput
    ) -> UsageEventsIngestPayload:
        context = info.context
        await context.renew()
        try:
            if not input.events:
                raise InvalidInput("Send at least one event.", ("events",))
            if len(input.events) > MAX_EVENTS:
                raise TooManyItems(
                    f"Send 1 to {MAX_EVENTS} events, not {len(input.events)}.", ("events",)
                )
            events: list[tuple[int, NewEvent]] = []
            refused: list[tuple[int, Problem]] = []
            for index, event in enumerate(input.events):
                try:
                    events.append((index, event.event()))
                except Problem as problem:
                    refused.append((index, problem))

            async def verb(session: AsyncSession) -> IngestReport:
                return await ingest(session, context.actor, events)

            report = await context.database.work(verb, outcome_of(info))
        except Problem as problem:
            return UsageEventsIngestPayload(
                accepted_count=0,
                duplicate_count=0,
                unmatched_count=0,
                user_errors=[user_error(problem)],
            )
        note_events(
            accepted=report.accepted,
            duplicates=report.duplicates,
            refused=len(refused) + len(report.refused),
        )
        return UsageEventsIngestPayload(
            accepted_count=report.accepted,
            duplicate_count=report.duplicates,
            unmatched_count=report.unmatched,
            user_errors=[
                user_error(problem.under("events", index))
                for index, problem in sorted(
                    [*refused, *report.refused], key=lambda refusal: refusal[0]
                )
            ],
        )
