"""What a subscription is at an instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing_gql.catalog.terms import BillingPeriod
from billing_gql.kernel.period import Period
from billing_gql.subscriptions.states import BillingAnchor, status_at
from billing_gql.subscriptions.tables import Subscription

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRIAL = datetime(2026, 1, 29, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "status"), [(-1, "PENDING"), (0, "ACTIVE"), (1, "ACTIVE"), (10**9, "ACTIVE")]
)
def test_a_subscription_is_active_from_its_start(seconds: int, status: str) -> None:
    assert status_at(START + timedelta(seconds=seconds), START) == status


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (START - SECOND, "PENDING"),
        (START, "TRIALING"),
        (TRIAL - SECOND, "TRIALING"),
        (TRIAL, "ACTIVE"),
        (END - SECOND, "ACTIVE"),
        (END, "ENDED"),
        (END + SECOND, "ENDED"),
    ],
)
def test_a_life_goes_through_every_state(now: datetime, status: str) -> None:
    assert status_at(now, START, TRIAL, END) == status


@pytest.mark.parametrize(
    ("ends_at", "now", "status"),
    [
        # Cancelled in its trial, and before its start.
        (TRIAL, TRIAL - SECOND, "TRIALING"),
        (TRIAL, TRIAL, "ENDED"),
        (START - SECOND, START - SECOND, "ENDED"),
        (START - SECOND, START, "ENDED"),
        (START - SECOND, TRIAL, "ENDED"),
    ],
)
def test_an_end_comes_before_all_else(ends_at: datetime, now: datetime, status: str) -> None:
    assert status_at(now, START, TRIAL, ends_at) == status


def subscription(**values: object) -> Subscription:
    facts: dict[str, Any] = {
        "timezone": "UTC",
        "started_at": START,
        "trial_ends_at": TRIAL,
        "plan_since": TRIAL,
        "anchor_date": TRIAL.date(),
        "billing_anchor": BillingAnchor.CALENDAR,
        **values,
    }
    return Subscription(**facts)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "now", "start", "end"),
    [
        ({}, "2026-01-15T11:59:59", None, None),
        # The trial, whose first day counts whole.
        ({}, "2026-01-15T12:00:00", "2026-01-15", "2026-01-29"),
        ({}, "2026-01-28T23:59:59", "2026-01-15", "2026-01-29"),
        ({}, "2026-01-29T00:00:00", "2026-01-29", "2026-02-01"),
        ({}, "2026-02-28T23:59:59", "2026-02-01", "2026-03-01"),
        (
            {"billing_anchor": BillingAnchor.ANNIVERSARY},
            "2026-02-28T12:00:00",
            "2026-02-28",
            "2026-03-29",
        ),
        # Cancelled at the period's end: until then it runs on.
        ({"cancels_at": END}, "2026-02-28T23:59:59", "2026-02-01", "2026-03-01"),
        ({"cancels_at": END}, "2026-03-01T00:00:00", None, None),
        ({"ended_at": END}, "2026-03-01T00:00:00", None, None),
        ({"ended_at": START}, "2026-01-20T00:00:00", None, None),
        # Changed on 10 February: the first period of the plan starts there.
        (
            {"plan_since": datetime(2026, 2, 10, tzinfo=UTC)},
            "2026-02-20T00:00:00",
            "2026-02-10",
            "2026-03-01",
        ),
        (
            {"plan_since": datetime(2026, 2, 10, tzinfo=UTC)},
            "2026-03-20T00:00:00",
            "2026-03-01",
            "2026-04-01",
        ),
    ],
)
def test_the_current_period_is_the_trial_or_the_plans(
    values: dict[str, object], now: str, start: str | None, end: str | None
) -> None:
    found = subscription(**values).current_period(utc(now), BillingPeriod.MONTHLY)
    assert found == (None if start is None or end is None else Period(utc(start), utc(end)))


def test_what_ended_no_longer_is_to_end() -> None:
    assert subscription().ends_at is None
    assert subscription(cancels_at=END).ends_at == END
    assert subscription(cancels_at=END, ended_at=TRIAL).ends_at == TRIAL
