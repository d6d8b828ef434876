"""Makes a coupon."""

from decimal import Decimal

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Coupon, CouponDuration
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AlreadyExists, AmountOutOfRange, InvalidInput, TooManyItems

MAX_INVOICES = 1_000
MAX_COUPONS = 1_000
"""Of one organization: `coupons` lists them all."""


async def create_coupon(
    session: AsyncSession,
    actor: Actor,
    *,
    code: str,
    name: str,
    percent_off: Decimal | None,
    amount_off: Decimal | None,
    currency: str | None,
    duration: CouponDuration,
    duration_invoices: int | None,
) -> Coupon:
    """A new coupon. Raises InvalidInput, AmountOutOfRange, AlreadyExists or TooManyItems."""
    if (percent_off is None) == (amount_off is None):
        raise InvalidInput("Give either percentOff or amountOff.", ("amountOff",))
    if (amount_off is None) != (currency is None):
        raise InvalidInput("An amountOff, and nothing else, has a currency.", ("currency",))
    if percent_off is not None and checks.percentage(percent_off, "percentOff") == 0:
        raise AmountOutOfRange("Must be above zero.", ("percentOff",))
    if (duration is CouponDuration.REPEATING) != (duration_invoices is not None):
        raise InvalidInput(
            "A REPEATING coupon, and no other, has durationInvoices.", ("durationInvoices",)
        )
    if duration_invoices is not None and not 1 <= duration_invoices <= MAX_INVOICES:
        raise InvalidInput(
            f"Must be from 1 to {MAX_INVOICES}, not {duration_invoices}.", ("durationInvoices",)
        )
    coupon = Coupon(
        organization_id=actor.organization_id,
        code=checks.key(code, "code"),
        name=checks.text(name, "name"),
        percent_off=None if percent_off is None else checks.percentage(percent_off, "percentOff"),
        currency=None if currency is None else checks.currency(currency, "currency"),
        duration=duration,
        duration_invoices=duration_invoices,
        created_at=actor.now,
    )
    if amount_off is not None and coupon.currency is not None:
        coupon.amount_off = checks.amount(amount_off, coupon.currency, "amountOff")
    mine = Coupon.organization_id == actor.organization_id
    if (await session.exec(select(Coupon.id).where(mine, Coupon.code == coupon.code))).first():
        raise AlreadyExists(f"A coupon {code!r} exists already.", ("code",))
    if (await session.exec(select(func.count()).where(mine))).one() >= MAX_COUPONS:
        raise TooManyItems(f"At most {MAX_COUPONS} coupons.", ("code",))
    session.add(coupon)
    await session.flush()
    return coupon
