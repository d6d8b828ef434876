"""What a subscription is at an instant."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_gql.subscriptions.states import status_at

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "status"), [(-1, "PENDING"), (0, "ACTIVE"), (1, "ACTIVE"), (10**9, "ACTIVE")]
)
def test_a_subscription_is_active_from_its_start(seconds: int, status: str) -> None:
    assert status_at(START + timedelta(seconds=seconds), START) == status
