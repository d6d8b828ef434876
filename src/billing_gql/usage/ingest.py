"""Stores events, their roll-ups and late marks: the one writer behind GraphQL, HTTP and the CLI."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import or_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.queries import all_features
from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.customers.tables import Customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import start_of_day
from billing_gql.kernel.problems import AlreadyExists, InvalidInput, NotFound, Problem
from billing_gql.store.columns import among, to_json
from billing_gql.store.database import run_sql
from billing_gql.usage.meters import metered_number, metered_text
from billing_gql.usage.rollups import finished, roll_up

MAX_PROPERTIES_BYTES = 16_384


class NewEvent(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """An event as the caller sends it."""

    transaction_id: str
    event_name: str
    customer_id: str | None = None
    external_customer_id: str | None = None
    external_subscription_id: str | None = None
    timestamp: datetime | None = None
    source: str | None = None
    properties: dict[str, object] | None = None


@dataclass(slots=True)
class IngestReport:
    """What became of a batch. Its events are exactly accepted, duplicate or refused."""

    accepted: int = 0
    duplicates: int = 0
    unmatched: int = 0
    """Accepted events whose name no feature meters yet."""
    refused: list[tuple[int, Problem]] = field(default_factory=list)
    """Position in the batch, and why, in the batch's order."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A good event, with whom it belongs to."""

    index: int
    event: NewEvent
    customer_id: str
    subscription_id: str | None
    generation: int
    timestamp: datetime
    properties: str


_COLUMNS = """
  unnest(CAST(:transaction_id AS text[]), CAST(:customer_id AS text[]),
         CAST(:subscription_id AS text[]), CAST(:event_name AS text[]),
         CAST(:timestamp AS timestamptz[]), CAST(:timed AS boolean[]), CAST(:source AS text[]),
         CAST(:properties AS text[]), CAST(:generation AS int[]))
  AS i (transaction_id, customer_id, subscription_id, event_name, timestamp, timed, source,
        properties, generation)
"""

_STORE = text(
    f"""
WITH stored AS (
  INSERT INTO usage_events (organization_id, transaction_id, customer_id, subscription_id,
    event_name, timestamp, source, properties, generation, received_at)
  SELECT :organization, i.transaction_id, i.customer_id, i.subscription_id, i.event_name,
         i.timestamp, i.source, CAST(i.properties AS jsonb), i.generation, :now
  FROM {_COLUMNS}
  ORDER BY i.transaction_id COLLATE "C"
  ON CONFLICT (organization_id, transaction_id) DO NOTHING
  RETURNING *
), {roll_up("stored")}, late AS (
  INSERT INTO late_usage (organization_id, customer_id, event_name, day, generation)
  SELECT DISTINCT e.organization_id, e.customer_id, e.event_name,
         date_trunc('day', e.timestamp, 'UTC') AS day, e.generation
  FROM stored AS e
  JOIN customers AS c ON c.id = e.customer_id AND e.timestamp < c.billed_until
  WHERE {finished("daily")}
  -- In one order too: of two batches with one mark the second waits for the first.
  ORDER BY customer_id, event_name, day, generation
  ON CONFLICT DO NOTHING
)
SELECT transaction_id FROM stored
"""
)

# A timestamp that the caller left out says nothing, and so does not make another event.
_COMPARE = text(
    f"""
SELECT i.transaction_id,
       e.customer_id = i.customer_id AND e.event_name = i.event_name
       AND e.subscription_id IS NOT DISTINCT FROM i.subscription_id
       AND e.source IS NOT DISTINCT FROM i.source
       AND e.properties = CAST(i.properties AS jsonb)
       AND (NOT i.timed OR e.timestamp = i.timestamp)
FROM {_COLUMNS}
JOIN usage_events AS e
  ON e.organization_id = :organization AND e.transaction_id = i.transaction_id
"""
)


