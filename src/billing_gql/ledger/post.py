"""Posts a movement: the only writer of the ledger."""

from collections.abc import Sequence
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.tables import Customer
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.ids import Kind, new_id
from billing_gql.kernel.money import exactly, zero
from billing_gql.ledger.announce import announce_movement
from billing_gql.ledger.postings import AccountKind, Posting, Reason, postings
from billing_gql.ledger.tables import Account, Entry

ENTRY_KINDS = {
    AccountKind.BALANCE: Kind.BALANCE_TRANSACTION,
    AccountKind.WALLET: Kind.WALLET_TRANSACTION,
}
"""The kinds of entries that callers see; the others are the ledger's own."""


async def post(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    reason: Reason,
    amount: Decimal,
    *,
    wallet_id: str | None = None,
    invoice_id: str | None = None,
    description: str | None = None,
) -> Entry:
    """Moves `amount`, above or below 0, into the customer's balance or a wallet.

    Returns the entry of that account. The customer must be locked, and with it all its accounts.
    The database refuses a movement whose entries do not sum to zero.
    """
    movement_id = new_id(Kind.MOVEMENT)
    entries = []
    for posting in postings(reason, amount, wallet_id):
        account = await _account(session, customer, posting)
        entry = Entry(
            id=new_id(ENTRY_KINDS.get(account.kind, Kind.LEDGER_ENTRY)),
            organization_id=actor.organization_id,
            customer_id=customer.id,
            movement_id=movement_id,
            account_id=account.id,
            sequence=account.entry_count + 1,
            kind=account.kind,
            wallet_id=account.wallet_id,
            reason=reason.value,
            currency=account.currency,
            amount=posting.amount,
            starting_balance=account.balance,
            ending_balance=_sum((account.balance, posting.amount)),
            invoice_id=invoice_id,
            description=description,
            created_at=actor.now,
        )
        account.balance = entry.ending_balance
        account.entry_count = entry.sequence
        entries.append(entry)
    customer.terms_generation += 1
    session.add_all(entries)
    await session.flush()
    await announce_movement(session, actor, entries[0])
    return entries[0]


async def _account(session: AsyncSession, customer: Customer, posting: Posting) -> Account:
    mine = (
        Account.organization_id == customer.organization_id,
        Account.customer_id == customer.id,
        Account.kind == posting.account,
        col(Account.wallet_id).is_not_distinct_from(posting.wallet_id),
    )
    account = (await session.exec(select(Account).where(*mine))).first()
    if account is None:
        account = Account(
            organization_id=customer.organization_id,
            customer_id=customer.id,
            kind=posting.account,
            wallet_id=posting.wallet_id,
            currency=customer.currency,
            balance=zero(customer.currency),
        )
        session.add(account)
        await session.flush()
    return account


@exactly
def _sum(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
