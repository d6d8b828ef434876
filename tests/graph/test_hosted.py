"""Hosted pages over HTTP: what opens them, what they say as money moves, and their headers."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from billing_gql.documents.sign import signer
from billing_gql.graph import hosted
from billing_gql.graph.hosted import PAGE_HEADERS, page_routes
from billing_gql.graph.links import Links
from billing_gql.kernel.clock import WallClock
from billing_gql.organizations.tables import Organization
from tests.documents.html import Page
from tests.graph.wallets import coupon, tax_rate
from tests.support import Api, Json, counted

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none';"
    " base-uri 'none'; form-action 'none'"
)


async def finalized(api: Api, *amounts: str, **values: object) -> Json:
    """An invoice with its links."""
    external_id = str(values.pop("external_id", "acme"))
    customer = await api.customer(external_id)
    made = await api.one_off(customer, *(amounts or ("10",)), **values, finalize=True)
    return {**made, **await links_of(api, made["id"])}


async def links_of(api: Api, invoice_id: str) -> Json:
    operation = "query ($id: ID!) { invoice(id: $id) { hostedUrl pdfUrl } }"
    found: Json = (await api.query(operation, {"id": invoice_id}))["invoice"]
    return found


async def opened(api: Api, link: str) -> Page:
    """The page behind a link, fetched without a key."""
    response = await api.http.get(link)
    assert response.status_code == 200, response.text
    return Page(response.text)


def marks(page: Page) -> list[str]:
    return [text.strip() for text in page.of("li") if text.strip()]


async def key_of(api: Api) -> bytes:
    async with api.database.snapshot() as session:
        found = await session.get(Organization, api.organization_id)
    assert found is not None
    return found.link_key


async def test_a_link_opens_the_page_without_a_key(api: Api) -> None:
    invoice = await finalized(api, "10", "20.50", memo="Order 4711")
    response = await api.http.get(invoice["hostedUrl"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(response.text)
    for said in ("Invoice ACM-001-001", "Remaining $30.50", "Line 2", "20.50", "Order 4711"):
        assert said in page.words
    head = await api.http.head(invoice["hostedUrl"])
    assert (head.status_code, head.content) == (200, b"")
    for answer in (response, head):
        assert_headers(answer)
    assert (await api.http.post(invoice["hostedUrl"])).status_code == 405


def assert_headers(answer: httpx.Response) -> None:
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_a_page_loads_and_links_to_is_here(api: Api) -> None:
    invoice = await finalized(api)
    page = await opened(api, invoice["hostedUrl"])
    loaded = [value for tag, name, value in page.values if (tag, name) == ("link", "href")]
    (style,) = [address for address in loaded if address != "data:,"]
    (pdf,) = page.links()
    sheet = await api.http.get(urljoin(invoice["hostedUrl"], style))
    assert sheet.headers["content-type"].startswith("text/css")
    assert "url(" not in sheet.text and "@import" not in sheet.text
    document = await api.http.get(urljoin(invoice["hostedUrl"], pdf))
    assert document.content.startswith(b"%PDF")
    # The page gives nobody a longer look than its own link does.
    ends = [parse_qs(urlsplit(link).query)["expires"] for link in (pdf, invoice["hostedUrl"])]
    assert ends[0] == ends[1]


async def test_a_page_follows_its_payments(api: Api) -> None:
    invoice = await finalized(api, "10")
    link = invoice["hostedUrl"]
    assert marks(await opened(api, link)) == ["Due in 30 days"]
    await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"], amount="4")
    page = await opened(api, link)
    assert marks(page) == ["Due in 30 days", "Partly paid"]
    assert "Remaining $6.00" in page.words and "Payments received" in page.words
    await api.advance("2026-02-02T00:00:00Z")
    assert marks(await opened(api, link)) == ["Overdue", "Partly paid"]
    await api.done("invoiceMarkUncollectible", "invoice { id }", invoiceId=invoice["id"])
    assert marks(await opened(api, link)) == ["Overdue", "Partly paid"]
    await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"], amount="6")
    page = await opened(api, link)
    assert marks(page) == ["Paid"]
    assert "Paid on February 2, 2026" in page.words


async def test_a_failed_payment_shows_no_reason_and_no_attempt(api: Api) -> None:
    customer = await api.customer()
    method = {"customerId": customer["id"], "provider": "SANDBOX", "token": "pm_declined"}
    await api.done("customerPaymentMethodSet", "customer { id }", **method)
    made = await api.one_off(customer, "10", finalize=True)
    await api.advance("2026-01-01T06:00:00Z")
    shown = "query ($id: ID!) { invoice(id: $id) { payments { state failureReason } } }"
    (payment,) = (await api.query(shown, {"id": made["id"]}))["invoice"]["payments"]
    assert payment["state"] == "FAILED"
    source = (await api.http.get((await links_of(api, made["id"]))["hostedUrl"])).text
    for secret in (payment["failureReason"], "pm_", "sandbox", "Payments received", "FAILED"):
        assert secret not in source
    assert marks(Page(source)) == ["Due in 30 days"]


async def test_a_void_invoice_says_so(api: Api) -> None:
    invoice = await finalized(api)
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    page = await opened(api, invoice["hostedUrl"])
    assert marks(page) == ["Void"] and "Nothing to pay" in page.words


async def test_credit_notes_are_linked_and_have_a_page(api: Api) -> None:
    invoice = await finalized(api, "10")
    line = "query ($id: ID!) { invoice(id: $id) { lineItems { id } } }"
    (item,) = (await api.query(line, {"id": invoice["id"]}))["invoice"]["lineItems"]
    payload = await api.done(
        "creditNoteCreate",
        "creditNote { number hostedUrl pdfUrl }",
        invoiceId=invoice["id"],
        reason="DUPLICATE",
        settlement="OFFSET",
        lineItems=[{"lineItemId": item["id"], "amount": "10"}],
    )
    note = payload["creditNote"]
    page = await opened(api, invoice["hostedUrl"])
    assert marks(page) == ["Nothing to pay"]
    assert f"{note['number']} (PDF)" in page.words and "Credited -10.00" in page.words
    for link in page.links():
        pdf = await api.http.get(urljoin(invoice["hostedUrl"], link))
        assert pdf.headers["content-type"] == "application/pdf"
    with counted(api.database) as statements:
        page = await opened(api, note["hostedUrl"])
    assert len(statements) <= 6
    assert f"Credit note {note['number']}" in page.words and "Duplicate" in page.words
    swapped = note["hostedUrl"].replace("credit-notes", "invoices")
    assert (await api.http.get(swapped)).status_code == 403


async def test_links_of_pdfs_and_pages_do_not_open_each_other(api: Api, other: Api) -> None:
    invoice = await finalized(api)
    query = {name: urlsplit(invoice[name]).query for name in ("hostedUrl", "pdfUrl")}
    path = urlsplit(invoice["hostedUrl"]).path
    for wrong in (f"{path}?{query['pdfUrl']}", f"{path}.pdf?{query['hostedUrl']}"):
        assert (await api.http.get(wrong)).status_code == 403
    mine = await finalized(api, external_id="globex")
    theirs = await finalized(other)
    draft = await api.one_off(await api.customer("initech"), "1")
    texts = set()
    for at in (mine["id"], theirs["id"], draft["id"], "inv_0", "x", "%00", "%C3%A9", "a" * 3000):
        response = await api.http.get(re.sub(r"inv_\w+", at, invoice["hostedUrl"]))
        assert response.status_code == 403, at
        assert_headers(response)
        texts.add(response.text)
    assert len(texts) == 1
    assert "This link does not work Ask whoever sent it" in Page(texts.pop()).words


async def test_a_draft_and_an_expired_link_show_nothing(api: Api) -> None:
    customer = await api.customer()
    draft = await api.one_off(customer, "10")
    assert (await links_of(api, draft["id"]))["hostedUrl"] is None
    key, now = await key_of(api), WallClock().now()
    right = signer(key, "", now, 60).link(f"/invoices/{draft['id']}")
    assert (await api.http.get(right)).status_code == 403
    invoice = await api.one_off(customer, "10", finalize=True)
    path = urlsplit((await links_of(api, invoice["id"]))["hostedUrl"]).path
    past = signer(key, "", now - timedelta(seconds=61), 60).link(path)
    response = await api.http.get(past, headers={"Accept-Language": "fr-CA,fr;q=0.8,en"})
    assert response.status_code == 410
    assert_headers(response)
    page = Page(response.text)
    assert page.words.endswith(
        "Ce lien a expiré Demandez-en un nouveau à la personne qui vous l’a envoyé."
    )


@pytest.mark.parametrize("lines", [1, 30])
async def test_a_page_takes_as_many_statements_for_30_lines_as_for_one(
    api: Api, lines: int
) -> None:
    await tax_rate(api, "vat", "10", isDefault=True)
    half = await coupon(api, "half", percentOff="50")
    invoice = await finalized(api, *["1"] * lines, couponIds=[half])
    for _ in range(lines):
        await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"], amount="0.01")
    with counted(api.database) as statements:
        await opened(api, invoice["hostedUrl"])
    assert len(statements) == 9
    assert all("organization" in one for one in statements)


async def test_links_of_a_list_cost_no_statement(api: Api) -> None:
    customer = await api.customer()
    for _ in range(5):
        await api.one_off(customer, "1", finalize=True)
    taken = []
    for selection in ("id", "id hostedUrl"):
        with counted(api.database) as statements:
            found = await api.invoices(selection, "FINALIZED")
        taken.append(len(statements))
    assert taken[0] == taken[1]
    assert len({one["hostedUrl"] for one in found}) == 5


async def test_a_page_for_which_too_many_wait_asks_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "WAITING", 0)
    link = (await finalized(api))["hostedUrl"]
    links = Links(secret=None, public_url=None, seconds=60)
    transport = httpx.ASGITransport(Starlette(routes=page_routes(api.database, links)))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        response = await http.get(link)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.text.endswith("Try again soon.\n")


def test_the_policy_is_that_of_the_documents() -> None:
    assert PAGE_HEADERS["Content-Security-Policy"] == POLICY
