"""Payments in the schema."""

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import PaymentProvider
from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.inputs import given
from billing_gql.graph.invoices import Invoice, invoice_of
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.problems import UserError, user_error
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.invoices.states import PaymentState
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import zero
from billing_gql.kernel.problems import PaymentDeclined, Problem
from billing_gql.payments import tables
from billing_gql.payments.check_method import check_method
from billing_gql.payments.record import record_payment
from billing_gql.payments.set_method import set_payment_method
from billing_gql.payments.settle import settle_attempt
from billing_gql.payments.start import retry_payment

strawberry.enum(
    PaymentState,
    description="PROCESSING until the provider has said how the payment ended; REFUNDED once all of"
    " it has gone back.",
)


@entity(description="Money for an invoice, or an attempt to take it.")
class Payment(Node):
    """Mirrors `payments.tables.Payment`."""

    provider: PaymentProvider
    state: PaymentState
    currency: CurrencyCode
    amount: Decimal
    reference: str | None = strawberry.field(
        description="Yours, of a payment recorded by hand; else the provider's, once it has one."
    )
    failure_reason: str | None = strawberry.field(description="In the provider's words.")
    received_at: datetime | None = strawberry.field(description="Null unless the money came in.")
    created_at: datetime
    invoice_id: strawberry.Private[str]

    @strawberry.field(description="What it pays.")
    async def invoice(self, info: Info) -> Invoice:
        return kept(await invoice_of(info, self.invoice_id))

    @strawberry.field(description="What of it has gone back. REFUNDED is that of which all has.")
    async def amount_refunded(self, info: Info) -> Decimal:
        refunded = await info.context.loaders.money.refunded.load(self.id)
        return zero(self.currency) if refunded is None else refunded

    @classmethod
    def of(cls, row: tables.Payment) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            provider=row.provider,
            state=row.state,
            currency=CurrencyCode(row.currency),
            amount=row.amount,
            reference=row.reference or row.provider_reference,
            failure_reason=row.failure_reason,
            received_at=row.received_at,
            created_at=row.created_at,
            invoice_id=row.invoice_id,
        )


async def payment_of(info: Info, payment_id: str | None) -> Payment | None:
    """The payment through its loader; None for no id."""
    row = await info.context.loaders.payments.load(payment_id) if payment_id else None
    return None if row is None else Payment.of(row)


@strawberry.input
class PaymentRecordInput:
    """Money that came in outside of the service."""

    invoice_id: strawberry.ID
    amount: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="Defaults to what remains. More than that is an overpayment and goes to the"
        " customer's balance.",
    )
    reference: str | None = strawberry.UNSET
    received_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Defaults to now; not in the future."
    )
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class PaymentRecordPayload:
    """The payment and its invoice."""

    payment: Payment | None
    invoice: Invoice | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input(
    description="SANDBOX tokens: pm_ok pays, pm_declined is declined, pm_processing stays under way"
    " until the test clock moves, pm_recovers is declined once an invoice and then pays,"
    " pm_no_refund pays and its refunds fail. A STRIPE token is the id of a PaymentMethod that is"
    " attached to a Stripe customer. A null token removes the method."
)
class CustomerPaymentMethodSetInput:
    """What the customer's invoices are collected with from now on."""

    customer_id: strawberry.ID
    provider: PaymentProvider
    token: str | None = strawberry.UNSET


@strawberry.type
class CustomerPaymentMethodSetPayload:
    """The customer as it is now."""

    customer: Customer | None
    user_errors: list[UserError]


@strawberry.input
class InvoiceRetryPaymentInput:
    """An open invoice of a customer with a payment method."""

    invoice_id: strawberry.ID
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class InvoiceRetryPaymentPayload:
    """The attempt as it stands. One that was declined is there, and told in userErrors."""

    invoice: Invoice | None
    payment: Payment | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.type
class PaymentMutations:
    """Fields of Mutation."""

    @strawberry.mutation(
        description="Records a payment that came in outside of the service: what remains, a part"
        " of it, or more."
    )
    async def payment_record(self, info: Info, input: PaymentRecordInput) -> PaymentRecordPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            payment = await record_payment(
                session,
                actor,
                input.invoice_id,
                amount=given(input.amount),
                reference=given(input.reference),
                received_at=given(input.received_at),
            )
            return {"payment": payment.id, "invoice": payment.invoice_id}

        outcome = await mutate(info, input, verb)
        return PaymentRecordPayload(
            payment=await payment_of(info, outcome.ids.get("payment")),
            invoice=await invoice_of(info, outcome.ids.get("invoice")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Sets or removes a customer's payment method.")
    async def customer_payment_method_set(
        self, info: Info, input: CustomerPaymentMethodSetInput
    ) -> CustomerPaymentMethodSetPayload:
        context, token = info.context, given(input.token)
        # The provider may take long to answer: no connection is held for it.
        await context.renew()
        known_as = None
        try:
            if token is not None:
                known_as = await check_method(
                    context.providers, context.actor, input.provider, token
                )
        except Problem as problem:
            return CustomerPaymentMethodSetPayload(customer=None, user_errors=[user_error(problem)])

        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            customer = await set_payment_method(
                session, actor, input.customer_id, input.provider, token, known_as
            )
            return {"customer": customer.id}

        outcome = await mutate(info, input, verb)
        return CustomerPaymentMethodSetPayload(
            customer=await customer_of(info, outcome.ids.get("customer")),
            user_errors=outcome.errors,
        )

    @strawberry.mutation(
        description="Tries the customer's payment method once more for what remains. A decline is"
        " PAYMENT_DECLINED in userErrors, beside the failed payment, which is stored."
    )
    async def invoice_retry_payment(
        self, info: Info, input: InvoiceRetryPaymentInput
    ) -> InvoiceRetryPaymentPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            payment = await retry_payment(session, actor, input.invoice_id)
            return {"payment": payment.id, "invoice": payment.invoice_id}

        outcome = await mutate(info, input, verb)
        if "payment" in outcome.ids:
            # The attempt is committed, so a decline undoes nothing. Replayed, this finishes what
            # the first call may not have lived to do, and finds nothing due otherwise.
            context = info.context
            await context.renew()
            await settle_attempt(
                context.database, context.actor, outcome.ids["payment"], context.providers
            )
            await context.renew()
        payment = await payment_of(info, outcome.ids.get("payment"))
        errors = list(outcome.errors)
        if payment is not None and payment.state is PaymentState.FAILED:
            reason = payment.failure_reason or ""
            declined = PaymentDeclined(f"The payment was declined: {reason}", ("invoiceId",))
            errors.append(user_error(declined))
        return InvoiceRetryPaymentPayload(
            invoice=await invoice_of(info, outcome.ids.get("invoice")),
            payment=payment,
            user_errors=errors,
            replayed=outcome.replayed,
        )
