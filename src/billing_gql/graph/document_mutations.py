"""invoiceDownload in the schema."""

import strawberry
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.documents.download import downloadable
from billing_gql.documents.printed import DocumentKind
from billing_gql.graph.inputs import given
from billing_gql.graph.invoices import Invoice, invoice_of
from billing_gql.graph.links import pdf_link
from billing_gql.graph.mutate import Info, mutate
from billing_gql.graph.problems import UserError
from billing_gql.kernel.actor import Actor
from billing_gql.usage.meters import parse_group_keys


@strawberry.input
class InvoiceDownloadInput:
    """Any invoice but a draft."""

    invoice_id: strawberry.ID
    group_by: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Adds an appendix that splits each usage line by these keys: source,"
        " feature_id, properties.<path>; up to 5.",
    )


@strawberry.type
class InvoiceDownloadPayload:
    """The invoice, and a signed link to its PDF."""

    invoice: Invoice | None
    pdf_url: str | None = strawberry.field(
        description="Opens without a key until it expires, and opens nothing else."
    )
    user_errors: list[UserError]


@strawberry.type
class DocumentMutations:
    """Fields of Mutation."""

    @strawberry.mutation(description="A link to the invoice's PDF. Nothing is changed.")
    async def invoice_download(
        self, info: Info, input: InvoiceDownloadInput
    ) -> InvoiceDownloadPayload:
        keys = given(input.group_by) or []

        async def verb(session: AsyncSession, actor: Actor) -> dict[str, str]:
            parse_group_keys(keys, least=0)
            return {"invoice": (await downloadable(session, actor, input.invoice_id)).id}

        outcome = await mutate(info, input, verb)
        invoice = await invoice_of(info, outcome.ids.get("invoice"))
        link = (
            None
            if invoice is None
            else pdf_link(info.context.signer, DocumentKind.INVOICE, invoice.id, keys)
        )
        return InvoiceDownloadPayload(invoice=invoice, pdf_url=link, user_errors=outcome.errors)