async def ingest(
    session: AsyncSession, actor: Actor, events: Iterable[tuple[int, NewEvent]]
) -> IngestReport:
    """Stores the good events, each once, with their roll-ups; reports the others by position.

    An event from before its customer's `billed_until` leaves a mark in `late_usage`.

    Concurrent callers: other ingests (rows are written in one order), `featureCreate` (waits for
    the organization's row), draft and finalize (wait for the customer's row, which is locked
    here: an event is stored either before the usage is taken or with a later generation).
    """
    report = IngestReport()
    batch = list(events)
    await run_sql(
        session,
        text("SELECT 1 FROM organizations WHERE id = :id FOR KEY SHARE"),
        {"id": actor.organization_id},
    )
    context = await _read_context(session, actor, [event for _, event in batch])
    checked: dict[str, _Checked] = {}
    repeats: list[_Checked] = []
    for index, event in batch:
        try:
            good = _check(index, event, actor, context)
            first = checked.setdefault(event.transaction_id, good)
            if first is not good:
                _require_same(first, good)
                repeats.append(good)
        except Problem as problem:
            report.refused.append((index, problem))
    if checked:
        await _store(session, actor, checked, repeats, context, report)
    report.refused.sort(key=lambda refusal: refusal[0])
    return report


@dataclass(frozen=True, slots=True)
class _Context:
    """What the events of a batch refer to: features by event name, the rest by identifier."""

    features: Mapping[str, Sequence[Feature]]
    customers: Mapping[str, Customer]
    external_customers: Mapping[str, Customer]
    subscriptions: Mapping[str, "_Named"]


@dataclass(frozen=True, slots=True)
class _Named:
    """A subscription that an event may name, by its external id, and the time that it bills."""

    id: str
    customer_id: str
    first_instant: datetime
    ends_at: datetime | None


async def _read_context(
    session: AsyncSession, actor: Actor, events: Sequence[NewEvent]
) -> _Context:
    features: dict[str, list[Feature]] = {}
    for feature in await all_features(session, actor):
        features.setdefault(feature.event_name, []).append(feature)
    ids = {event.customer_id for event in events if event.customer_id is not None}
    external_ids = {
        event.external_customer_id for event in events if event.external_customer_id is not None
    }
    # Shared, and in id order: ingests run side by side, a draft or finalize of the customer waits.
    customers = (
        await session.exec(
            select(Customer)
            .where(
                Customer.organization_id == actor.organization_id,
                or_(among(col(Customer.id), ids), among(col(Customer.external_id), external_ids)),
            )
            .order_by(col(Customer.id))
            .with_for_update(read=True)
        )
    ).all()
    named = {
        event.external_subscription_id
        for event in events
        if event.external_subscription_id is not None
    }
    subscriptions: dict[str, _Named] = {}
    if named:
        # By the table's name: its slice is built upon this one.
        rows = await run_sql(
            session,
            text(
                "SELECT external_id, id, customer_id, started_at, timezone,"
                " coalesce(ended_at, cancels_at) AS ends_at FROM subscriptions"
                " WHERE organization_id = :organization AND external_id = ANY(:named)"
            ),
            {"organization": actor.organization_id, "named": sorted(named)},
        )
        subscriptions = {
            row.external_id: _Named(
                row.id,
                row.customer_id,
                start_of_day(row.started_at, row.timezone),
                row.ends_at,
            )
            for row in rows
        }
    return _Context(
        features=features,
        customers={customer.id: customer for customer in customers},
        external_customers={customer.external_id: customer for customer in customers},
        subscriptions=subscriptions,
    )


def _check(index: int, event: NewEvent, actor: Actor, context: _Context) -> _Checked:
    """The event with its customer and subscription; raises a Problem below the event's path."""
    checks.text(event.transaction_id, "transactionId")
    checks.text(event.event_name, "eventName")
    checks.optional_text(event.source, "source")
    customer = _customer_of(event, context)
    timestamp = actor.now
    if event.timestamp is not None:
        timestamp = checks.instant(event.timestamp, "timestamp")
    subscription_id = _subscription_of(event, customer, timestamp, context)
    properties = event.properties or {}
    checks.json_value(properties, "properties")
    encoded = to_json(properties)
    if len(encoded) > MAX_PROPERTIES_BYTES:
        raise InvalidInput(f"At most {MAX_PROPERTIES_BYTES} bytes of JSON.", ("properties",))
    for feature in context.features.get(event.event_name, ()):
        _require_value(feature, properties)
    return _Checked(
        index=index,
        event=event,
        customer_id=customer.id,
        subscription_id=subscription_id,
        generation=customer.usage_generation,
        timestamp=timestamp,
        properties=encoded,
    )


