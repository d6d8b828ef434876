"""Makes a tax rate."""

from decimal import Decimal

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import TaxRate
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AlreadyExists, TooManyItems

MAX_DEFAULTS = 10
MAX_RATES = 1_000


async def create_tax_rate(
    session: AsyncSession,
    actor: Actor,
    *,
    code: str,
    name: str,
    percentage: Decimal,
    is_default: bool,
) -> TaxRate:
    """A new rate; a default one is on drafts as soon as they are computed again.

    Raises InvalidInput, AmountOutOfRange, AlreadyExists or TooManyItems.
    """
    rate = TaxRate(
        organization_id=actor.organization_id,
        code=checks.key(code, "code"),
        name=checks.text(name, "name"),
        percentage=checks.percentage(percentage, "percentage"),
        is_default=is_default,
        created_at=actor.now,
    )
    mine = TaxRate.organization_id == actor.organization_id
    if (await session.exec(select(TaxRate.id).where(mine, TaxRate.code == rate.code))).first():
        raise AlreadyExists(f"A tax rate {code!r} exists already.", ("code",))
    counts = select(func.count(), func.count().filter(col(TaxRate.is_default))).where(mine)
    every, defaults = (await session.exec(counts)).one()
    if every >= MAX_RATES:
        raise TooManyItems(f"At most {MAX_RATES} tax rates.", ("code",))
    if is_default and defaults >= MAX_DEFAULTS:
        raise TooManyItems(f"At most {MAX_DEFAULTS} tax rates are default.", ("isDefault",))
    session.add(rate)
    await session.flush()
    return rate
