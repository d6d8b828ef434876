"""Roll-ups, raw events and a plain sum in Python say the same of any window and grouping."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.catalog.create_feature import create_feature
from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.tables import Aggregation, BillingCadence, BillingPeriod, Feature
from billing_gql.customers.create import create_customer
from billing_gql.customers.queries import lock_customer
from billing_gql.invoices.store import take_generation
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import Period
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.rating.models import Flat
from billing_gql.store.database import Database
from billing_gql.subscriptions.create import create_subscription
from billing_gql.usage.aggregate import Named, UsageSlice, aggregate
from billing_gql.usage.ingest import NewEvent, ingest
from billing_gql.usage.meters import GroupKey, parse_group_keys
from billing_gql.usage.rollups import roll_up_feature

ORIGIN = datetime(2026, 3, 7, 22, tzinfo=UTC)
SUBSCRIPTIONS = ("first", "second")
KEYS = ("source", "feature_id", "properties.region", "properties.engine.fuel", "properties.other")
DIMENSIONS = ["region", "engine.fuel"]

Properties = dict[str, object]
Group = tuple[str | None, ...]
Sums = dict[tuple[int, Group], tuple[Decimal, int]]

MOMENTS = st.builds(
    lambda half_hours, off: ORIGIN + half_hours * timedelta(minutes=30) + off,
    st.integers(0, 12),
    st.sampled_from(
        [
            timedelta(0),
            timedelta(microseconds=1),
            timedelta(microseconds=-1),
            timedelta(minutes=15),
            timedelta(minutes=7, seconds=13),
        ]
    ),
)
WINDOWS = st.tuples(MOMENTS, MOMENTS).filter(lambda two: two[0] < two[1])
TEXTS = st.sampled_from(["north", "south", "", "é", "a,b", 'say "x"'])
VALUES = st.one_of(
    st.integers(-5, 5),
    st.integers(-(10**6), 10**6).map(lambda units: Decimal(units).scaleb(-3)),
    st.sampled_from(["1.5", "-2", "0.000000000001"]),
)
PROPERTIES = st.builds(
    lambda region, fuel, other: {**region, **fuel, **other},
    st.one_of(st.just({}), TEXTS.map(lambda text: {"region": text})),
    st.one_of(
        st.just({}),
        st.just({"engine": None}),
        st.just({"engine": {}}),
        TEXTS.map(lambda text: {"engine": {"fuel": text}}),
    ),
    st.one_of(st.just({}), st.sampled_from([{"other": 7}, {"other": True}, {"other": "7"}])),
)


@dataclass(frozen=True)
class Sent:
    """An event as the test sends it; `value` is None where it has none that is a number."""

    at: datetime
    source: str | None
    named: str | None
    properties: Properties
    value: object
    generation: int


EVENTS = st.lists(
    st.tuples(
        MOMENTS,
        st.sampled_from([None, "eu", "us", ""]).map(lambda source: source or None),
        st.sampled_from([None, *SUBSCRIPTIONS]),
        PROPERTIES,
        VALUES,
        st.integers(0, 2),
    ).map(lambda facts: Sent(*facts)),
    max_size=30,
)


@dataclass
class Story:
    """An organization in which each example has a customer, an event name and features."""

    database: Database
    actor: Actor
    plan_id: str
    numbers: "count[int]" = field(default_factory=lambda: count(1))


@dataclass
class Ingested:
    """One example's customer, with the features that meter its events."""

    customer_id: str
    subscriptions: dict[str, str]
    calls: Feature
    volume: Feature


@pytest.fixture(scope="module")
async def story(database: Database) -> Story:
    async with database.transaction() as session:
        organization = await create_organization(
            session,
            name="Aggregate",
            mode=OrganizationMode.TEST,
            timezone="UTC",
            currency="USD",
            clock=ORIGIN,
        )
        actor = actor_of(organization)
        plan = await create_plan(
            session,
            actor,
            key="plan",
            name="Plan",
            currency="USD",
            billing_period=BillingPeriod.MONTHLY,
            prices=[NewPrice("Access", None, BillingCadence.ARREARS, Flat(Decimal(1)))],
        )
    return Story(database, actor, plan.id)


async def new_feature(
    story: Story, name: str, aggregation: Aggregation, event_name: str
) -> Feature:
    async with story.database.transaction() as session:
        feature = await create_feature(
            session,
            story.actor,
            key=name,
            name=name,
            event_name=event_name,
            aggregation=aggregation,
            value_property=None if aggregation is Aggregation.COUNT else "volume.litres",
            dimensions=DIMENSIONS,
        )
        await roll_up_feature(session, feature)
    return feature


async def ingested(story: Story, events: Sequence[Sent], *, metered_late: bool) -> Ingested:
    """Sends the events by generation. `metered_late` makes the SUM feature only afterwards."""
    number = next(story.numbers)
    name = f"call-{number}"
    async with story.database.transaction() as session:
        customer = await create_customer(session, story.actor, external_id=name, name=name)
        subscriptions = {}
        for one in SUBSCRIPTIONS:
            made = await create_subscription(
                session,
                story.actor,
                customer_id=customer.id,
                plan_id=story.plan_id,
                external_id=f"{one}-{number}",
            )
            subscriptions[one] = made.id
    calls = await new_feature(story, f"calls-{number}", Aggregation.COUNT, name)
    volume = None
    if not metered_late:
        volume = await new_feature(story, f"volume-{number}", Aggregation.SUM, name)
    for generation in range(3):
        batch = [
            (
                index,
                NewEvent(
                    transaction_id=f"{number}-{index}",
                    event_name=name,
                    customer_id=customer.id,
                    external_subscription_id=None if one.named is None else f"{one.named}-{number}",
                    timestamp=one.at,
                    source=one.source,
                    properties={**one.properties, "volume": {"litres": one.value}},
                ),
            )
            for index, one in enumerate(events)
            if one.generation == generation
        ]
        async with story.database.transaction() as session:
            report = await ingest(session, story.actor, batch)
            assert (report.accepted, report.refused) == (len(batch), [])
        async with story.database.transaction() as session:
            locked = await lock_customer(session, story.actor, customer.id, "customerId")
            assert take_generation(locked) == generation
    if volume is None:
        volume = await new_feature(story, f"volume-{number}", Aggregation.SUM, name)
    return Ingested(customer.id, subscriptions, calls, volume)