def _require_value(feature: Feature, properties: Mapping[str, object]) -> None:
    """Raises InvalidInput unless the feature can meter the properties."""
    if feature.value_property is None:  # COUNT
        return
    if feature.aggregation is Aggregation.UNIQUE_COUNT:
        metered_text(properties, feature.value_property)
    else:
        metered_number(properties, feature.value_property)


def _customer_of(event: NewEvent, context: _Context) -> Customer:
    if (event.customer_id is None) == (event.external_customer_id is None):
        raise InvalidInput(
            "Give exactly one of customerId and externalCustomerId.", ("externalCustomerId",)
        )
    if event.customer_id is not None:
        customer = context.customers.get(event.customer_id)
        if customer is None:
            raise NotFound.of("customer", event.customer_id[:60], "customerId")
        return customer
    external_id = event.external_customer_id or ""
    customer = context.external_customers.get(external_id)
    if customer is None:
        raise NotFound.of("customer", external_id[:60], "externalCustomerId")
    return customer


def _subscription_of(
    event: NewEvent, customer: Customer, timestamp: datetime, context: _Context
) -> str | None:
    """The subscription that the event names; one that could never bill it is refused."""
    if event.external_subscription_id is None:
        return None
    named = context.subscriptions.get(event.external_subscription_id)
    if named is None or named.customer_id != customer.id:
        raise NotFound(
            f"The customer has no subscription {event.external_subscription_id[:60]!r}.",
            ("externalSubscriptionId",),
        )
    if timestamp < named.first_instant:
        raise InvalidInput(
            f"The subscription bills from {named.first_instant.isoformat()} on.", ("timestamp",)
        )
    if named.ends_at is not None and timestamp >= named.ends_at:
        raise InvalidInput(
            f"The subscription bills until {named.ends_at.isoformat()}.", ("timestamp",)
        )
    return named.id


def _require_same(first: _Checked, second: _Checked) -> None:
    same_time = second.event.timestamp is None or first.timestamp == second.timestamp
    if not same_time or (
        (first.customer_id, first.subscription_id, first.event.event_name, first.event.source)
        != (
            second.customer_id,
            second.subscription_id,
            second.event.event_name,
            second.event.source,
        )
        or first.event.properties != second.event.properties
    ):
        raise _other_body(first.event.transaction_id)


def _other_body(transaction_id: str) -> AlreadyExists:
    return AlreadyExists(
        f"{transaction_id!r} is stored already, with other content.", ("transactionId",)
    )


async def _store(
    session: AsyncSession,
    actor: Actor,
    checked: Mapping[str, _Checked],
    repeats: Sequence[_Checked],
    context: _Context,
    report: IngestReport,
) -> None:
    """Stores what is new, and tells apart what is known: `repeats` fare as their first did."""
    result = await run_sql(
        session,
        _STORE,
        {
            "organization": actor.organization_id,
            "now": actor.now,
            **_columns(list(checked.values())),
        },
    )
    stored = set(result.scalars())
    report.accepted = len(stored)
    report.unmatched = sum(checked[one].event.event_name not in context.features for one in stored)
    known = [good for one, good in checked.items() if one not in stored]
    other = await _other_bodies(session, actor, known) if known else set()
    for good in [*known, *repeats]:
        if good.event.transaction_id in other:
            report.refused.append((good.index, _other_body(good.event.transaction_id)))
        else:
            report.duplicates += 1


async def _other_bodies(session: AsyncSession, actor: Actor, known: Sequence[_Checked]) -> set[str]:
    """The transaction ids that are stored with another content than here."""
    rows = await run_sql(
        session, _COMPARE, {"organization": actor.organization_id, **_columns(known)}
    )
    return {transaction_id for transaction_id, same in rows if not same}


def _columns(events: Sequence[_Checked]) -> dict[str, list[object]]:
    return {
        "transaction_id": [good.event.transaction_id for good in events],
        "customer_id": [good.customer_id for good in events],
        "subscription_id": [good.subscription_id for good in events],
        "event_name": [good.event.event_name for good in events],
        "timestamp": [good.timestamp for good in events],
        "timed": [good.event.timestamp is not None for good in events],
        "source": [good.event.source for good in events],
        "properties": [good.properties for good in events],
        "generation": [good.generation for good in events],
    }
