"""Coupons and taxes in the schema."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from billing_gql.catalog import queries, tables
from billing_gql.graph.mutate import Info
from billing_gql.graph.node import Node, entity, kept
from billing_gql.graph.scalars import CurrencyCode
from billing_gql.invoices import applied

if TYPE_CHECKING:
    from billing_gql.graph.invoices import LineItem

strawberry.enum(
    tables.CouponDuration,
    description="On how many of a customer's invoices a coupon is: on one, on `durationInvoices`,"
    " or on all.",
)

LazyLineItem = Annotated["LineItem", strawberry.lazy("billing_gql.graph.invoices")]


@entity(description="A discount: either percent off, or an amount off in one currency.")
class Coupon(Node):
    """Mirrors `catalog.tables.Coupon`."""

    code: str = strawberry.field(description="Your own; unique among coupons.")
    name: str
    percent_off: Decimal | None
    amount_off: Decimal | None = strawberry.field(description="In `currency`.")
    currency: CurrencyCode | None = strawberry.field(description="Null for percent off.")
    duration: tables.CouponDuration
    duration_invoices: int | None = strawberry.field(
        description="Invoices it lasts for when REPEATING."
    )

    @classmethod
    def of(cls, row: tables.Coupon) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            code=row.code,
            name=row.name,
            percent_off=row.percent_off,
            amount_off=row.amount_off,
            currency=None if row.currency is None else CurrencyCode(row.currency),
            duration=row.duration,
            duration_invoices=row.duration_invoices,
        )


@strawberry.type(description="What a coupon takes off an invoice, or off one of its lines.")
class CouponApplication:
    """Mirrors `invoices.applied.CouponApplication`."""

    currency: CurrencyCode
    amount: Decimal = strawberry.field(
        description="Above zero: a coupon that took nothing is not listed and was not used."
    )
    coupon_id: strawberry.Private[str]
    line_item_id: strawberry.Private[str | None]

    @strawberry.field(description="The coupon.")
    async def coupon(self, info: Info) -> Coupon:
        return kept(await coupon_of(info, self.coupon_id))

    @strawberry.field(description="Null where it is on the whole invoice.")
    async def line_item(self, info: Info) -> LazyLineItem | None:
        from billing_gql.graph.invoices import line_of

        return await line_of(info, self.line_item_id)

    @classmethod
    def of(cls, row: applied.CouponApplication) -> Self:
        return cls(
            currency=CurrencyCode(row.currency),
            amount=row.amount,
            coupon_id=row.coupon_id,
            line_item_id=row.line_item_id,
        )


@entity(description="A rate of tax.")
class TaxRate(Node):
    """Mirrors `catalog.tables.TaxRate`."""

    code: str = strawberry.field(description="Your own; unique among tax rates.")
    name: str
    percentage: Decimal
    is_default: bool = strawberry.field(
        description="It is on every line that does not name its own rates."
    )

    @classmethod
    def of(cls, row: tables.TaxRate) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            code=row.code,
            name=row.name,
            percentage=row.percentage,
            is_default=row.is_default,
        )


@strawberry.type(
    description="Tax of one rate on the invoice: its base, and the amount rounded once, as"
    " EN 16931 sums it."
)
class InvoiceTax:
    """Mirrors `invoices.applied.InvoiceTax`."""

    name: str
    percentage: Decimal
    currency: CurrencyCode
    taxable_amount: Decimal = strawberry.field(
        description="The discounted lines that carry the rate, added up."
    )
    amount: Decimal
    tax_rate_id: strawberry.Private[str]

    @strawberry.field(description="The rate.")
    async def tax_rate(self, info: Info) -> TaxRate:
        return kept(await tax_rate_of(info, self.tax_rate_id))

    @classmethod
    def of(cls, row: applied.InvoiceTax) -> Self:
        return cls(
            name=row.name,
            percentage=row.percentage,
            currency=CurrencyCode(row.currency),
            taxable_amount=row.taxable_amount,
            amount=row.amount,
            tax_rate_id=row.tax_rate_id,
        )


async def coupon_of(info: Info, coupon_id: str | None) -> Coupon | None:
    """The coupon through its loader; None for no id."""
    row = await info.context.loaders.money.coupons.load(coupon_id) if coupon_id else None
    return None if row is None else Coupon.of(row)


async def tax_rate_of(info: Info, tax_rate_id: str | None) -> TaxRate | None:
    """The tax rate through its loader; None for no id."""
    row = await info.context.loaders.money.tax_rates.load(tax_rate_id) if tax_rate_id else None
    return None if row is None else TaxRate.of(row)


@strawberry.type
class DiscountQueries:
    """Fields of Query."""

    @strawberry.field(description="All, by code.")
    async def coupons(self, info: Info) -> list[Coupon]:
        async with info.context.reading() as session:
            rows = await queries.all_coupons(session, info.context.actor)
        return [Coupon.of(row) for row in rows]

    @strawberry.field(description="All, by code.")
    async def tax_rates(self, info: Info) -> list[TaxRate]:
        async with info.context.reading() as session:
            rows = await queries.all_tax_rates(session, info.context.actor)
        return [TaxRate.of(row) for row in rows]
