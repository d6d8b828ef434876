"""Refunds in the schema."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.graph.credit_notes import CreditNote, ask_providers, credit_note_of
from billing_gql.graph.inputs import given
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.payments import Payment, payment_of
from billing_gql.graph.problems import UserError, user_error
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import PaymentDeclined
from billing_gql.payments import tables
from billing_gql.payments.refund_again import mark_paid_out, retry_refund


@strawberry.enum(
    description="PROCESSING until the provider has said how the refund ended. What FAILED is still"
    " owed: refundRetry and refundMarkPaidOut mend it."
)
class RefundState(StrEnum):
    """Those of `PaymentState` that a refund may be in."""

    PROCESSING = PaymentState.PROCESSING.value
    SUCCEEDED = PaymentState.SUCCEEDED.value
    FAILED = PaymentState.FAILED.value


@entity(description="Money of a credit note that goes back to the customer.")
class Refund(Node):
    """Mirrors `payments.tables.Refund`."""

    provider: PaymentProvider = strawberry.field(
        description="Who gives it back; MANUAL was paid out outside of the service."
    )
    state: RefundState
    currency: CurrencyCode
    amount: Decimal
    reference: str | None = strawberry.field(
        description="Yours, of what was paid out by hand; else the provider's, once it has one."
    )
    failure_reason: str | None = strawberry.field(description="In the provider's words.")
    refunded_at: datetime | None = strawberry.field(description="Null unless the money went back.")
    created_at: datetime
    credit_note_id: strawberry.Private[str]
    payment_id: strawberry.Private[str | None]

    @strawberry.field(description="What it pays out.")
    async def credit_note(self, info: Info) -> CreditNote:
        return kept(await credit_note_of(info, self.credit_note_id))

    @strawberry.field(
        description="What it gives back; null where what no provider took was paid out by hand."
    )
    async def payment(self, info: Info) -> Payment | None:
        return await payment_of(info, self.payment_id)

    @classmethod
    def of(cls, row: tables.Refund) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            provider=row.provider,
            state=RefundState(row.state.value),
            currency=CurrencyCode(row.currency),
            amount=row.amount,
            reference=row.reference or row.provider_reference,
            failure_reason=row.failure_reason,
            refunded_at=row.refunded_at,
            created_at=row.created_at,
            credit_note_id=row.credit_note_id,
            payment_id=row.payment_id,
        )


async def refund_of(info: Info, refund_id: str | None) -> Refund | None:
    """The refund through its loader; None for no id."""
    row = await info.context.loaders.money.refunds.load(refund_id) if refund_id else None
    return None if row is None else Refund.of(row)


@strawberry.input
class RefundRetryInput:
    """A refund that FAILED."""

    refund_id: strawberry.ID
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class RefundRetryPayload:
    """The refund as it stands. One that failed again is there, and told in userErrors."""

    refund: Refund | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class RefundMarkPaidOutInput:
    """A refund that FAILED, and went back outside of the service."""

    refund_id: strawberry.ID
    reference: str | None = strawberry.field(
        default=strawberry.UNSET, description="Yours, such as that of the bank transfer."
    )
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class RefundMarkPaidOutPayload:
    """The refund as it is now."""

    refund: Refund | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.type
class RefundMutations:
    """Fields of Mutation."""

    @strawberry.mutation(
        description="Asks the provider once more for a refund that FAILED. Where it fails again it"
        " is PAYMENT_DECLINED in userErrors, beside the refund, which is stored."
    )
    async def refund_retry(self, info: Info, input: RefundRetryInput) -> RefundRetryPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            return {"refund": (await retry_refund(session, actor, input.refund_id)).id}

        outcome = await mutate(info, input, verb)
        await ask_providers(info, [outcome.ids["refund"]] if "refund" in outcome.ids else [])
        refund = await refund_of(info, outcome.ids.get("refund"))
        errors = list(outcome.errors)
        if refund is not None and refund.state is RefundState.FAILED:
            reason = refund.failure_reason or ""
            failed = PaymentDeclined(f"The refund failed: {reason}", ("refundId",))
            errors.append(user_error(failed))
        return RefundRetryPayload(refund=refund, user_errors=errors, replayed=outcome.replayed)

    @strawberry.mutation(
        description="Records that a refund that FAILED was paid out outside of the service."
    )
    async def refund_mark_paid_out(
        self, info: Info, input: RefundMarkPaidOutInput
    ) -> RefundMarkPaidOutPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            reference = given(input.reference)
            return {"refund": (await mark_paid_out(session, actor, input.refund_id, reference)).id}

        outcome = await mutate(info, input, verb)
        return RefundMarkPaidOutPayload(
            refund=await refund_of(info, outcome.ids.get("refund")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
