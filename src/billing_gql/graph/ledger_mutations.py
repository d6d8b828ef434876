"""Making and topping up wallets, and adjusting balances, in the schema."""

from datetime import datetime
from decimal import Decimal

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.graph.customers import Customer, customer_of
from billing_gql.graph.inputs import given
from billing_gql.graph.invoices import Invoice, invoice_of
from billing_gql.graph.ledger import (
    BalanceTransaction,
    Wallet,
    WalletTransaction,
    balance_transaction_of,
    wallet_of,
    wallet_transaction_of,
)
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.problems import UserError
from billing_gql.invoices.buy_credit import buy_credit
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.adjust_balance import adjust_balance
from billing_gql.ledger.create_wallet import create_wallet
from billing_gql.ledger.queries import top_up_of_invoice
from billing_gql.ledger.scopes import WalletScope
from billing_gql.ledger.top_up import WalletTopUpPayment, top_up_wallet

DEFAULT_PRIORITY = 50

strawberry.enum(
    WalletTopUpPayment,
    description="What is asked for prepaid credit: GRANTED gives it at once, for nothing or for"
    " what was paid elsewhere; INVOICED gives it once an invoice for it is paid.",
)


@strawberry.input
class CustomerBalanceAdjustInput:
    """Above zero gives credit, below zero debt."""

    customer_id: strawberry.ID
    amount: Decimal = strawberry.field(description="In the customer's currency; not zero.")
    description: str | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class CustomerBalanceAdjustPayload:
    """The customer with the new balance, and the change of it."""

    customer: Customer | None
    balance_transaction: BalanceTransaction | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class WalletCreateInput:
    """An empty wallet in the customer's currency."""

    customer_id: strawberry.ID
    name: str
    priority: int | None = strawberry.field(
        default=DEFAULT_PRIORITY, description="From 0 to 1,000. Lower is drawn first."
    )
    scope: WalletScope = WalletScope.USAGE
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Later than now. Without it the wallet never expires."
    )
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class WalletCreatePayload:
    """The new wallet."""

    wallet: Wallet | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class WalletTopUpInput:
    """Prepaid credit."""

    wallet_id: strawberry.ID
    amount: Decimal = strawberry.field(description="In the wallet's currency; above zero.")
    payment: WalletTopUpPayment | None = strawberry.field(
        default=WalletTopUpPayment.GRANTED,
        description="INVOICED makes a final invoice of the amount, and the credit comes with its"
        " payment.",
    )
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class WalletTopUpPayload:
    """The wallet as it is now, and the change of it."""

    wallet: Wallet | None
    transaction: WalletTransaction | None = strawberry.field(
        description="Null while the invoice for it is not paid."
    )
    invoice: Invoice | None = strawberry.field(
        description="What is to be paid for the credit; null where it was granted."
    )
    user_errors: list[UserError]
    replayed: bool


@strawberry.type
class LedgerMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Adjusts a customer's balance by hand.")
    async def customer_balance_adjust(
        self, info: Info, input: CustomerBalanceAdjustInput
    ) -> CustomerBalanceAdjustPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            entry = await adjust_balance(
                session, actor, input.customer_id, input.amount, given(input.description)
            )
            return {"customer": entry.customer_id, "entry": entry.id}

        outcome = await mutate(info, input, verb)
        return CustomerBalanceAdjustPayload(
            customer=await customer_of(info, outcome.ids.get("customer")),
            balance_transaction=await balance_transaction_of(info, outcome.ids.get("entry")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Makes an empty wallet.")
    async def wallet_create(self, info: Info, input: WalletCreateInput) -> WalletCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            wallet = await create_wallet(
                session,
                actor,
                customer_id=input.customer_id,
                name=input.name,
                priority=DEFAULT_PRIORITY if input.priority is None else input.priority,
                scope=input.scope,
                expires_at=given(input.expires_at),
            )
            return {"wallet": wallet.id}

        outcome = await mutate(info, input, verb)
        return WalletCreatePayload(
            wallet=await wallet_of(info, outcome.ids.get("wallet")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(
        description="Puts prepaid credit into a wallet that has not expired, at once or once an"
        " invoice for it is paid."
    )
    async def wallet_top_up(self, info: Info, input: WalletTopUpInput) -> WalletTopUpPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            if input.payment is WalletTopUpPayment.INVOICED:
                invoice = await buy_credit(session, actor, input.wallet_id, input.amount)
                bought = await top_up_of_invoice(session, actor, invoice.id)
                entry = {} if bought is None else {"entry": bought.id}
                return {"wallet": input.wallet_id, "invoice": invoice.id, **entry}
            granted = await top_up_wallet(session, actor, input.wallet_id, input.amount)
            return {"wallet": input.wallet_id, "entry": granted.id}

        outcome = await mutate(info, input, verb)
        return WalletTopUpPayload(
            wallet=await wallet_of(info, outcome.ids.get("wallet")),
            transaction=await wallet_transaction_of(info, outcome.ids.get("entry")),
            invoice=await invoice_of(info, outcome.ids.get("invoice")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
