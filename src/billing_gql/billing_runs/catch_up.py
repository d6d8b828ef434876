"""Bills what a subscription owes so far, before a verb changes it."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.invoices.draft import draft_next
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidState
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.subscriptions.tables import Subscription

MOST_PERIODS = 60


def at_present(actor: Actor, organization: Organization, subscription: Subscription) -> Actor:
    """The actor, later where a billing run has gone on while the verb waited for its locks.

    Otherwise what was billed meanwhile would look like what is to come.
    """
    present = actor_of(organization)
    return present if actor.now < subscription.period_start <= present.now else actor


async def catch_up(
    session: AsyncSession,
    actor: Actor,
    organization: Organization,
    customer: Customer,
    subscription: Subscription,
) -> None:
    """Drafts every period that has ended, in order; the billing run finalizes them.

    Raises InvalidState where that is more than one transaction should hold. Customer and
    subscription must be locked.
    """
    drafted = 0
    while subscription.next_bill_at is not None and subscription.next_bill_at <= actor.now:
        if drafted == MOST_PERIODS:
            raise InvalidState(
                f"More than {MOST_PERIODS} periods of the subscription are not billed yet; wait"
                " for the billing run.",
                ("subscriptionId",),
            )
        await draft_next(session, actor, organization, customer, subscription)
        drafted += 1
