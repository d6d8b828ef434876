"""The verb behind `testClockAdvance`: one run at a time for an organization."""

from datetime import datetime, timedelta

from sqlalchemy import text

from billing_gql.billing_runs.run import Progress, RunReport, advance_clock
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput, InvalidState
from billing_gql.store.database import Database

FURTHEST = timedelta(days=3653)


async def advance_test_clock(
    database: Database, actor: Actor, to: datetime, progress: Progress | None = None
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
    # A session's lock, on a connection of its own: it goes with the process if that is killed.
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        lock = {"id": actor.organization_id}
        taken = await connection.scalar(
            text("SELECT pg_try_advisory_lock(hashtextextended(:id, 0))"), lock
        )
        if not taken:
            raise InvalidState("Another call is moving this clock; wait for it.", ("to",))
        try:
            return await advance_clock(database, actor.organization_id, to, progress)
        finally:
            await connection.execute(
                text("SELECT pg_advisory_unlock(hashtextextended(:id, 0))"), lock
            )