def text_at(properties: Properties, path: str) -> str | None:
    found: object = properties
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return str(found).lower()
    return None if found is None else str(found)


def summed(
    events: Sequence[Sent],
    slices: Sequence[UsageSlice],
    ids: dict[str, str],
    keys: Sequence[GroupKey],
) -> Sums:
    """What the slices should give, by plain loops."""
    sums: Sums = defaultdict(lambda: (Decimal(0), 0))
    for one in slices:
        wanted = {Named.ANY: None, Named.NONE: {None}, Named.THIS: {one.subscription_id}}[one.named]
        for event in events:
            named = None if event.named is None else ids[event.named]
            value = Decimal(1)
            if one.feature.aggregation is Aggregation.SUM:
                if not isinstance(event.value, int | str | Decimal):
                    continue
                value = Decimal(event.value)
            if (
                event.at in one.window
                and (wanted is None or named in wanted)
                and (one.generation is None or event.generation <= one.generation)
            ):
                group = tuple(
                    {"source": event.source, "feature_id": one.feature.id}.get(key.dimension)
                    if key.path is None
                    else text_at(event.properties, key.path)
                    for key in keys
                )
                quantity, events_so_far = sums[one.key, group]
                sums[one.key, group] = (quantity + value, events_so_far + 1)
    return dict(sums)


async def answer(
    story: Story, slices: Sequence[UsageSlice], keys: Sequence[GroupKey], *, from_events: bool
) -> Sums:
    async with story.database.snapshot() as session:
        rows = await aggregate(
            session, story.actor.organization_id, slices, keys, from_events=from_events
        )
    found = {(row.key, row.group): (row.quantity, row.event_count) for row in rows}
    assert len(found) == len(rows)
    return found


@settings(deadline=None, max_examples=60)
@given(
    events=EVENTS,
    metered_late=st.booleans(),
    asked=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.booleans(),
            WINDOWS,
            st.sampled_from(Named),
            st.sampled_from(SUBSCRIPTIONS),
            st.sampled_from([None, 0, 1, 2]),
        ),
        min_size=1,
        max_size=5,
    ),
    keys=st.lists(st.sampled_from(KEYS), max_size=5, unique=True),
)
async def test_roll_ups_events_and_a_plain_sum_agree(
    story: Story,
    events: list[Sent],
    metered_late: bool,
    asked: list[tuple[int, bool, tuple[datetime, datetime], Named, str, int | None]],
    keys: list[str],
) -> None:
    stored = await ingested(story, events, metered_late=metered_late)
    group_by = parse_group_keys(keys, least=0)
    slices = [
        UsageSlice(
            key,
            stored.customer_id,
            stored.volume if of_volume else stored.calls,
            Period(*window),
            named,
            stored.subscriptions[subscription] if named is Named.THIS else None,
            generation,
        )
        for place, (key, of_volume, window, named, subscription, generation) in enumerate(asked)
        if all(one[1] == of_volume for one in asked[:place] if one[0] == key)
    ]
    wanted = summed(events, slices, stored.subscriptions, group_by)
    assert await answer(story, slices, group_by, from_events=False) == wanted
    assert await answer(story, slices, group_by, from_events=True) == wanted


@settings(deadline=None, max_examples=30)
@given(
    events=EVENTS,
    window=WINDOWS,
    cuts=st.lists(MOMENTS, max_size=6),
    keys=st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
)
async def test_the_parts_of_a_window_add_up_to_it(
    story: Story,
    events: list[Sent],
    window: tuple[datetime, datetime],
    cuts: list[datetime],
    keys: list[str],
) -> None:
    stored = await ingested(story, events, metered_late=False)
    group_by = parse_group_keys(keys, least=0)
    start, end = window
    edges = sorted({start, end, *(cut for cut in cuts if start < cut < end)})
    whole = [UsageSlice(0, stored.customer_id, stored.volume, Period(start, end))]
    parts = [
        UsageSlice(0, stored.customer_id, stored.volume, Period(*edge)) for edge in pairwise(edges)
    ]
    assert await answer(story, parts, group_by, from_events=False) == await answer(
        story, whole, group_by, from_events=False
    )


async def test_what_was_no_number_before_its_feature_existed_does_not_count(story: Story) -> None:
    values = [Decimal("2.5"), "much", None, True, {"of": 1}, "4", [1]]
    events = [
        Sent(ORIGIN + place * timedelta(minutes=20), "eu", None, {}, value, 0)
        for place, value in enumerate(values)
    ]
    stored = await ingested(story, events, metered_late=True)
    window = Period(ORIGIN, ORIGIN + timedelta(hours=3, minutes=10))
    for from_events in (False, True):
        for feature, found in ((stored.volume, ("6.5", 2)), (stored.calls, ("7", 7))):
            slices = [UsageSlice(0, stored.customer_id, feature, window)]
            sums = await answer(story, slices, (), from_events=from_events)
            assert sums == {(0, ()): (Decimal(found[0]), found[1])}


async def test_without_slices_nothing_is_read(story: Story) -> None:
    assert await answer(story, [], (), from_events=False) == {}
