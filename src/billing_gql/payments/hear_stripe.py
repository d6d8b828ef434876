"""Records what Stripe tells by itself of payments and refunds, in any order and however often."""

import structlog
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.problems import AmountOutOfRange, ProviderUnavailable
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization, OrganizationMode
from billing_gql.payments.providers.stripe import Stripe, refund_outcome
from billing_gql.payments.providers.stripe_amount import stripe_amount
from billing_gql.payments.providers.stripe_objects import Intent, Returned
from billing_gql.payments.refund import record_refund
from billing_gql.payments.settle import record_outcome
from billing_gql.payments.tables import Payment, Refund, refund_id_of
from billing_gql.store.database import Database

log = structlog.get_logger()


async def hear_of_payment(
    database: Database, stripe: Stripe, intent: Intent, *, is_test: bool
) -> PaymentState | None:
    """How the PaymentIntent's payment stands then; None where it is none of ours.

    It may be heard before the answer to our own request is stored. What is told of a TEST account
    is of TEST organizations alone. A payment that failed is cancelled at Stripe before that is
    stored; raises ProviderUnavailable where Stripe cannot be asked for it.
    """
    found = await _find(database, intent, is_test=is_test)
    if found is None:
        log.info("stripe told of another's payment", reference=intent.id)
        return None
    payment, organization = found
    if payment.provider_reference not in (None, intent.id):
        log.error("two PaymentIntents for one payment", payment=payment.id, reference=intent.id)
        return None
    if not _is_what_was_asked(payment, intent):
        log.error(
            "stripe told of another amount than was asked for",
            payment=payment.id,
            reference=intent.id,
            amount=intent.amount,
            currency=intent.currency,
        )
        return None
    try:
        outcome = await stripe.outcome_of(intent, is_test=is_test)
    except Exception as failure:
        log.warning("stripe did not answer", payment=payment.id, error=type(failure).__name__)
        raise ProviderUnavailable("Stripe could not be asked; send the event again.") from None
    if outcome.state is PaymentState.PROCESSING and payment.provider_reference == intent.id:
        return payment.state  # nothing that was not known

    async def record(session: AsyncSession) -> PaymentState:
        return await record_outcome(session, actor_of(organization), payment.id, outcome)

    return await database.work(record)


def _is_what_was_asked(ours: Payment | Refund, told: Intent | Returned) -> bool:
    try:
        asked = stripe_amount(ours.currency, ours.amount)
    except AmountOutOfRange:
        return False
    return (told.amount, told.currency) == (asked, ours.currency.lower())


async def _find(
    database: Database, intent: Intent, *, is_test: bool
) -> tuple[Payment, Organization] | None:
    """The payment that the PaymentIntent was made for, in the organization that it names."""
    mode = OrganizationMode.TEST if is_test else OrganizationMode.LIVE
    organization_id = intent.metadata.get("organization")
    async with database.snapshot() as session:
        return (
            await session.exec(
                select(Payment, Organization)
                .join(Organization, col(Organization.id) == col(Payment.organization_id))
                .where(
                    Payment.organization_id == organization_id,
                    Payment.id == intent.metadata.get("payment"),
                    Payment.provider == PaymentProvider.STRIPE,
                    Organization.mode == mode,
                )
            )
        ).first()


async def hear_of_refund(
    database: Database, returned: Returned, *, is_test: bool
) -> PaymentState | None:
    """How the refund stands then; None where it is none of ours: one made in Stripe's dashboard."""
    key = (returned.metadata or {}).get("refund", "")
    found = await _find_refund(database, key, returned, is_test=is_test)
    if found is None:
        log.info("stripe told of another's refund", reference=returned.id)
        return None
    refund, organization = found
    if not _is_what_was_asked(refund, returned):
        log.error(
            "stripe told of another amount than was asked for",
            refund=refund.id,
            reference=returned.id,
            amount=returned.amount,
            currency=returned.currency,
        )
        return None
    outcome = refund_outcome(returned)

    async def record(session: AsyncSession) -> PaymentState:
        return await record_refund(session, actor_of(organization), key, outcome)

    return await database.work(record)


async def _find_refund(
    database: Database, key: str, returned: Returned, *, is_test: bool
) -> tuple[Refund, Organization] | None:
    """The refund that the key was made for, if it is of the payment that Stripe says.

    Stripe's refund names no organization: our own ids are of all of them.
    """
    mode = OrganizationMode.TEST if is_test else OrganizationMode.LIVE
    async with database.snapshot() as session:
        return (
            await session.exec(
                select(Refund, Organization)
                .join(Organization, col(Organization.id) == col(Refund.organization_id))
                .join(
                    Payment,
                    and_(
                        col(Payment.organization_id) == col(Refund.organization_id),
                        col(Payment.id) == col(Refund.payment_id),
                    ),
                )
                .where(
                    Refund.id == refund_id_of(key),
                    Payment.provider == PaymentProvider.STRIPE,
                    Payment.provider_reference == returned.payment_intent,
                    Organization.mode == mode,
                )
            )
        ).first()
