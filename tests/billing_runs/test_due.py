"""What falls due, in which order, and when it is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_gql.billing_runs.due import Due, Task, retry_at

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@settings(deadline=None, max_examples=100)
@given(attempts=st.integers(1, 10**9))
def test_a_failure_is_tried_again_after_a_minute_at_least_and_a_day_at_most(attempts: int) -> None:
    waits = retry_at(NOW, attempts) - NOW
    assert timedelta(minutes=1) <= waits <= timedelta(days=1)
    assert waits <= retry_at(NOW, attempts + 1) - NOW


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (10, 512), (11, 1024), (12, 1440), (50, 1440)]
)
def test_each_further_failure_waits_twice_as_long(attempts: int, minutes: int) -> None:
    assert retry_at(NOW, attempts) == NOW + timedelta(minutes=minutes)


def test_at_one_instant_drafts_come_before_finalizing() -> None:
    later = NOW + timedelta(seconds=1)
    work = [
        Due(NOW, Task.FINALIZE, "inv_a"),
        Due(later, Task.DRAFT, "sub_a"),
        Due(NOW, Task.DRAFT, "sub_b"),
        Due(NOW, Task.DRAFT, "sub_a"),
    ]
    assert sorted(work) == [work[3], work[2], work[0], work[1]]
