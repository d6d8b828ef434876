"""Makes a wallet."""

from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.customers.queries import lock_customer
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import InvalidInput, TooManyItems
from billing_gql.ledger.announce import WalletEvent, announce_wallet
from billing_gql.ledger.scopes import WalletScope
from billing_gql.ledger.tables import Wallet

MAX_WALLETS = 50
"""Of one customer that have not expired."""
MAX_PRIORITY = 1_000


async def create_wallet(
    session: AsyncSession,
    actor: Actor,
    *,
    customer_id: str,
    name: str,
    priority: int,
    scope: WalletScope,
    expires_at: datetime | None,
) -> Wallet:
    """An empty wallet in the customer's currency. Raises NotFound, InvalidInput, TooManyItems."""
    customer = await lock_customer(session, actor, customer_id, "customerId")
    if not 0 <= priority <= MAX_PRIORITY:
        raise InvalidInput(f"Must be from 0 to {MAX_PRIORITY}, not {priority}.", ("priority",))
    if expires_at is not None:
        expires_at = checks.instant(expires_at, "expiresAt")
        if expires_at <= actor.now:
            raise InvalidInput(f"Must be later than now, {actor.now.isoformat()}.", ("expiresAt",))
    mine = select(func.count()).where(
        col(Wallet.organization_id) == actor.organization_id,
        col(Wallet.customer_id) == customer.id,
        ~col(Wallet.expired),
    )
    if (await session.exec(mine)).one() >= MAX_WALLETS:
        raise TooManyItems(f"A customer has at most {MAX_WALLETS} wallets.", ("customerId",))
    wallet = Wallet(
        organization_id=actor.organization_id,
        customer_id=customer.id,
        name=checks.text(name, "name"),
        currency=customer.currency,
        priority=priority,
        scope=scope,
        expires_at=expires_at,
        created_at=actor.now,
    )
    session.add(wallet)
    await session.flush()
    await announce_wallet(session, actor, wallet, WalletEvent.CREATED)
    return wallet
