"""Runs verbs that have no mutation yet, each in a transaction of its own."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.create_coupon import create_coupon
from billing_gql.catalog.create_tax_rate import create_tax_rate
from billing_gql.catalog.tables import CouponDuration
from billing_gql.invoices.apply_coupon import apply_coupon
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.adjust_balance import adjust_balance
from billing_gql.ledger.create_wallet import create_wallet
from billing_gql.ledger.scopes import WalletScope
from billing_gql.ledger.top_up import top_up_wallet
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from tests.support import Api

P = ParamSpec("P")
T = TypeVar("T")


async def done(
    api: Api,
    verb: Callable[Concatenate[AsyncSession, Actor, P], Awaitable[T]],
    *args: P.args,
    **values: P.kwargs,
) -> T:
    """What the verb returns, after commit."""

    async def work(session: AsyncSession) -> T:
        mine = select(Organization).where(Organization.id == api.organization_id)
        organization = (await session.exec(mine)).one()
        return await verb(session, actor_of(organization), *args, **values)

    return await api.database.work(work)


async def coupon(
    api: Api,
    code: str,
    *,
    percent: str | None = None,
    amount: str | None = None,
    **where: Any,
) -> str:
    """A coupon for ever, given at once to a `customer_id`, `invoice_id` or `line_item_id`."""
    made = await done(
        api,
        create_coupon,
        code=code,
        name=code,
        percent_off=None if percent is None else Decimal(percent),
        amount_off=None if amount is None else Decimal(amount),
        currency=None if amount is None else "USD",
        duration=CouponDuration.FOREVER,
        duration_invoices=None,
    )
    await done(api, apply_coupon, coupon_id=made.id, **where)
    return made.id


async def tax_rate(api: Api, code: str, percentage: str, *, default: bool = True) -> str:
    """A new rate."""
    made = await done(
        api,
        create_tax_rate,
        code=code,
        name=code,
        percentage=Decimal(percentage),
        is_default=default,
    )
    return made.id


async def wallet(
    api: Api,
    customer_id: str,
    *amounts: str,
    scope: WalletScope = WalletScope.ALL,
    expires_at: Any = None,
) -> str:
    """A wallet, topped up with each amount."""
    made = await done(
        api,
        create_wallet,
        customer_id=customer_id,
        name="Prepaid",
        priority=1,
        scope=scope,
        expires_at=expires_at,
    )
    for amount in amounts:
        await done(api, top_up_wallet, made.id, Decimal(amount))
    return made.id


async def adjust(api: Api, customer_id: str, amount: str) -> None:
    """Moves the customer's balance by hand."""
    await done(api, adjust_balance, customer_id, Decimal(amount))
