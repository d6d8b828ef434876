"""Who acts, for which organization, and when."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Actor:
    """Every verb takes one: its organization bounds what is seen, its `now` is the present."""

    organization_id: str
    is_test: bool
    now: datetime
