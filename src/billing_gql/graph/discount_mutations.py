"""Making coupons and tax rates, and applying coupons, in the schema."""

from decimal import Decimal

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.create_coupon import create_coupon
from billing_gql.catalog.create_tax_rate import create_tax_rate
from billing_gql.catalog.tables import CouponDuration
from billing_gql.graph.discounts import Coupon, TaxRate, coupon_of, tax_rate_of
from billing_gql.graph.inputs import given
from billing_gql.graph.invoices import Invoice, invoice_of
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.problems import UserError
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.invoices.apply_coupon import apply_coupon
from billing_gql.kernel.actor import Actor


@strawberry.input
class CouponCreateInput:
    """Either percentOff, or amountOff with its currency. A coupon never changes."""

    code: str
    name: str
    percent_off: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Above 0, at most 100."
    )
    amount_off: Decimal | None = strawberry.UNSET
    currency: CurrencyCode | None = strawberry.field(
        default=strawberry.UNSET, description="Of amountOff, and only with it."
    )
    duration: CouponDuration
    duration_invoices: int | None = strawberry.field(
        default=strawberry.UNSET, description="Of a REPEATING coupon, and only of one."
    )
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class CouponCreatePayload:
    """The new coupon."""

    coupon: Coupon | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.input(
    description="To a customer's coming invoices, or to one draft, or to one line of a draft."
)
class CouponApplyInput:
    """Exactly one of the three."""

    coupon_id: strawberry.ID
    customer_id: strawberry.ID | None = strawberry.UNSET
    invoice_id: strawberry.ID | None = strawberry.UNSET
    line_item_id: strawberry.ID | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class CouponApplyPayload:
    """The coupon and the draft that it is on."""

    coupon: Coupon | None
    invoice: Invoice | None = strawberry.field(
        description="Null where the coupon was given to a customer."
    )
    user_errors: list[UserError]
    replayed: bool


@strawberry.input
class TaxRateCreateInput:
    """A tax rate never changes."""

    code: str
    name: str
    percentage: Decimal = strawberry.field(description="From 0 to 100.")
    is_default: bool = strawberry.field(
        default=False, description="Put it on every line that does not name its own rates."
    )
    idempotency_key: str | None = strawberry.UNSET


@strawberry.type
class TaxRateCreatePayload:
    """The new tax rate."""

    tax_rate: TaxRate | None
    user_errors: list[UserError]
    replayed: bool


@strawberry.type
class DiscountMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="Makes a coupon.")
    async def coupon_create(self, info: Info, input: CouponCreateInput) -> CouponCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            coupon = await create_coupon(
                session,
                actor,
                code=input.code,
                name=input.name,
                percent_off=given(input.percent_off),
                amount_off=given(input.amount_off),
                currency=given(input.currency),
                duration=input.duration,
                duration_invoices=given(input.duration_invoices),
            )
            return {"coupon": coupon.id}

        outcome = await mutate(info, input, verb)
        return CouponCreatePayload(
            coupon=await coupon_of(info, outcome.ids.get("coupon")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(
        description="Gives a coupon to a customer, whose open drafts take it with the next billing"
        " run; or to a draft or one of its lines, at once."
    )
    async def coupon_apply(self, info: Info, input: CouponApplyInput) -> CouponApplyPayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            grant = await apply_coupon(
                session,
                actor,
                coupon_id=input.coupon_id,
                customer_id=given(input.customer_id),
                invoice_id=given(input.invoice_id),
                line_item_id=given(input.line_item_id),
            )
            ids = {"coupon": grant.coupon_id}
            return ids if grant.invoice_id is None else {**ids, "invoice": grant.invoice_id}

        outcome = await mutate(info, input, verb)
        return CouponApplyPayload(
            coupon=await coupon_of(info, outcome.ids.get("coupon")),
            invoice=await invoice_of(info, outcome.ids.get("invoice")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )

    @strawberry.mutation(description="Makes a tax rate.")
    async def tax_rate_create(self, info: Info, input: TaxRateCreateInput) -> TaxRateCreatePayload:
        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            rate = await create_tax_rate(
                session,
                actor,
                code=input.code,
                name=input.name,
                percentage=input.percentage,
                is_default=input.is_default,
            )
            return {"tax_rate": rate.id}

        outcome = await mutate(info, input, verb)
        return TaxRateCreatePayload(
            tax_rate=await tax_rate_of(info, outcome.ids.get("tax_rate")),
            user_errors=outcome.errors,
            replayed=outcome.replayed,
        )
