"""Adjusts a customer's balance by hand."""

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AmountOutOfRange
from billing_gql.ledger.post import post
from billing_gql.ledger.postings import BalanceTransactionReason
from billing_gql.ledger.queries import balance_of
from billing_gql.ledger.tables import Entry


async def adjust_balance(
    session: AsyncSession,
    actor: Actor,
    customer_id: str,
    amount: Decimal,
    description: str | None = None,
) -> Entry:
    """Adds `amount`, above 0 credit and below 0 debt, in the customer's currency.

    Raises NotFound, InvalidInput or AmountOutOfRange.
    """
    customer = await lock_customer(session, actor, customer_id, "customerId")
    amount = checks.signed_amount(amount, customer.currency, "amount")
    checks.optional_text(description, "description", most=checks.MAX_LONG_TEXT)
    if abs(await balance_of(session, customer) + amount) >= checks.MAX_BALANCE:
        raise AmountOutOfRange(
            f"The balance must stay below {checks.MAX_BALANCE:f} {customer.currency}.", ("amount",)
        )
    return await post(
        session,
        actor,
        customer,
        BalanceTransactionReason.MANUAL_ADJUSTMENT,
        amount,
        description=description,
    )
