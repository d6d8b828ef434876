"""What a billing run has to do, in which order, and when it tries again. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum


class Task(IntEnum):
    """What falls due; at one instant drafts come before finalizing.

    REFRESH: a draft for which usage has come since. LATE: usage that came for a subscription whose
    last invoice is out. EXPIRE: a wallet whose time is over. COLLECT: a finalized invoice that the
    customer's method is to pay. SETTLE: a payment under way of which the provider is to be asked.
    REFUND: the same of a refund.
    """

    DRAFT = 1
    FINALIZE = 2
    REFRESH = 3
    LATE = 4
    EXPIRE = 5
    COLLECT = 6
    SETTLE = 7
    REFUND = 8


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """What a task has fallen due for: a subscription, invoice, wallet, payment or refund."""

    at: datetime
    task: Task
    subject_id: str
    failed_before: bool = False


def retry_at(failed_at: datetime, attempts: int) -> datetime:
    """One minute after the first failure, twice as long after each further one, a day at most."""
    return failed_at + min(timedelta(minutes=2 ** min(attempts - 1, 11)), timedelta(days=1))
