"""Proration by days: a partial period costs its share of the whole one."""

from decimal import Decimal

import msgspec

from billing_gql.kernel.money import DIVISION_QUANTUM, exactly, plain
from billing_gql.rating.rate import Rated, rated


@exactly
def prorate(whole: Rated, days: int, of_days: int) -> Rated:
    """The share of `days` in a period of `of_days`; the steps say so and sum to it."""
    if not 0 < days <= of_days:
        raise ValueError(f"cannot prorate {days} of {of_days} days")
    if days == of_days:
        return whole

    def share(amount: Decimal) -> Decimal:
        return plain((amount * days / of_days).quantize(DIVISION_QUANTUM))

    return rated(
        whole.quantity,
        [
            msgspec.structs.replace(
                step,
                description=f"{step.description}, {days} of {of_days} days",
                flat_amount=share(step.flat_amount),
                amount=share(step.amount),
            )
            for step in whole.steps
        ],
    )
