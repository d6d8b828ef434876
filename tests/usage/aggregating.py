"""Events for every aggregation, and what their usage should be, by plain loops."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count

from hypothesis import strategies as st

from billing_gql.catalog.create_feature import create_feature
from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.customers.create import create_customer
from billing_gql.customers.queries import lock_customer
from billing_gql.invoices.store import take_generation
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import EXACT
from billing_gql.kernel.period import Period
from billing_gql.store.database import Database
from billing_gql.subscriptions.create import create_subscription
from billing_gql.usage.aggregate import Named, UsageSlice, aggregate
from billing_gql.usage.ingest import NewEvent, ingest
from billing_gql.usage.meters import GroupKey, metered_text
from billing_gql.usage.rollups import roll_up_feature

ORIGIN = datetime(2026, 3, 7, 22, tzinfo=UTC)
LAST = ORIGIN + timedelta(days=4)
SUBSCRIPTIONS = ("first", "second")
KEYS = ("source", "feature_id", "properties.region", "properties.engine.fuel", "properties.other")
DIMENSIONS = ["region", "engine.fuel"]
NUMBER, TAG = "volume.litres", "volume.tag"
MICROSECOND = timedelta(microseconds=1)

Properties = dict[str, object]
Group = tuple[str | None, ...]
Sums = dict[tuple[int, Group], tuple[Decimal, int]]

# Around midnights of UTC and of zones a half hour off it, and anywhere.
MOMENTS = st.one_of(
    st.builds(
        lambda days, half_hours, off: ORIGIN + timedelta(days=days, minutes=30 * half_hours) + off,
        st.integers(0, 3),
        st.integers(0, 12),
        st.sampled_from(
            [timedelta(0), MICROSECOND, -MICROSECOND, timedelta(minutes=7, seconds=13)]
        ),
    ),
    st.datetimes(ORIGIN.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)),
)
WINDOWS = st.one_of(
    st.just((ORIGIN, LAST)), st.tuples(MOMENTS, MOMENTS).filter(lambda two: two[0] < two[1])
)
TEXTS = st.sampled_from(["north", "south", "", "é", "a,b", 'say "x"'])
VALUES = st.one_of(
    st.integers(-5, 5),
    st.integers(-(10**6), 10**6).map(lambda units: Decimal(units).scaleb(-3)),
    st.sampled_from(["1.5", "-2", "0.000000000001", "999999999999999999"]),
)
TAGS = st.sampled_from(["1", 1, Decimal("1.0"), "1.0", "", "a", "A", "é", True, "true", -3])
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
    tag: object = "a"

    @property
    def body(self) -> Properties:
        return {**self.properties, "volume": {"litres": self.value, "tag": self.tag}}


VARIED = st.builds(
    Sent,
    MOMENTS,
    st.sampled_from([None, "eu", "us"]),
    st.sampled_from([None, *SUBSCRIPTIONS]),
    PROPERTIES,
    VALUES,
    st.integers(0, 2),
    TAGS,
)
# Many to a roll-up, in an hour that midnight ends and at few instants, so that batches must merge.
ALIKE = st.builds(
    Sent,
    st.integers(0, 5).map(lambda quarters: ORIGIN + timedelta(minutes=75 + 15 * quarters)),
    st.none(),
    st.none(),
    st.just({}),
    VALUES,
    st.just(0),
    TAGS,
)
EVENTS = st.one_of(st.lists(VARIED, max_size=30), st.lists(ALIKE, min_size=2, max_size=12))
GENERATIONS = st.sampled_from([None, None, 0, 1, 2])
ASKED = st.tuples(
    st.integers(0, 2),
    WINDOWS,
    st.sampled_from([Named.ANY, *Named]),
    st.sampled_from(SUBSCRIPTIONS),
    GENERATIONS,
    GENERATIONS,
)
Asked = tuple[int, tuple[datetime, datetime], Named, str, int | None, int | None]


@dataclass
class Story:
    """An organization in which each example has a customer, and an event name if it must."""

    database: Database
    actor: Actor
    plan_id: str
    features: dict[Aggregation, Feature]
    numbers: "count[int]" = field(default_factory=lambda: count(1))


@dataclass
class Ingested:
    """One example's customer, with the features that meter its events."""

    customer_id: str
    subscriptions: dict[str, str]
    features: dict[Aggregation, Feature]


async def new_features(
    database: Database, actor: Actor, event_name: str
) -> dict[Aggregation, Feature]:
    """A feature of each aggregation."""
    features = {}
    async with database.transaction() as session:
        for aggregation in Aggregation:
            features[aggregation] = await create_feature(
                session,
                actor,
                key=f"{event_name}-{aggregation.value}",
                name=aggregation.value,
                event_name=event_name,
                aggregation=aggregation,
                value_property={Aggregation.COUNT: None, Aggregation.UNIQUE_COUNT: TAG}.get(
                    aggregation, NUMBER
                ),
                dimensions=DIMENSIONS,
            )
            await roll_up_feature(session, features[aggregation])
    return features


