"""Ids tell when they were made."""

from datetime import UTC, datetime, timedelta

import pytest

from billing_gql.kernel.ids import Kind, made_at, new_id


def test_an_id_was_made_now() -> None:
    before = datetime.now(UTC)
    made = made_at(new_id(Kind.PAYMENT))
    # The id keeps milliseconds, and ids of one process never go back.
    assert timedelta(milliseconds=-1) <= made - before < timedelta(minutes=1)


def test_the_instant_is_the_first_48_bits() -> None:
    # RFC 9562, appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F is 2022-02-22T19:22:22Z.
    assert made_at("pay_05vi5ojpm1uc7664rg60o1pphs") == datetime(
        2022, 2, 22, 19, 22, 22, tzinfo=UTC
    )


@pytest.mark.parametrize("wrong", ["", "pay_", "pay", "pay_x", "pay_zz", "pay_" + "0" * 26])
def test_what_is_no_id_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        made_at(wrong)
