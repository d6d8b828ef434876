"""Invoices prepaid credit, which the wallet gets once the invoice is paid."""

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.invoices.announce import InvoiceEvent, announce
from billing_gql.invoices.draft import new_invoice
from billing_gql.invoices.finalize import finalize_locked
from billing_gql.invoices.lines import ComposedLine, LineItemType
from billing_gql.invoices.states import BillingReason, InvoiceType
from billing_gql.invoices.store import new_line
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.money import plain
from billing_gql.ledger.queries import lock_wallet
from billing_gql.ledger.top_up import checked_top_up
from billing_gql.organizations.queries import organization_of
from billing_gql.rating.models import PerUnit
from billing_gql.rating.rate import rate

DESCRIPTION = "Prepaid credit"


async def buy_credit(
    session: AsyncSession, actor: Actor, wallet_id: str, amount: Decimal
) -> Invoice:
    """A final invoice of the amount, without coupons, taxes and prepaid credit.

    The tax of what credit pays is on the invoices that it pays. The customer's balance counts as
    on any invoice, and may pay all of it at once.

    Raises NotFound, AmountOutOfRange, or InvalidState once the wallet has expired.
    """
    customer, wallet = await lock_wallet(session, actor, wallet_id, "walletId")
    amount = await checked_top_up(session, actor, wallet, amount)
    invoice = new_invoice(actor, customer)
    invoice.invoice_type = InvoiceType.CREDIT
    invoice.billing_reason = BillingReason.WALLET_TOP_UP
    invoice.wallet_id = wallet.id
    session.add(invoice)
    await session.flush()
    unit_amount = plain(amount)
    line = ComposedLine(
        type=LineItemType.FIXED,
        name=wallet.name,
        description=DESCRIPTION,
        quantity=Decimal(1),
        unit_amount=unit_amount,
        amount=amount,
        steps=rate(PerUnit(unit_amount), Decimal(1)).steps,
    )
    row = new_line(invoice, line, 0)
    row.tax_rate_ids = []
    session.add(row)
    await session.flush()
    await announce(session, actor, invoice, InvoiceEvent.CREATED)
    organization = await organization_of(session, actor)
    return await finalize_locked(session, actor, organization, customer, invoice)
