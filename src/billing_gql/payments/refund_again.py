"""Mends a refund that its provider did not make: tried again, or paid out by hand."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidState
from billing_gql.payments.announce import announce_refund
from billing_gql.payments.refund import lock_refund, note_success
from billing_gql.payments.tables import Refund


async def retry_refund(session: AsyncSession, actor: Actor, refund_id: str) -> Refund:
    """Another attempt at the provider, under a key of its own. Raises NotFound or InvalidState.

    Two at once: the second waits for the customer's row and then meets an attempt under way. Once
    this is committed, `settle_refund` asks the provider; the billing run does where it does not.
    """
    refund = await _failed(session, actor, refund_id, "be tried again")
    refund.state = PaymentState.PROCESSING
    refund.attempt = (refund.attempt or 0) + 1
    refund.failure_reason = None
    refund.provider_reference = None
    refund.checks = 0
    refund.next_check_at = actor.now
    refund.started_at = actor.now
    refund.updated_at = actor.now
    await session.flush()
    await announce_refund(session, actor, refund)
    return refund


async def mark_paid_out(
    session: AsyncSession, actor: Actor, refund_id: str, reference: str | None = None
) -> Refund:
    """Records that the money went back by hand. Raises NotFound, InvalidState or InvalidInput.

    The provider is not asked any more, and what it may still say changes nothing.
    """
    checks.optional_text(reference, "reference")
    refund = await _failed(session, actor, refund_id, "be paid out by hand")
    refund.state = PaymentState.SUCCEEDED
    refund.provider = PaymentProvider.MANUAL
    refund.reference = reference
    refund.failure_reason = None
    refund.updated_at = actor.now
    await note_success(session, actor, refund)
    return refund


async def _failed(session: AsyncSession, actor: Actor, refund_id: str, what: str) -> Refund:
    refund = await lock_refund(session, actor, refund_id, "refundId")
    if refund.state is not PaymentState.FAILED:
        raise InvalidState(
            f"Only a refund that is FAILED can {what}: this one is {refund.state.value}.",
            ("refundId",),
        )
    return refund
