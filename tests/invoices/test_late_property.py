"""However usage arrives, in time or late, all that is billed is all that was used, once."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from billing_gql.catalog.tables import Price
from billing_gql.invoices.breakdown import Breakdown, break_down
from billing_gql.invoices.credits import open_credits
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.queries import lines_of_invoices
from billing_gql.invoices.tables import Invoice, LineItem
from billing_gql.kernel.money import to_currency
from billing_gql.kernel.period import Period
from billing_gql.store.database import Database
from billing_gql.subscriptions.tables import Subscription
from billing_gql.usage.meters import parse_group_keys
from tests.invoices.late_model import SOLD, Sent, Taken, cost, owned
from tests.invoices.late_story import FEES, START, Step, Terms, World, new_world, play

NOTHING = Decimal(0)
TERMS = st.builds(
    Terms,
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    timezone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
    grace_days=st.sampled_from([0, 3, 40]),
    commitment=st.sampled_from([None, Decimal(40)]),
    second_day=st.sampled_from([1, 10]),
)
EDGES = [timedelta(days=days) for days in (0, 9, 31, 59, 90)]
AGO = st.one_of(
    st.integers(-3 * 1440, 95 * 1440).map(lambda minutes: timedelta(minutes=minutes)),
    st.builds(
        lambda edge, by: edge + by,
        st.sampled_from(EDGES),
        st.sampled_from([timedelta(hours=5.5), timedelta(0), timedelta(microseconds=-1)]),
    ),
)
EVENTS = st.builds(
    lambda name, ago, value, named: (name, START + ago, value, named),
    st.sampled_from(sorted(SOLD)),
    AGO,
    st.integers(-4, 9),
    st.sampled_from([None, None, "old", "new"]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 60, 240, 600, 900]),
        st.lists(EVENTS, max_size=7),
        st.sampled_from([None, None, "first", "last", "refresh", "upgrade", "cancel"]),
    ),
    min_size=3,
    max_size=6,
)
Key = tuple[str, str | None, datetime]
"""What is billed: the subscription, the price or None for the commitment, the period's start."""


def numbered(
    steps: Sequence[tuple[int, Sequence[tuple[str, datetime, int, str | None]], str]],
) -> list[Step]:
    return [
        Step(
            hours,
            [Sent(f"{place}-{n}", *one) for n, one in enumerate(batch)],
            act,
        )
        for place, (hours, batch, act) in enumerate(steps)
    ]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(terms=TERMS, steps=STEPS)
async def test_all_that_was_used_is_billed_once_whenever_it_came(
    database: Database,
    terms: Terms,
    steps: list[tuple[int, list[tuple[str, datetime, int, str | None]], str]],
) -> None:
    world = await new_world(database, terms)
    await play(world, numbered(steps))
    await check(world, terms.currency)


async def check(world: World, currency: str) -> None:
    """Holds what was billed against what was used, line by line and period by period."""
    async with world.database.snapshot() as session:
        actor = await world.actor(session)
        mine = Invoice.organization_id == world.organization_id
        invoices = (await session.exec(select(Invoice).where(mine))).all()
        owner = col(Subscription.customer_id) == world.customer_id
        lives = {
            one.external_id: one for one in (await session.exec(select(Subscription).where(owner)))
        }
        found = await lines_of_invoices(session, actor, [one.id for one in invoices])
        metered = [(line, feature) for line, feature in found if feature is not None]
        keys = parse_group_keys(["source"])
        for recalculate in (False, True):
            for one in await break_down(session, actor, metered, keys, recalculate=recalculate):
                assert isinstance(one, Breakdown)
                whole = sum((group.cost for group in one.groups), NOTHING)
                assert whole == one.line.amount, (one.line, one.groups)
                if not recalculate:
                    counted = sum(group.event_count for group in one.groups)
                    assert counted == one.line.event_count
                if recalculate and is_last(one.line, [line for line, _ in found]):
                    assert one.difference == 0, one.line
        open_credit = sum(
            (one.amount for one in await open_credits(session, lives["old"], None)), NOTHING
        )
    lines = [line for line, _ in found]
    for line in lines:
        if line.description == "Late usage" or line.type is LineItemType.PRORATION:
            assert sum((step.amount for step in line.pricing_steps), NOTHING) == line.amount
    wanted = expected(world, invoices, lives, currency)
    got: dict[Key, list[Decimal]] = defaultdict(lambda: [NOTHING, NOTHING, NOTHING])
    for line in lines:
        if line.type is LineItemType.PRORATION or line.period_start is None:
            continue
        sums = got[line.subscription_id or "", line.price_id, line.period_start]
        sums[0] += line.amount - line.carried
        if line.type is LineItemType.USAGE:
            sums[1] += line.quantity
            sums[2] += line.event_count or 0
    assert {key: tuple(sums) for key, sums in got.items() if any(sums)} == {
        key: sums for key, sums in wanted.items() if any(sums)
    }
    billed = sum((line.amount for line in lines), NOTHING)
    assert billed - open_credit == sum((sums[0] for sums in wanted.values()), NOTHING)
    assert billed == sum((one.total for one in invoices), NOTHING)


