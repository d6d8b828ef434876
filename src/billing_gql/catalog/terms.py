"""The words in which a plan says when it bills. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from billing_gql.kernel.money import exactly


class BillingPeriod(StrEnum):
    """How long a plan's period is."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    SEMIANNUAL = "SEMIANNUAL"
    YEARLY = "YEARLY"


class BillingCadence(StrEnum):
    """When a price is billed: at the start of its period, or at its end."""

    ADVANCE = "ADVANCE"
    ARREARS = "ARREARS"


MONTHS = {
    BillingPeriod.MONTHLY: 1,
    BillingPeriod.QUARTERLY: 3,
    BillingPeriod.SEMIANNUAL: 6,
    BillingPeriod.YEARLY: 12,
}
"""The months of the periods that are counted in months."""
PERIODS_A_YEAR = {
    BillingPeriod.DAILY: 365,
    BillingPeriod.WEEKLY: 52,
    BillingPeriod.MONTHLY: 12,
    BillingPeriod.QUARTERLY: 4,
    BillingPeriod.SEMIANNUAL: 2,
    BillingPeriod.YEARLY: 1,
}


@exactly
def yearly_amount(billing_period: BillingPeriod, fixed_amounts: Iterable[Decimal]) -> Decimal:
    """What a plan's fixed prices bill in a year, by which plans are compared."""
    return sum(fixed_amounts, Decimal(0)) * PERIODS_A_YEAR[billing_period]
