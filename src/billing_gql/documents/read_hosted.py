"""Reads what the hosted page shows, of one instant."""

from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.documents.hosted import (
    GivenCredit,
    HostedDocument,
    PaymentFacts,
    ReceivedPayment,
)
from billing_gql.documents.printed import DocumentKind
from billing_gql.documents.read import read_document
from billing_gql.documents.sign import Signer, document_path
from billing_gql.invoices.credit_note_queries import credit_notes_of_invoices
from billing_gql.invoices.queries import find_invoice
from billing_gql.invoices.states import PaymentState, is_overdue
from billing_gql.invoices.tables import Invoice
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.period import local_date
from billing_gql.payments.queries import payments_of_invoices


async def read_hosted(
    session: AsyncSession, actor: Actor, links: Signer, kind: DocumentKind, document_id: str
) -> HostedDocument | None:
    """The page's content; None where there is no such document, or where it is a draft.

    At most nine statements, whatever its size. `links` signs the addresses of the PDFs.
    """
    pdf = links.link(document_path(kind, document_id))
    document = await read_document(session, actor, kind, document_id)
    if document is None:
        return None
    if kind is DocumentKind.CREDIT_NOTE:
        return HostedDocument(document, pdf)
    invoice = await find_invoice(session, actor, document_id, None)
    if invoice is None:
        raise AssertionError("it was read in the same snapshot")
    payments = await payments_of_invoices(session, actor, [invoice.id])
    notes = await credit_notes_of_invoices(session, actor, [invoice.id])
    return HostedDocument(
        document=document,
        pdf=pdf,
        standing=_facts(invoice, actor),
        payments=tuple(
            ReceivedPayment(local_date(one.received_at, invoice.timezone), one.amount)
            for one in payments
            if one.received_at is not None
        ),
        credit_notes=tuple(
            GivenCredit(
                number=note.number,
                issue_date=local_date(note.created_at, invoice.timezone),
                total=note.total,
                settlement=note.settlement.value,
                pdf=links.link(document_path(DocumentKind.CREDIT_NOTE, note.id)),
            )
            for note in notes
        ),
    )


def _facts(invoice: Invoice, actor: Actor) -> PaymentFacts:
    standing = invoice.standing
    paid_at = invoice.paid_at
    return PaymentFacts(
        today=local_date(actor.now, invoice.timezone),
        amount_due=invoice.amount_due,
        amount_paid=invoice.amount_paid,
        amount_remaining=standing.amount_remaining,
        total_credited=invoice.total_credited,
        is_overdue=is_overdue(standing, actor.now),
        is_under_way=standing.last_attempt is PaymentState.PROCESSING,
        paid_on=None if paid_at is None else local_date(paid_at, invoice.timezone),
    )
