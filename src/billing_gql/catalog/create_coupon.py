"""Makes a coupon."""

from decimal import Decimal

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Coupon, CouponDuration
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AlreadyExists, AmountOutOfRange, InvalidInput

MAX_INVOICES = 1_000


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
    """A new coupon. Raises InvalidInput, AmountOutOfRange or AlreadyExists."""
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
    taken = select(Coupon.id).where(
        Coupon.organization_id == actor.organization_id, Coupon.code == coupon.code
    )
    if (await session.exec(taken)).first() is not None:
        raise AlreadyExists(f"A coupon {code!r} exists already.", ("code",))
    session.add(coupon)
    await session.flush()
    return coupon
