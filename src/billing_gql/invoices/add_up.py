"""Reads what is taken off and put on an invoice, and sums it up; writes the sums of a draft."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import delete, or_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import TaxRate
from billing_gql.customers.tables import Customer
from billing_gql.invoices.applied import CouponApplication, InvoiceTax
from billing_gql.invoices.lines import LineItemType
from billing_gql.invoices.states import InvoiceType
from billing_gql.invoices.tables import Invoice, LineItem
from billing_gql.invoices.totals import (
    CouponTerms,
    LineTerms,
    TaxTerms,
    Totals,
    WalletTerms,
    totals,
)
from billing_gql.kernel.actor import Actor
from billing_gql.ledger.postings import AccountKind
from billing_gql.ledger.queries import balance_of
from billing_gql.ledger.tables import Account, Wallet
from billing_gql.store.columns import among
from billing_gql.store.database import run_sql

# A grant to coming invoices counts while it has uses left, this invoice's own not counted.
_GRANTS = """
SELECT g.id, g.coupon_id, g.invoice_id, g.line_item_id, c.percent_off, c.amount_off
FROM coupon_grants AS g
JOIN coupons AS c ON c.id = g.coupon_id
WHERE g.organization_id = :organization AND g.customer_id = :customer
  AND (g.invoice_id = :invoice OR g.invoice_id IS NULL AND (
    c.duration = 'FOREVER' OR coalesce(c.duration_invoices, 1) > (
      SELECT count(DISTINCT a.invoice_id)
      FROM coupon_applications AS a JOIN invoices AS i ON i.id = a.invoice_id
      WHERE a.grant_id = g.id AND i.status <> 'VOIDED' AND i.id IS DISTINCT FROM :invoice)))
ORDER BY g.id
"""


@dataclass(frozen=True, slots=True)
class LineToSum:
    """A line before discounts and taxes; `tax_rate_ids` None takes the default rates."""

    line_item_id: str | None
    type: LineItemType
    amount: Decimal
    tax_rate_ids: tuple[str, ...] | None = None
    is_credit: bool = False


@dataclass(frozen=True, slots=True)
class _Terms:
    coupons: Sequence[CouponTerms]
    line_coupons: Mapping[str | None, Sequence[CouponTerms]]
    coupon_ids: Mapping[str, str]
    """The coupon of each grant."""
    default_taxes: tuple[TaxTerms, ...]
    taxes: Mapping[str, TaxTerms]
    wallets: Sequence[WalletTerms]
    balance: Decimal


async def sum_up(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    lines: Sequence[LineToSum],
    invoice_id: str | None = None,
) -> Totals:
    """What the lines come to with the customer's coupons, taxes, wallets and balance of now."""
    terms = await _read_terms(session, actor, customer, lines, invoice_id)
    return _sum(terms, lines, customer.currency)


async def add_up(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    invoice: Invoice,
    rows: Sequence[LineItem],
) -> Totals:
    """Sets the sums of a draft, each line's share of discounts and taxes, and what was applied.

    Nothing is posted: that is finalizing's. Customer and invoice must be locked. Raises
    AmountOutOfRange.
    """
    lines = [
        LineToSum(
            row.id,
            row.type,
            row.amount,
            None if row.tax_rate_ids is None else tuple(row.tax_rate_ids),
            row.credit_id is not None,
        )
        for row in rows
    ]
    terms = await _read_terms(session, actor, customer, lines, invoice.id)
    if invoice.invoice_type is InvoiceType.CREDIT:
        # Prepaid credit is bought with money, and coupons are for what it is spent on.
        terms = replace(terms, coupons=(), wallets=())
    sums = _sum(terms, lines, invoice.currency)
    for row, line, amounts in zip(rows, lines, sums.lines, strict=True):
        row.discount_amount = amounts.discount_amount
        row.tax_amount = amounts.tax_amount
        row.taxed_by = [tax.tax_rate_id for tax in _taxes_of(terms, line)]
    invoice.subtotal = sums.subtotal
    invoice.total_discount = sums.total_discount
    invoice.total_tax = sums.total_tax
    invoice.total_prepaid_credits_applied = sums.total_prepaid_credits_applied
    invoice.total = sums.total
    invoice.customer_balance_applied = sums.customer_balance_applied
    invoice.terms_generation = customer.terms_generation
    invoice.default_taxes = len(terms.default_taxes)
    await session.flush()
    if await _replace_applied(session, invoice, rows, terms, sums):
        # Other drafts of the customer may take what this one has left.
        customer.terms_generation += 1
        invoice.terms_generation = customer.terms_generation
        await session.flush()
    return sums


