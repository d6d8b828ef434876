"""One mutation field is one transaction; its payload is read after the commit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.graph.context import Context
from billing_gql.graph.inputs import plain_input
from billing_gql.graph.problems import UserError, user_error
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.clock import WallClock
from billing_gql.kernel.problems import Problem
from billing_gql.store.database import Outcome as Known
from billing_gql.store.idempotency import Answer, hash_of, once

Info = strawberry.Info[Context, None]
Verb = Callable[[AsyncSession, Actor], Awaitable[Answer]]
"""Does the work and answers with the ids of what the payload shows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mutation did: ids by name, or errors and nothing done."""

    ids: Answer = field(default_factory=dict)
    errors: list[UserError] = field(default_factory=list)
    replayed: bool = False


def outcome_of(info: Info) -> Callable[[Known], None]:
    """Notes what becomes known of a mutation field's outcome, in case the request is stopped."""
    name, outcomes = str(info.path.key), info.context.outcomes

    def note(outcome: Known) -> None:
        outcomes[name] = outcome

    return note


async def mutate(info: Info, source: object, verb: Verb) -> Outcome:
    """Runs the verb with the input's idempotency key, if it has one.

    A Problem undoes the transaction and becomes a userError. After it the context reads anew, so
    that the payload shows what was committed.
    """
    context = info.context
    actor = context.actor
    key = getattr(source, "idempotency_key", strawberry.UNSET)

    async def work(session: AsyncSession) -> tuple[Answer, bool]:
        if key is strawberry.UNSET or key is None:
            return await verb(session, actor), False
        values = {
            name: value for name, value in plain_input(source).items() if name != "idempotency_key"
        }
        return await once(
            session,
            organization_id=actor.organization_id,
            key=key,
            mutation=info.field_name,
            input_hash=hash_of(info.field_name, values),
            now=WallClock().now(),
            work=lambda: verb(session, actor),
        )

    # The snapshot of an earlier field of this request would hold a connection for nothing.
    await context.renew()
    try:
        ids, replayed = await context.database.work(work, outcome_of(info))
    except Problem as problem:
        return Outcome(errors=[user_error(problem)])
    finally:
        await context.renew()
    return Outcome(ids, [], replayed)