def is_last(line: LineItem, lines: Sequence[LineItem]) -> bool:
    """Whether no later line bills the same period and price."""
    return not any(
        (other.subscription_id, other.price_id, other.period_start)
        == (line.subscription_id, line.price_id, line.period_start)
        and (other.usage_after or -1) >= (line.usage_generation or 0)
        for other in lines
    )


def expected(
    world: World,
    invoices: Sequence[Invoice],
    lives: Mapping[str, Subscription],
    currency: str,
) -> dict[Key, tuple[Decimal, Decimal, Decimal]]:
    """The amount, quantity and events of each subscription, price and period."""
    prices: dict[str, list[Price]] = defaultdict(list)
    for price in world.prices:
        prices[price.plan_id].append(price)
    old = lives["old"]
    first = local_midnight(old.started_at, old.timezone)
    wanted: dict[Key, tuple[Decimal, Decimal, Decimal]] = {}
    for name, life in lives.items():
        closed = sorted(
            (one.period_start, one.period_end, one.plan_id)
            for one in invoices
            if one.subscription_id == life.id and one.period_start and one.period_end
        )
        assert closed[0][0] == local_midnight(life.started_at, life.timezone)
        assert closed[-1][1] == life.ended_at
        assert all(before[1] == after[0] for before, after in pairwise(closed))
        for start, end, plan_id in closed:
            period = Period(start, end)
            windows = [period]
            if name == "new" and old.ended_at is not None:
                windows = period.without(Period(first, old.ended_at))
            taken = Taken(name, period, windows)
            others = NOTHING
            for price in prices[plan_id or ""]:
                event_name = world.metered.get(price.id)
                if event_name is None:
                    flat = FEES["small" if plan_id == world.plans["small"] else "big"]
                    one = (part(flat, period, life.timezone, currency), NOTHING, NOTHING)
                else:
                    units, amount = cost(taken, event_name, world.accepted, currency)
                    events = len(owned(taken, event_name, world.accepted))
                    one = (amount, units, Decimal(events))
                wanted[life.id, price.id, start] = one
                others += one[0]
            if world.commitment is not None:
                least = part(world.commitment, period, life.timezone, currency)
                shortfall = max(least - others, NOTHING)
                wanted[life.id, None, start] = (shortfall, NOTHING, NOTHING)
    return wanted


def part(whole: Decimal, period: Period, timezone: str, currency: str) -> Decimal:
    """A monthly amount for the days of the period, each one that was begun."""
    zone = ZoneInfo(timezone)
    start = period.start.astimezone(zone).date()
    last = (period.end - timedelta(microseconds=1)).astimezone(zone).date()
    of_days = monthrange(start.year, start.month)[1]
    return to_currency(whole * ((last - start).days + 1) / of_days, currency)


def local_midnight(instant: datetime, timezone: str) -> datetime:
    return instant.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
