"""Random lives of subscriptions, and what each must have been billed. Pure.

The days are counted by `naive`, day by day, and not by the code that is tested.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.kernel.period import known_timezones, local_date, midnight
from billing_gql.subscriptions.states import BillingAnchor
from tests.subscriptions.naive import cycle_of

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
ZONES = sorted(known_timezones())
ODD_ZONES = ["America/Sao_Paulo", "America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe"]
CURRENCIES = {"USD": 2, "JPY": 0, "KWD": 3}
A_YEAR = {"DAILY": 365, "WEEKLY": 52, "MONTHLY": 12, "QUARTERLY": 4, "SEMIANNUAL": 2, "YEARLY": 1}
LONGEST = {
    "DAILY": 8,
    "WEEKLY": 30,
    "MONTHLY": 100,
    "QUARTERLY": 250,
    "SEMIANNUAL": 450,
    "YEARLY": 900,
}
"""Days between two events of a life on such a plan: some periods, not hundreds."""


@dataclass(frozen=True)
class LifePlan:
    """A plan with one fee in advance and one in arrears."""

    number: int
    period: BillingPeriod
    advance: Decimal
    arrears: Decimal

    @property
    def yearly(self) -> Decimal:
        return (self.advance + self.arrears) * A_YEAR[self.period]


@dataclass(frozen=True)
class Act:
    """What is done at an instant: a change to the plan of a number, or NOW, or PERIOD_END."""

    at: datetime
    what: int | str


@dataclass(frozen=True)
class Fee:
    """A line: a plan's fee for a period."""

    plan: int
    start: datetime
    end: datetime
    amount: Decimal


@dataclass
class Life:
    """A life as it is planned, then followed: phases are plans with their first days."""

    zone: str
    currency: str
    anchor: BillingAnchor
    plans: list[LifePlan]
    clock: datetime
    started_at: datetime
    trial_days: int
    acts: list[Act] = field(default_factory=list)
    phases: list[tuple[LifePlan, date]] = field(default_factory=list)
    pending: tuple[LifePlan, date] | None = None
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        self.billed_from = local_date(self.started_at, self.zone) + self.trial_days * DAY
        self.phases = [(self.plans[0], self.billed_from)]

    @property
    def plan(self) -> LifePlan:
        return self.phases[-1][0]

    def cycle(self, plan: LifePlan, day: date) -> tuple[date, date]:
        return cycle_of(plan.period, self.anchor, self.billed_from, day)

    def reach(self, at: datetime) -> None:
        """A plan that was pending holds from its day on."""
        if self.pending is not None and midnight(self.pending[1], self.zone) <= at:
            self.phases.append(self.pending)
            self.pending = None

    def bills_nothing_yet(self, at: datetime) -> bool:
        return at < max(self.started_at, midnight(self.billed_from, self.zone))

    def change(self, at: datetime, plan: LifePlan) -> None:
        self.acts.append(Act(at, plan.number))
        self.reach(at)
        today = local_date(at, self.zone)
        if self.bills_nothing_yet(at):
            self.phases = [(plan, self.billed_from)]
        elif plan.yearly > self.plan.yearly:
            self.pending = None
            if self.phases[-1][1] == today:
                self.phases.pop()
            self.phases.append((plan, today))
        else:
            self.pending = plan, self.cycle(self.plan, today)[1]

    def cancel(self, at: datetime, what: str) -> None:
        self.acts.append(Act(at, what))
        self.reach(at)
        self.pending = None
        if self.bills_nothing_yet(at):
            trial = what == "PERIOD_END" and at >= self.started_at
            self.ended_at = midnight(self.billed_from, self.zone) if trial else at
            self.phases = []
        elif what == "NOW":
            self.ended_at = at
        else:
            following = self.cycle(self.plan, local_date(at, self.zone))[1]
            self.ended_at = midnight(following, self.zone)

    def fees(self, *, in_advance: bool) -> list[Fee]:
        """What its days cost on each plan, cut into periods."""
        assert self.ended_at is not None
        found = []
        after_last = local_date(self.ended_at - INSTANT, self.zone) + DAY
        for index, (plan, first) in enumerate(self.phases):
            later = [start for _, start in self.phases[index + 1 :]]
            day, stop = first, min([*later, after_last])
            while day < stop:
                begin, following = self.cycle(plan, day)
                end = min(following, stop)
                whole = plan.advance if in_advance else plan.arrears
                found.append(
                    Fee(
                        plan.number,
                        midnight(day, self.zone),
                        min(midnight(end, self.zone), self.ended_at),
                        self.share(whole, (end - day).days, (following - begin).days),
                    )
                )
                day = end
        return found

    def share(self, whole: Decimal, days: int, of_days: int) -> Decimal:
        cent = Decimal(1).scaleb(-CURRENCIES[self.currency])
        return (whole * days / of_days).quantize(cent, ROUND_HALF_UP)


def random_life(random: Random) -> Life:
    """A life with none to three changes of plan and an end."""
    zone = random.choice(random.choice([ZONES, ODD_ZONES]))
    start = datetime(2013, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(15 * 31_557_600))
    plans = [_random_plan(random, number) for number in range(3)]
    # It starts now, or later today or this month, or owes a past.
    clock = start
    owes = random.random() < 0.25
    if owes:
        clock = start + random.randrange(LONGEST[plans[0].period]) * DAY
    elif random.random() < 0.4:
        clock = start - timedelta(hours=random.choice([1, 8, 24, 300]))
    life = Life(
        zone=zone,
        currency=random.choice(list(CURRENCIES)),
        anchor=random.choice(list(BillingAnchor)),
        plans=plans,
        clock=clock,
        started_at=start,
        trial_days=random.choice([0, 0, 0, 1, 14, 45]),
    )
    at = clock
    for index in range(random.randrange(4)):
        if index or not owes:
            at = _later(random, life, at)
        # What would be known at that instant.
        life.reach(at)
        others = [plan for plan in plans if plan is not life.plan]
        life.change(at, random.choice(others))
    at = _later(random, life, at)
    life.cancel(at, random.choice(["NOW", "PERIOD_END"]))
    return life


def _random_plan(random: Random, number: int) -> LifePlan:
    amounts = [Decimal(random.randrange(1, 9_000_000)).scaleb(-3) for _ in range(2)]
    return LifePlan(number, random.choice(list(BillingPeriod)), amounts[0], amounts[1])


def _later(random: Random, life: Life, at: datetime) -> datetime:
    """An instant from `at` on: often the same day, a local midnight, or after a coming change."""
    longest = LONGEST[life.plan.period]
    days = random.choice([0, 1, random.randrange(longest), random.randrange(longest)])
    if life.pending is not None:
        plan, holds_from = life.pending
        longest = min(longest, LONGEST[plan.period])
        to_change = (holds_from - local_date(at, life.zone)).days
        days = random.choice([0, to_change, to_change + random.randrange(longest)])
    if random.random() < 0.3:
        found = midnight(local_date(at, life.zone) + days * DAY, life.zone)
    else:
        found = at + days * DAY + timedelta(microseconds=random.randrange(20 * 3_600_000_000))
    return max(at, found)
