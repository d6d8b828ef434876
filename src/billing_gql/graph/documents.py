"""Documents over HTTP: a signed link is all that it takes, and it opens nothing else."""

from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from billing_gql.documents.obstacles import obstacles
from billing_gql.documents.printed import DocumentForm, DocumentKind, PrintedDocument
from billing_gql.documents.read import organization_of_document, read_document
from billing_gql.documents.sign import Verdict, document_path, verify
from billing_gql.documents.turns import Busy
from billing_gql.documents.typeset import NotSet, Press, encoded, tag_of
from billing_gql.graph.links import Links
from billing_gql.kernel.clock import WallClock
from billing_gql.organizations.queries import actor_of
from billing_gql.organizations.tables import Organization
from billing_gql.store.database import Database
from billing_gql.usage.meters import MAX_GROUP_KEYS, parse_group_keys

HEADERS = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
"""On each answer, good or bad. `no-cache` asks again each time: an invoice may have been voided."""
RETRY_SECONDS = 5
FORGED = "This link is not valid. Ask whoever sent it to you for a new one."
NO_XML = "This document cannot be an e-invoice."
MEDIA = {
    DocumentForm.PDF: ("application/pdf", "inline"),
    DocumentForm.XML: ("application/xml", "attachment"),
}
"""What a form is, and whether a browser is to show it."""
EXPIRED = "This link has expired. Ask whoever sent it to you for a new one."


class Refused(Exception):
    """No document: a status and what to tell people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def document_routes(database: Database, links: Links, press: Press) -> list[Route]:
    """The PDFs and e-invoices of invoices and of credit notes."""

    async def answer(kind: DocumentKind, form: DocumentForm, request: Request) -> Response:
        try:
            document = await _opened(database, links, kind, form, request)
            return await _made(press, document, form, request)
        except Refused as refused:
            return PlainTextResponse(refused.message + "\n", refused.status, HEADERS)

    return [
        Route(f"/{kind.value}/{{id}}.{form.value}", partial(answer, kind, form), methods=["GET"])
        for kind in DocumentKind
        for form in DocumentForm
    ]


async def admit(
    session: AsyncSession, links: Links, kind: DocumentKind, request: Request, path: str
) -> Organization:
    """Whose document the request's link opens at the path; raises Refused.

    An unknown document and another's look like a forged link.
    """
    document_id = request.path_params["id"]
    query = request.query_params
    keys = query.getlist("breakdown")
    if len(keys) > MAX_GROUP_KEYS or "\x00" in document_id:
        raise Refused(403, FORGED)
    organization = await organization_of_document(session, kind, document_id)
    if organization is None:
        raise Refused(403, FORGED)
    verdict = verify(
        links.key(organization),
        path,
        query.get("expires", ""),
        query.get("signature", ""),
        WallClock().now(),
        keys,
    )
    if verdict is Verdict.FORGED:
        raise Refused(403, FORGED)
    if verdict is Verdict.EXPIRED:
        raise Refused(410, EXPIRED)
    return organization


async def _opened(
    database: Database, links: Links, kind: DocumentKind, form: DocumentForm, request: Request
) -> PrintedDocument:
    """The document that the request's link opens; raises Refused."""
    document_id = request.path_params["id"]
    async with database.snapshot() as session:
        path = document_path(kind, document_id, form)
        organization = await admit(session, links, kind, request, path)
        # Signed by us, so the keys were checked when the link was made.
        keys = parse_group_keys(request.query_params.getlist("breakdown"), least=0)
        document = await read_document(session, actor_of(organization), kind, document_id, keys)
    if document is None:
        raise Refused(403, FORGED)
    return document


async def _made(
    press: Press, document: PrintedDocument, form: DocumentForm, request: Request
) -> Response:
    """The document, or its headers alone where that is all that is asked for; raises Refused."""
    if form is DocumentForm.XML and (why := obstacles(document)):
        raise Refused(404, " ".join([NO_XML, *why]))
    media_type, shown = MEDIA[form]
    given = encoded(document)
    tag = f'"{tag_of(given, form)}"'
    headers = {
        **HEADERS,
        "ETag": tag,
        "Content-Disposition": f'{shown}; filename="{_file_name(document)}.{form.value}"',
    }
    if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        response = Response(media_type=media_type, headers=headers)
        del response.headers["Content-Length"]  # known once it is made
        return response
    try:
        made = await press.make(given, form)
    except Busy as busy:
        return come_again(busy)
    except NotSet as fault:
        raise Refused(500, str(fault)) from None
    return Response(made, media_type=media_type, headers=headers)


def come_again(busy: Busy) -> Response:
    """Says that it may work soon."""
    retry = {**HEADERS, "Retry-After": str(RETRY_SECONDS)}
    return PlainTextResponse(f"{busy}\n", 503, retry)


def _file_name(document: PrintedDocument) -> str:
    """The number, which is letters, digits and dashes."""
    kept = [one if one.isascii() and one.isalnum() else "-" for one in document.number]
    return "".join(kept)
