"""Roll-ups, raw events and plain loops in Python say the same of any window and grouping."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.catalog.create_plan import NewPrice, create_plan
from billing_gql.catalog.tables import Aggregation
from billing_gql.catalog.terms import BillingCadence, BillingPeriod
from billing_gql.kernel.period import Period
from billing_gql.organizations.create import create_organization
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import OrganizationMode
from billing_gql.rating.models import Flat
from billing_gql.store.database import Database
from billing_gql.usage.aggregate import UsageSlice, aggregate
from billing_gql.usage.event_values import event_values
from billing_gql.usage.meters import parse_group_keys
from tests.usage.aggregating import (
    ASKED,
    EVENTS,
    KEYS,
    LAST,
    MICROSECOND,
    MOMENTS,
    ORIGIN,
    WINDOWS,
    Asked,
    Sent,
    Story,
    answer,
    computed,
    ingested,
    new_features,
    slices_for,
    wanted_by,
)


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
    return Story(database, actor, plan.id, await new_features(database, actor, "call"))


@settings(deadline=None, max_examples=150)
@given(
    events=EVENTS,
    metered_late=st.sampled_from([False, False, False, True]),
    size=st.sampled_from([1, 4, 100]),
    asked=st.lists(ASKED, min_size=1, max_size=5),
    aggregations=st.tuples(*[st.sampled_from(Aggregation)] * 3),
    periods=st.tuples(
        *[st.sampled_from([None, Decimal("0.000003"), Decimal(7), Decimal(86400 * 31)])] * 3
    ),
    keys=st.lists(st.sampled_from(KEYS), max_size=5, unique=True),
)
async def test_roll_ups_events_and_plain_loops_agree(
    story: Story,
    events: list[Sent],
    metered_late: bool,
    size: int,
    asked: list[Asked],
    aggregations: tuple[Aggregation, ...],
    periods: tuple[Decimal | None, ...],
    keys: list[str],
) -> None:
    stored = await ingested(story, events, metered_late=metered_late, size=size)
    group_by = parse_group_keys(keys, least=0)
    slices = slices_for(stored, asked, aggregations, periods)
    wanted = computed(events, slices, stored.subscriptions, group_by)
    assert await answer(story, slices, group_by, from_events=False) == wanted
    assert await answer(story, slices, group_by, from_events=True) == wanted


@settings(deadline=None, max_examples=40)
@given(events=EVENTS, window=WINDOWS, keys=st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
async def test_the_order_of_arrival_changes_nothing(
    story: Story, events: list[Sent], window: tuple[datetime, datetime], keys: list[str]
) -> None:
    group_by = [key for key in parse_group_keys(keys, least=0) if key.dimension != "feature_id"]
    answers = []
    for size, backwards in ((100, False), (2, True)):
        stored = await ingested(story, events, size=size, backwards=backwards)
        for from_events in (False, True):
            slices = [
                UsageSlice(key, stored.customer_id, feature, Period(*window))
                for key, feature in enumerate(stored.features.values())
            ]
            answers.append(await answer(story, slices, group_by, from_events=from_events))
    assert all(one == answers[0] for one in answers)


@settings(deadline=None, max_examples=30)
@given(
    events=EVENTS,
    window=WINDOWS,
    cuts=st.lists(MOMENTS, max_size=6),
    keys=st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
    aggregation=st.sampled_from(Aggregation),
)
async def test_the_parts_of_a_window_make_the_whole_of_it(
    story: Story,
    events: list[Sent],
    window: tuple[datetime, datetime],
    cuts: list[datetime],
    keys: list[str],
    aggregation: Aggregation,
) -> None:
    stored = await ingested(story, events)
    group_by = parse_group_keys(keys, least=0)
    start, end = window
    period = Decimal((end - start) // MICROSECOND).scaleb(-6)
    edges = sorted({start, end, *(cut for cut in cuts if start < cut < end)})
    parts = [
        UsageSlice(
            0,
            stored.customer_id,
            stored.features[aggregation],
            Period(*edge),
            period_seconds=period,
        )
        for edge in pairwise(edges)
    ]
    whole = [UsageSlice(0, stored.customer_id, stored.features[aggregation], Period(start, end))]
    assert await answer(story, parts, group_by, from_events=False) == await answer(
        story, whole, group_by, from_events=False
    )


@settings(deadline=None, max_examples=40)
@given(events=EVENTS, asked=st.lists(ASKED, min_size=1, max_size=4))
async def test_the_values_of_single_events_come_in_their_order(
    story: Story, events: list[Sent], asked: list[Asked]
) -> None:
    stored = await ingested(story, events, size=3)
    slices = slices_for(stored, asked, [Aggregation.SUM] * 3, [None] * 3)
    wanted: dict[int, list[tuple[datetime, str, Decimal]]] = {one.key: [] for one in slices}
    for one in slices:
        wanted[one.key] += [
            (event.at, str(place), Decimal(event.value))  # type: ignore[arg-type] # numbers
            for place, event in enumerate(events)
            if event.at in one.window and wanted_by(one, event, stored.subscriptions)
        ]
    async with story.database.snapshot() as session:
        found = await event_values(session, story.actor.organization_id, slices)
        assert await event_values(session, story.actor.organization_id, []) == {}
    assert found == {key: [value for *_, value in sorted(ones)] for key, ones in wanted.items()}


async def test_what_was_no_value_before_its_feature_existed_does_not_count(story: Story) -> None:
    values = [Decimal("2.5"), "much", None, True, {"of": 1}, "4", [1]]
    events = [
        Sent(ORIGIN + place * timedelta(minutes=20), "eu", None, {}, value, 0, value)
        for place, value in enumerate(values)
    ]
    stored = await ingested(story, events, metered_late=True)
    window = Period(ORIGIN, ORIGIN + timedelta(hours=2))
    found = {
        Aggregation.COUNT: ("6", 6),
        Aggregation.SUM: ("6.5", 2),
        Aggregation.MAX: ("4", 2),
        Aggregation.UNIQUE_COUNT: ("4", 4),
        Aggregation.LATEST: ("4", 2),
        # 2.5 over two hours, and 4 over the last twenty minutes of them.
        Aggregation.WEIGHTED_SUM: ("3.166666666667", 2),
    }
    for from_events in (False, True):
        for aggregation, (quantity, events_) in found.items():
            slices = [UsageSlice(0, stored.customer_id, stored.features[aggregation], window)]
            sums = await answer(story, slices, (), from_events=from_events)
            assert sums == {(0, ()): (Decimal(quantity), events_)}


async def test_a_level_holds_on_where_nothing_happens(story: Story) -> None:
    events = [
        Sent(ORIGIN, "eu", None, {}, 10, 0),
        Sent(ORIGIN + timedelta(days=1), "eu", None, {}, -4, 1),
        Sent(ORIGIN + timedelta(days=1), "us", None, {}, Decimal("0.5"), 2),
    ]
    stored = await ingested(story, events)
    feature = stored.features[Aggregation.WEIGHTED_SUM]
    later = Period(ORIGIN + timedelta(days=300), ORIGIN + timedelta(days=301, minutes=1))
    source = parse_group_keys(["source"])
    for from_events in (False, True):
        one = UsageSlice(0, stored.customer_id, feature, later)
        assert await answer(story, [one], source, from_events=from_events) == {
            (0, ("eu",)): (Decimal(6), 0),
            (0, ("us",)): (Decimal("0.5"), 0),
        }
        first = UsageSlice(0, stored.customer_id, feature, later, after=None, generation=0)
        assert await answer(story, [first], (), from_events=from_events) == {
            (0, ()): (Decimal(10), 0)
        }
        before = Period(ORIGIN - timedelta(days=2), ORIGIN)
        empty = UsageSlice(0, stored.customer_id, feature, before)
        assert await answer(story, [empty], (), from_events=from_events) == {}


async def test_the_rows_may_be_bounded(story: Story) -> None:
    events = [
        Sent(ORIGIN + timedelta(hours=place), f"s{place}", None, {}, place, 0) for place in range(6)
    ]
    stored = await ingested(story, events)
    slices = [
        UsageSlice(key, stored.customer_id, feature, Period(ORIGIN, LAST))
        for key, feature in enumerate(stored.features.values())
    ]
    async with story.database.snapshot() as session:
        for limit, found in ((None, 36), (36, 36), (7, 7)):
            rows = await aggregate(
                session,
                story.actor.organization_id,
                slices,
                parse_group_keys(["source"]),
                limit=limit,
            )
            assert len(rows) == found


async def test_the_slices_of_a_key_have_one_period(story: Story) -> None:
    stored = await ingested(story, [])
    feature = stored.features[Aggregation.WEIGHTED_SUM]
    slices = [
        UsageSlice(0, stored.customer_id, feature, Period(ORIGIN, ORIGIN + timedelta(hours=hours)))
        for hours in (1, 2)
    ]
    with pytest.raises(ValueError, match="different periods"):
        await answer(story, slices, (), from_events=False)


async def test_without_slices_nothing_is_read(story: Story) -> None:
    assert await answer(story, [], (), from_events=False) == {}
