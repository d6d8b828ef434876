"""Links to documents, and what they open: over HTTP, as those who pay invoices use them."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from billing_gql.documents.sign import signer
from billing_gql.graph.links import Links
from billing_gql.kernel.clock import WallClock
from billing_gql.organizations.tables import Organization
from billing_gql.settings import Settings
from tests.documents.pdfs import pages_of, words_of
from tests.graph.wallets import coupon, tax_rate
from tests.support import Api, Json, counted

DOWNLOAD = "invoice { id pdfUrl } pdfUrl"
ADDRESS = {"line1": "Torstraße 140", "city": "Berlin", "postalCode": "10119", "country": "DE"}


async def finalized(api: Api, *amounts: str, **values: object) -> Json:
    """An invoice with its link."""
    external_id = str(values.pop("external_id", "acme"))
    customer = await api.customer(external_id)
    made = await api.one_off(customer, *(amounts or ("10",)), **values, finalize=True)
    return {**made, "pdfUrl": await link_of(api, made)}


async def link_of(api: Api, invoice: Json) -> str:
    data = await api.query(
        "query ($id: ID!) { invoice(id: $id) { pdfUrl } }", {"id": invoice["id"]}
    )
    found: str = data["invoice"]["pdfUrl"]
    return found


async def opened(api: Api, link: str) -> bytes:
    """The PDF behind a link, fetched without a key."""
    response = await api.http.get(link)
    assert response.status_code == 200, response.text
    return response.content


def changed(link: str, **values: str) -> str:
    """The link with another query."""
    parts = urlsplit(link)
    query = {**dict(parse_qsl(parts.query)), **values}
    return parts._replace(query=urlencode(query)).geturl()


async def test_a_link_opens_the_invoice_without_a_key(api: Api) -> None:
    invoice = await finalized(api, "10", "20.50", memo="Order 4711")
    response = await api.http.get(invoice["pdfUrl"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == 'inline; filename="ACM-001-001.pdf"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    text = words_of(response.content)
    for said in ("Invoice", "ACM-001-001", "Line 2 1 20.50 20.50", "$30.50 due by", "Order 4711"):
        assert said in text
    assert (await api.http.get(invoice["pdfUrl"])).content == response.content


async def test_head_and_etag_make_no_pdf(api: Api) -> None:
    link = (await finalized(api))["pdfUrl"]
    whole = await api.http.get(link)
    head = await api.http.head(link)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-disposition", "cache-control"):
        assert head.headers[name] == whole.headers[name]
    again = await api.http.get(link, headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await api.http.get(link, headers={"If-None-Match": '"another"'})
    assert other.status_code == 200
    refused = await api.http.post(link)
    assert refused.status_code == 405


async def test_a_link_is_of_one_invoice_and_one_kind(api: Api, other: Api) -> None:
    link = (await finalized(api))["pdfUrl"]
    mine = await finalized(api, external_id="globex")
    theirs = await finalized(other)
    for at in (mine["id"], theirs["id"], "inv_0", "x", "%00"):
        response = await api.http.get(re.sub(r"inv_\w+", at, link))
        assert (response.status_code, response.text[:20]) == (403, "This link is not val"), at
        assert response.headers["content-type"].startswith("text/plain")
        assert response.headers["cache-control"] == "private, no-cache"
    wrong = await api.http.get(link.replace("/invoices/", "/credit-notes/"))
    assert wrong.status_code == 403


@pytest.mark.parametrize(
    "values",
    [
        {"expires": "99999999999"},
        {"signature": "x" * 43},
        {"signature": ""},
        {"signature": "é"},
        {"expires": ""},
        {"breakdown": "source"},
    ],
)
async def test_a_changed_link_opens_nothing(api: Api, values: dict[str, str]) -> None:
    link = (await finalized(api))["pdfUrl"]
    response = await api.http.get(changed(link, **values))
    assert response.status_code == 403
    assert "not valid" in response.text and "Traceback" not in response.text
    bare = await api.http.get(link.partition("?")[0])
    assert bare.status_code == 403


async def row_of(api: Api) -> Organization:
    async with api.database.snapshot() as session:
        found = await session.get(Organization, api.organization_id)
    assert found is not None
    return found


async def test_an_expired_link_says_so(api: Api) -> None:
    invoice = await finalized(api)
    path = urlsplit(invoice["pdfUrl"]).path
    key = (await row_of(api)).link_key
    past = signer(key, "", WallClock().now() - timedelta(seconds=61), 60).link(path)
    response = await api.http.get(past)
    assert (response.status_code, "expired" in response.text) == (410, True)
    # A day of the world outside, whatever the organization's clock says.
    await api.advance("2026-03-01T00:00:00Z")
    assert (await api.http.get(invoice["pdfUrl"])).status_code == 200
    query = parse_qs(urlsplit(invoice["pdfUrl"]).query)
    left = datetime.fromtimestamp(int(query["expires"][0]), UTC) - WallClock().now()
    assert timedelta(hours=23) < left <= timedelta(days=1)


async def test_links_lead_where_the_operator_says(api: Api) -> None:
    organization = await row_of(api)
    secret = SecretStr("s" * 32)
    links = Links(secret, "https://bills.example/api/", Settings().link_seconds)
    link = links.signer(organization, "http://internal:8000/").link("/invoices/inv_1.pdf")
    assert link.startswith("https://bills.example/api/invoices/inv_1.pdf?")
    assert links.key(organization) != organization.link_key
    assert "link_key" not in repr(organization)
    own = Links(None, None, 60)
    assert (
        own.signer(organization, "http://internal:8000/")
        .link("/x")
        .startswith("http://internal:8000/x?")
    )


async def test_a_draft_has_no_link_and_cannot_be_downloaded(api: Api) -> None:
    draft = await api.one_off(await api.customer(), "10")
    assert await link_of(api, draft) is None
    error = await api.refused(
        "invoiceDownload",
        DOWNLOAD,
        "INVALID_STATE",
        ["invoiceId"],
        "Cannot download: the invoice is DRAFT",
        invoiceId=draft["id"],
    )
    assert (error["__typename"], "FINALIZE" in error["availableActions"]) == (
        "InvoiceStateError",
        True,
    )
    # Even with a right signature.
    link = signer((await row_of(api)).link_key, "", WallClock().now(), 60)
    response = await api.http.get(link.link(f"/invoices/{draft['id']}.pdf"))
    assert response.status_code == 403


async def test_download_changes_nothing(api: Api) -> None:
    invoice = await finalized(api)
    before = await api.stored()
    payload = await api.done("invoiceDownload", DOWNLOAD, invoiceId=invoice["id"])
    again = await api.done("invoiceDownload", DOWNLOAD, invoiceId=invoice["id"])
    assert payload["invoice"]["pdfUrl"] == payload["pdfUrl"]
    assert (await opened(api, payload["pdfUrl"])) == (await opened(api, again["pdfUrl"]))
    assert await api.stored() == before


@pytest.mark.parametrize(
    ("keys", "code", "field", "words"),
    [
        (["color"], "INVALID_INPUT", ["groupBy", "0"], "not a group key"),
        (["source"] * 2, "INVALID_INPUT", ["groupBy", "1"], "twice"),
        (["source"] * 6, "TOO_MANY_ITEMS", ["groupBy"], "too many"),
    ],
)
async def test_bad_keys_make_no_link(
    api: Api, keys: list[str], code: str, field: list[str], words: str
) -> None:
    invoice = await finalized(api)
    values = {"invoiceId": invoice["id"], "groupBy": keys}
    await api.refused("invoiceDownload", DOWNLOAD, code, field, words, **values)


async def test_a_breakdown_is_an_appendix(api: Api) -> None:
    feature = await api.feature("calls", "SUM", valueProperty="n", dimensions=["region"])
    tiers = [{"upTo": "100", "unitAmount": "1"}, {"unitAmount": "0.5"}]
    price = {"name": "Calls", "featureId": feature["id"], "model": {"graduated": {"tiers": tiers}}}
    customer = await api.customer()
    await api.subscription(customer, await api.plan("metered", [price]))
    for region, count in (("eu", 150), ("us", 50)):
        await api.ingest(
            {
                "transactionId": region,
                "externalCustomerId": "acme",
                "eventName": "calls",
                "timestamp": "2026-01-15T00:00:00Z",
                "properties": {"n": count, "region": region},
            }
        )
    await api.advance("2026-02-04T00:00:00Z")
    (invoice,) = await api.invoices("id pdfUrl", "FINALIZED")
    payload = await api.done(
        "invoiceDownload",
        DOWNLOAD,
        invoiceId=invoice["id"],
        groupBy=["properties.region", "source"],
    )
    with counted(api.database) as statements:
        text = words_of(await opened(api, payload["pdfUrl"]))
    assert "Calls by region, source" in text
    assert "eu · none 150 112.50" in text and "us · none 50 37.50" in text
    assert len(statements) <= 7
    plain = words_of(await opened(api, invoice["pdfUrl"]))
    assert "by region" not in plain and "0.50 50.00" in plain
    for link in (
        changed(payload["pdfUrl"], breakdown="properties.region"),
        payload["pdfUrl"].replace("breakdown=source", "breakdown=feature_id"),
    ):
        assert (await api.http.get(link)).status_code == 403


async def test_parties_language_and_instructions_are_those_of_finalizing(api: Api) -> None:
    letterhead = {
        "email": "bills@acme.example",
        "taxIdentifier": "DE123456789",
        "address": ADDRESS,
        "paymentInstructions": "IBAN DE02",
        "language": "fr",
    }
    shown = "organization { language email taxIdentifier paymentInstructions address { city } }"
    payload = await api.done("organizationUpdate", shown, **letterhead)
    assert payload["organization"] == {**letterhead, "address": {"city": "Berlin"}}
    customer = await api.customer("acme", language="de", taxIdentifier="ATU1", name="Ärzte GmbH")
    german = await api.one_off(customer, "1234.5", finalize=True)
    french = await finalized(api, external_id="globex")
    link = await link_of(api, german)
    before = await opened(api, link)
    text = words_of(before)
    for said in ("Rechnung", "Ärzte GmbH", "Steuernummer: ATU1", "10119 Berlin", "Deutschland"):
        assert said in text
    for said in ("bills@acme.example", "DE123456789", "IBAN DE02", "1.234,50 $ fällig am"):
        assert said in text.replace("\u00a0", " ")
    assert "Facture" in words_of(await opened(api, french["pdfUrl"]))
    nothing = dict.fromkeys(("email", "taxIdentifier", "address", "paymentInstructions"))
    await api.done("organizationUpdate", shown, **nothing, name="Renamed", language="ja")
    changes = {"name": "Renamed", "language": None}
    payload = await api.done(
        "customerUpdate", "customer { language }", customerId=customer["id"], **changes
    )
    assert payload["customer"] == {"language": None}
    assert await opened(api, link) == before


@pytest.mark.parametrize("language", ["", "xx-YY", "de_DE", "DE", "german", "e" * 300])
async def test_a_language_that_is_none_is_refused(api: Api, language: str) -> None:
    field, words = ["language"], "not a language"
    await api.refused(
        "organizationUpdate",
        "organization { id }",
        "INVALID_INPUT",
        field,
        words,
        language=language,
    )
    values = {"externalId": "acme", "name": "Acme", "language": language}
    code = "INVALID_INPUT"
    await api.refused("customerCreate", "customer { id }", code, field, words, **values)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"email": "nobody"}, ["email"], "not an e-mail"),
        ({"address": {"country": "Germany"}}, ["address", "country"], "ISO 3166-1"),
        ({"paymentInstructions": "x" * 1001}, ["paymentInstructions"], "1000 characters"),
        ({"taxIdentifier": " "}, ["taxIdentifier"], "blank"),
        ({"language": None}, ["language"], "null"),
    ],
)
async def test_a_bad_letterhead_is_refused(
    api: Api, values: Json, field: list[str], words: str
) -> None:
    code = "INVALID_INPUT"
    await api.refused("organizationUpdate", "organization { id }", code, field, words, **values)


async def test_paying_and_crediting_leave_the_pdf_as_it_is_and_voiding_stamps_it(api: Api) -> None:
    invoice = await finalized(api, "10")
    before = await opened(api, invoice["pdfUrl"])
    await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"], amount="4")
    await api.done("invoiceUpdate", "invoice { id }", invoiceId=invoice["id"], metadata={"a": 1})
    assert await opened(api, invoice["pdfUrl"]) == before
    wrong = await finalized(api, "10", external_id="globex")
    tag = (await api.http.get(wrong["pdfUrl"])).headers["etag"]
    await api.done("invoiceVoid", "invoice { id }", invoiceId=wrong["id"])
    voided = await api.http.get(wrong["pdfUrl"], headers={"If-None-Match": tag})
    assert voided.status_code == 200
    assert "Void · Nothing to pay" in words_of(voided.content)


async def test_a_credit_note_has_its_own_pdf(api: Api) -> None:
    rates = [await tax_rate(api, code, "10") for code in ("vat", "city")]
    half = await coupon(api, "half", percentOff="50")
    line = {"name": "Setup", "amount": "100", "taxRateIds": rates}
    draft = await api.done(
        "invoiceCreate",
        "invoice { id total lineItems { id } }",
        customerId=(await api.customer(language="en-GB"))["id"],
        lineItems=[line],
        couponIds=[half],
        finalize=True,
    )
    invoice = draft["invoice"]
    assert invoice["total"] == "60.00"
    said = words_of(await opened(api, await link_of(api, invoice)))
    assert "half (50%) -50.00" in said.lower() and "10% on 50.00 5.00" in said
    payload = await api.done(
        "creditNoteCreate",
        "creditNote { id number total pdfUrl }",
        invoiceId=invoice["id"],
        reason="DUPLICATE",
        settlement="OFFSET",
        lineItems=[{"lineItemId": invoice["lineItems"][0]["id"], "amount": "25.01"}],
    )
    note = payload["creditNote"]
    assert note["total"] == "30.01"
    with counted(api.database) as statements:
        pdf = await opened(api, note["pdfUrl"])
    assert len(statements) <= 7
    (page,) = pages_of(pdf)
    assert note["number"] in page and "ACM-001-001 of 1 January 2026" in page
    assert "US$30.01 credited" in page and "Duplicate" in page
    assert len(re.findall(r"10% on 25\.01 +2\.50", page)) == 2
    assert (
        await api.http.get(note["pdfUrl"].replace("credit-notes", "invoices"))
    ).status_code == 403


@pytest.mark.parametrize("lines", [1, 30])
async def test_a_pdf_takes_as_many_statements_for_30_lines_as_for_one(api: Api, lines: int) -> None:
    invoice = await finalized(api, *["1"] * lines)
    with counted(api.database) as statements:
        await opened(api, invoice["pdfUrl"])
    assert len(statements) == 5
    assert all("organization" in one for one in statements)


async def test_links_of_a_list_cost_no_statement(api: Api) -> None:
    customer = await api.customer()
    for _ in range(5):
        await api.one_off(customer, "1", finalize=True)
    taken = []
    for selection in ("id", "id pdfUrl"):
        with counted(api.database) as statements:
            found = await api.invoices(selection, "FINALIZED")
        taken.append(len(statements))
    assert taken[0] == taken[1]
    expiries = {parse_qs(urlsplit(one["pdfUrl"]).query)["expires"][0] for one in found}
    assert (len(found), len(expiries)) == (5, 1)


async def test_too_many_at_once_are_asked_to_come_again(api: Api) -> None:
    link = (await finalized(api))["pdfUrl"]
    answers = await asyncio.gather(*(api.http.get(link) for _ in range(40)))
    by_status: dict[int, list[httpx.Response]] = {}
    for one in answers:
        by_status.setdefault(one.status_code, []).append(one)
    assert set(by_status) <= {200, 503}
    assert len({one.content for one in by_status[200]}) == 1
    for one in by_status.get(503, []):
        assert one.headers["retry-after"] == "5"
        assert "Try again" in one.text
