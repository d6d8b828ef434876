"""Hosted pages over HTTP: a signed link shows a document and how its payment stands."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from billing_gql.documents.hosted import HostedDocument
from billing_gql.documents.page import STATIC, page_of, refusal_page
from billing_gql.documents.printed import DocumentKind
from billing_gql.documents.read_hosted import read_hosted
from billing_gql.documents.sign import Signer, page_path
from billing_gql.documents.turns import Busy, Turns
from billing_gql.graph.documents import FORGED, HEADERS, Refused, admit, come_again
from billing_gql.graph.links import Links
from billing_gql.organizations.queries import actor_of
from billing_gql.store.database import Database

PAGE_HEADERS = {
    **HEADERS,
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
"""On each page, good or bad. What it shows changes with each payment, so nobody keeps it."""
PAGES_AT_ONCE = 2
"""Pages that are put together at once, beside the event loop; others wait."""
WAITING = 64
SECONDS = 10
"""How long a page waits for its turn."""
UP = ".."
"""From a page to the service's address, whatever name and path it is reached by."""


def page_routes(database: Database, links: Links) -> list[BaseRoute]:
    """The pages of invoices and of credit notes, and what they load."""
    turns = Turns(at_once=PAGES_AT_ONCE, waiting=WAITING, seconds=SECONDS)

    async def answer(kind: DocumentKind, request: Request) -> Response:
        try:
            hosted = await _opened(database, links, kind, request)
        except Refused as refused:
            page = refusal_page(_wanted(request), expired=refused.status == 410)
            return HTMLResponse(page, refused.status, PAGE_HEADERS)
        try:
            async with turns.turn():
                page = await asyncio.to_thread(page_of, hosted)
        except Busy as busy:
            return come_again(busy)
        return HTMLResponse(page, headers=PAGE_HEADERS)

    return [
        *(
            Route(f"/{kind.value}/{{id}}", partial(answer, kind), methods=["GET"])
            for kind in DocumentKind
        ),
        Mount("/hosted", StaticFiles(directory=STATIC)),
    ]


async def _opened(
    database: Database, links: Links, kind: DocumentKind, request: Request
) -> HostedDocument:
    """What the request's link shows; raises Refused. PDFs are linked for as long as it holds."""
    document_id = request.path_params["id"]
    async with database.snapshot() as session:
        path = page_path(kind, document_id)
        organization = await admit(session, links, kind, request, path)
        # Signed by us, so it is a number.
        expires = datetime.fromtimestamp(int(request.query_params["expires"]), UTC)
        signer = Signer(links.key(organization), UP, expires)
        hosted = await read_hosted(session, actor_of(organization), signer, kind, document_id)
    if hosted is None:
        raise Refused(403, FORGED)
    return hosted


def _wanted(request: Request) -> Sequence[str]:
    """The browser's languages, best first as browsers send them."""
    given = request.headers.get("accept-language", "")[:200]
    return [tag for one in given.split(",") if (tag := one.partition(";")[0].strip())]