async def _read_terms(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    lines: Sequence[LineToSum],
    invoice_id: str | None,
) -> _Terms:
    grants = await open_grants(session, actor, customer, invoice_id)
    line_coupons: dict[str | None, list[CouponTerms]] = {}
    for grant in grants:
        coupon = CouponTerms(grant.id, grant.percent_off, grant.amount_off)
        line_coupons.setdefault(grant.line_item_id, []).append(coupon)
    named = {one for line in lines for one in line.tax_rate_ids or ()}
    rates = (
        await session.exec(
            select(TaxRate)
            .where(
                TaxRate.organization_id == actor.organization_id,
                or_(col(TaxRate.is_default), among(col(TaxRate.id), named)),
            )
            .order_by(col(TaxRate.code))
        )
    ).all()
    taxes = {rate.id: TaxTerms(rate.id, rate.name, rate.percentage) for rate in rates}
    wallets = await session.exec(
        select(col(Wallet.id), col(Account.balance), col(Wallet.scope))
        .join(Account, col(Account.wallet_id) == col(Wallet.id))
        .where(
            Wallet.organization_id == actor.organization_id,
            Wallet.customer_id == customer.id,
            Account.kind == AccountKind.WALLET,
            Account.balance > 0,
            or_(col(Wallet.expires_at).is_(None), col(Wallet.expires_at) > actor.now),
        )
        .order_by(col(Wallet.priority), col(Wallet.id))
    )
    return _Terms(
        coupons=line_coupons.pop(None, []),
        line_coupons=line_coupons,
        coupon_ids={grant.id: grant.coupon_id for grant in grants},
        default_taxes=tuple(taxes[rate.id] for rate in rates if rate.is_default),
        taxes=taxes,
        wallets=[WalletTerms(*wallet) for wallet in wallets],
        balance=await balance_of(session, customer),
    )


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """A coupon that is to be applied, in order of application."""

    id: str
    coupon_id: str
    invoice_id: str | None
    line_item_id: str | None
    percent_off: Decimal | None
    amount_off: Decimal | None


async def open_grants(
    session: AsyncSession, actor: Actor, customer: Customer, invoice_id: str | None
) -> list[OpenGrant]:
    """The coupons that the customer's next invoice, or this draft, takes."""
    rows = await run_sql(
        session,
        text(_GRANTS),
        {"organization": actor.organization_id, "customer": customer.id, "invoice": invoice_id},
    )
    return [OpenGrant(*row) for row in rows]


def _sum(terms: _Terms, lines: Sequence[LineToSum], currency: str) -> Totals:
    return totals(
        [
            LineTerms(
                amount=line.amount,
                is_usage=line.type is LineItemType.USAGE,
                coupons=tuple(terms.line_coupons.get(line.line_item_id, ())),
                taxes=_taxes_of(terms, line),
                is_credit=line.is_credit,
            )
            for line in lines
        ],
        currency,
        coupons=terms.coupons,
        wallets=terms.wallets,
        balance=terms.balance,
    )


def _taxes_of(terms: _Terms, line: LineToSum) -> tuple[TaxTerms, ...]:
    if line.tax_rate_ids is None:
        return terms.default_taxes
    return tuple(terms.taxes[one] for one in line.tax_rate_ids)


async def _replace_applied(
    session: AsyncSession,
    invoice: Invoice,
    rows: Sequence[LineItem],
    terms: _Terms,
    sums: Totals,
) -> bool:
    """Whether a coupon that the draft used is left again."""
    used = await session.exec(
        delete(CouponApplication)
        .where(col(CouponApplication.invoice_id) == invoice.id)
        .returning(col(CouponApplication.grant_id))
    )
    left = set(used.scalars()) - {one.application_id for one in sums.discounts if one.amount > 0}
    await session.exec(delete(InvoiceTax).where(col(InvoiceTax.invoice_id) == invoice.id))
    # A coupon that took nothing was not used.
    session.add_all(
        CouponApplication(
            invoice_id=invoice.id,
            grant_id=discount.application_id,
            organization_id=invoice.organization_id,
            coupon_id=terms.coupon_ids[discount.application_id],
            line_item_id=None if discount.line is None else rows[discount.line].id,
            currency=invoice.currency,
            amount=discount.amount,
        )
        for discount in sums.discounts
        if discount.amount > 0
    )
    session.add_all(
        InvoiceTax(
            invoice_id=invoice.id,
            tax_rate_id=tax.terms.tax_rate_id,
            organization_id=invoice.organization_id,
            position=position,
            name=tax.terms.name,
            percentage=tax.terms.percentage,
            currency=invoice.currency,
            taxable_amount=tax.taxable_amount,
            amount=tax.amount,
        )
        for position, tax in enumerate(sums.taxes)
    )
    await session.flush()
    return bool(left)
