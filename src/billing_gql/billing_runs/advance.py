"""The verb behind `testClockAdvance`: one run at a time for an organization."""

from datetime import datetime, timedelta

from billing_gql.billing_runs.run import Progress, RunReport, advance_clock
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput, InvalidState
from billing_gql.payments.providers import Providers
from billing_gql.store.database import Database

FURTHEST = timedelta(days=3653)


async def advance_test_clock(
    database: Database,
    actor: Actor,
    to: datetime,
    providers: Providers,
    progress: Progress | None = None,
) -> RunReport:
    """Moves the clock of a TEST organization forward.

    Raises InvalidState for a LIVE one or while another call moves it, InvalidInput for an instant
    before the present. To the present again does what is due now.
    """
    if not actor.is_test:
        raise InvalidState("Only a TEST organization's clock can be moved.", ("to",))
    to = checks.instant(to, "to")
    if to < actor.now:
        raise InvalidInput(f"The clock only moves forward; it is {actor.now.isoformat()}.", ("to",))
    if to - actor.now > FURTHEST:
        raise InvalidInput("At most ten years in one call.", ("to",))
    async with database.exclusive(f"clock of {actor.organization_id}") as mine:
        if not mine:
            raise InvalidState("Another call is moving this clock; wait for it.", ("to",))
        return await advance_clock(database, actor.organization_id, to, providers, progress)