async def ingested(
    story: Story,
    events: Sequence[Sent],
    *,
    metered_late: bool = False,
    size: int = 100,
    backwards: bool = False,
) -> Ingested:
    """Sends the events by generation in batches of a size, each with the one before it again.

    `metered_late` makes the features only afterwards.
    """
    number = next(story.numbers)
    name = f"call-{number}" if metered_late else "call"
    async with story.database.transaction() as session:
        customer = await create_customer(
            session, story.actor, external_id=f"c-{number}", name=f"c-{number}"
        )
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
    sent: list[tuple[int, NewEvent]] = []
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
                    properties=one.body,
                ),
            )
            for index, one in enumerate(events)
            if one.generation == generation
        ]
        if backwards:
            batch.reverse()
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            async with story.database.transaction() as session:
                report = await ingest(session, story.actor, [*sent[-3:], *part])
            assert (report.accepted, report.refused) == (len(part), [])
            assert report.duplicates == len(sent[-3:])
            sent += part
        async with story.database.transaction() as session:
            locked = await lock_customer(session, story.actor, customer.id, "customerId")
            assert take_generation(locked) == generation
    features = story.features
    if metered_late:
        features = await new_features(story.database, story.actor, name)
    return Ingested(customer.id, subscriptions, features)


def text_at(properties: Properties, path: str) -> str | None:
    found: object = properties
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return str(found).lower()
    return None if found is None else str(found)


def seconds(span: timedelta) -> Fraction:
    return Fraction(span // MICROSECOND, 10**6)


def wanted_by(one: UsageSlice, event: Sent, ids: dict[str, str]) -> bool:
    """Whether the slice takes the event, but for its time."""
    named = None if event.named is None else ids[event.named]
    return (
        (one.named is Named.ANY or named == one.subscription_id)
        and (one.generation is None or event.generation <= one.generation)
        and (one.after is None or event.generation > one.after)
    )


def merged(aggregation: Aggregation, events: Sequence[tuple[int, Sent]]) -> Fraction:
    """The quantity of events with their positions, by the words of the aggregation."""
    values: list[Fraction] = [Fraction(event.value) for _, event in events]  # type: ignore[call-overload] # numbers
    match aggregation:
        case Aggregation.COUNT:
            return Fraction(len(events))
        case Aggregation.SUM:
            return sum(values, Fraction(0))
        case Aggregation.MAX:
            return max(values)
        case Aggregation.UNIQUE_COUNT:
            return Fraction(len({metered_text({"tag": event.tag}, "tag") for _, event in events}))
    last = max(range(len(events)), key=lambda n: (events[n][1].at, str(events[n][0])))
    return values[last]


def computed(
    events: Sequence[Sent],
    slices: Sequence[UsageSlice],
    ids: dict[str, str],
    keys: Sequence[GroupKey],
) -> Sums:
    """What the slices should give, by plain loops."""
    inside: dict[tuple[int, Group], list[tuple[int, Sent]]] = defaultdict(list)
    levels: dict[tuple[int, Group], Fraction] = defaultdict(Fraction)
    aggregations = {one.key: one.feature.aggregation for one in slices}
    for one in slices:
        window = one.window
        length = window.end - window.start
        period = one.period_seconds
        for place, event in enumerate(events):
            if not wanted_by(one, event, ids) or event.at >= window.end:
                continue
            group = tuple(
                {"source": event.source, "feature_id": one.feature.id}.get(key.dimension)
                if key.path is None
                else text_at(event.properties, key.path)
                for key in keys
            )
            if event.at in window:
                inside[one.key, group].append((place, event))
            if one.feature.aggregation is Aggregation.WEIGHTED_SUM:
                held = seconds(min(length, window.end - event.at))
                whole = seconds(length) if period is None else Fraction(period)
                levels[one.key, group] += Fraction(event.value) * held / whole  # type: ignore[call-overload] # numbers
    sums = {
        place: (merged(aggregations[place[0]], found), len(found))
        for place, found in inside.items()
        if aggregations[place[0]] is not Aggregation.WEIGHTED_SUM
    } | {place: (level, len(inside[place])) for place, level in levels.items()}
    return {place: (rounded(quantity), events) for place, (quantity, events) in sums.items()}


def rounded(quantity: Fraction) -> Decimal:
    """To 12 decimals, half away from zero."""
    units = (abs(quantity) * 10**12 * 2 + 1) // 2
    return EXACT.scaleb(Decimal(units if quantity > 0 else -units), -12)


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


def slices_for(
    stored: Ingested,
    asked: Sequence[Asked],
    aggregations: Sequence[Aggregation],
    periods: Sequence[Decimal | None],
) -> list[UsageSlice]:
    """Slices whose key has one aggregation, and one period that is its window's or given."""
    keys = [one[0] for one in asked]
    return [
        UsageSlice(
            key,
            stored.customer_id,
            stored.features[aggregations[key]],
            Period(*window),
            named,
            stored.subscriptions[subscription] if named is Named.THIS else None,
            generation,
            after,
            (periods[key] or Decimal(3600)) if keys.count(key) > 1 else periods[key],
        )
        for key, window, named, subscription, generation, after in asked
    ]
