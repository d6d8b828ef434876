"""Links to e-invoices, and what they open, over HTTP; and why there is none, over GraphQL."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import facturx
import pytest

from billing_gql.documents.sign import signer
from billing_gql.kernel.clock import WallClock
from billing_gql.organizations.tables import Organization
from tests.documents.schematron import rules
from tests.graph.wallets import coupon, tax_rate, wallet
from tests.support import Api, Json, counted

ADDRESS = {"line1": "Torstraße 140", "city": "Berlin", "postalCode": "10119", "country": "DE"}
XML = "id number pdfUrl xmlUrl xmlObstacles"


async def letterhead(api: Api) -> None:
    """What a seller must have for e-invoices."""
    values = {"taxIdentifier": "DE123456789", "address": ADDRESS}
    await api.done("organizationUpdate", "organization { id }", **values)


async def finalized(api: Api, *amounts: str, **values: object) -> Json:
    """An invoice to a buyer with an address, with its links."""
    external_id = str(values.pop("external_id", "acme"))
    customer = await api.customer(external_id, address={"country": "FR"})
    made = await api.one_off(customer, *(amounts or ("10",)), **values, finalize=True)
    return await shown(api, made["id"])


async def shown(api: Api, invoice_id: str, selection: str = XML) -> Json:
    query = f"query ($id: ID!) {{ invoice(id: $id) {{ {selection} }} }}"
    found: Json = (await api.query(query, {"id": invoice_id}))["invoice"]
    return found


async def opened(api: Api, link: str) -> bytes:
    """What a link gives, fetched without a key."""
    response = await api.http.get(link)
    assert response.status_code == 200, response.text
    return response.content


async def test_a_link_opens_the_xml_that_the_pdf_has_inside(api: Api) -> None:
    await letterhead(api)
    invoice = await finalized(api, "10", "20.50", memo="Order <4711>")
    assert invoice["xmlObstacles"] == []
    response = await api.http.get(invoice["xmlUrl"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/xml"
    assert response.headers["content-disposition"] == 'attachment; filename="ACM-001-001.xml"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert rules().findings(response.content) == []
    assert b"Order &lt;4711&gt;" in response.content
    pdf = await opened(api, invoice["pdfUrl"])
    assert facturx.get_xml_from_pdf(pdf, check_xsd=True) == ("factur-x.xml", response.content)
    assert await opened(api, invoice["xmlUrl"]) == response.content


async def test_an_invoice_with_everything_on_it(api: Api) -> None:
    await letterhead(api)
    rate = await tax_rate(api, "vat", "19")
    free = await tax_rate(api, "free", "0")
    half = await coupon(api, "half", percentOff="50")
    customer = await api.customer(address={"country": "US"}, taxIdentifier="12-3456789")
    await wallet(api, customer, "7", scope="ALL")
    await api.done(
        "customerBalanceAdjust",
        "customer { id }",
        customerId=customer["id"],
        amount="3",
        description="Sorry",
    )
    lines = [
        {"name": "Setup", "quantity": "3", "unitAmount": "33.333", "taxRateIds": [rate]},
        {"name": "Given", "amount": "11", "taxRateIds": [free]},
    ]
    payload = await api.done(
        "invoiceCreate",
        "invoice { id total customerBalanceApplied amountDue }",
        customerId=customer["id"],
        lineItems=lines,
        couponIds=[half],
        finalize=True,
    )
    made = payload["invoice"]
    assert (made["total"], made["customerBalanceApplied"]) == ("58.00", "3.00")
    xml = await opened(api, (await shown(api, made["id"]))["xmlUrl"])
    assert rules().findings(xml) == []
    for said in (b"ExemptionReason>FREE<", b"ChargeAmount>33.333<", b">12-3456789<"):
        assert said in xml
    assert b"TotalPrepaidAmount>10.00<" in xml and b"DuePayableAmount>55.00<" in xml


async def test_head_and_etag_make_nothing(api: Api) -> None:
    await letterhead(api)
    invoice = await finalized(api)
    whole = await api.http.get(invoice["xmlUrl"])
    head = await api.http.head(invoice["xmlUrl"])
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == whole.headers["etag"]
    again = await api.http.get(invoice["xmlUrl"], headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    pdf = await api.http.head(invoice["pdfUrl"])
    assert pdf.headers["etag"] != whole.headers["etag"]
    assert (await api.http.post(invoice["xmlUrl"])).status_code == 405


async def test_a_link_is_of_one_invoice_and_one_form(api: Api, other: Api) -> None:
    await letterhead(api)
    await letterhead(other)
    invoice = await finalized(api)
    mine = await finalized(api, external_id="globex")
    theirs = await finalized(other)
    link = invoice["xmlUrl"]
    for at in (mine["id"], theirs["id"], "inv_0", "x", "%00"):
        response = await api.http.get(re.sub(r"inv_\w+", at, link))
        assert (response.status_code, response.text[:20]) == (403, "This link is not val"), at
    for wrong in (
        link.replace("/invoices/", "/credit-notes/"),
        link.replace(".xml?", ".pdf?"),
        invoice["pdfUrl"].replace(".pdf?", ".xml?"),
        link.replace("expires=", "expires=1"),
        link.replace("signature=", "signature=x"),
        link + "&breakdown=source",
        link.partition("?")[0],
    ):
        assert (await api.http.get(wrong)).status_code == 403, wrong
    query = "query ($id: ID!) { invoice(id: $id) { xmlUrl } }"
    assert await other.query(query, {"id": invoice["id"]}) == {"invoice": None}


async def signed(api: Api, path: str, seconds: int = 60) -> str:
    """A link as the service signs it."""
    async with api.database.snapshot() as session:
        organization = await session.get(Organization, api.organization_id)
    assert organization is not None
    now = WallClock().now() + timedelta(seconds=min(seconds, 0) - 1)
    return signer(organization.link_key, "", now, abs(seconds)).link(path)


async def test_an_expired_link_says_so(api: Api) -> None:
    await letterhead(api)
    path = urlsplit((await finalized(api))["xmlUrl"]).path
    assert (await api.http.get(await signed(api, path))).status_code == 200
    assert (await api.http.get(await signed(api, path, -60))).status_code == 410


async def test_a_draft_has_none(api: Api) -> None:
    await letterhead(api)
    draft = await api.one_off(await api.customer(address={"country": "FR"}), "10")
    found = await shown(api, draft["id"], "xmlUrl xmlObstacles")
    assert found == {"xmlUrl": None, "xmlObstacles": ["The invoice is a draft."]}
    path = f"/invoices/{draft['id']}.xml"
    assert (await api.http.get(await signed(api, path))).status_code == 403


async def test_what_is_missing_is_said_and_the_pdf_stays_plain(api: Api) -> None:
    invoice = await api.one_off(await api.customer(), "10", finalize=True)
    found = await shown(api, invoice["id"])
    assert found["xmlUrl"] is None
    assert found["xmlObstacles"] == [
        "The seller had no country in its address when it was finalized.",
        "The seller had no tax identifier when it was finalized.",
        "The buyer had no country in its address when it was finalized.",
    ]
    pdf = await opened(api, found["pdfUrl"])
    assert facturx.get_xml_from_pdf(pdf, check_xsd=False) == (False, False)
    # Even with a right signature.
    response = await api.http.get(await signed(api, f"/invoices/{invoice['id']}.xml"))
    assert response.status_code == 404
    assert response.text.startswith("This document cannot be an e-invoice. The seller had no")
    # What is set later counts for later invoices.
    await letterhead(api)
    assert (await shown(api, invoice["id"]))["xmlUrl"] is None


@pytest.mark.parametrize(
    ("rates", "words"),
    [(["vat", "city"], "more than one tax rate, as 'Line 1' does"), (["vat"], "some none")],
)
async def test_taxes_that_the_standard_cannot_say(api: Api, rates: list[str], words: str) -> None:
    await letterhead(api)
    ids = [await tax_rate(api, code, "10") for code in rates]
    lines = [
        {"name": "Line 1", "amount": "1", "taxRateIds": ids},
        {"name": "Line 2", "amount": "1", "taxRateIds": []},
    ]
    customer = await api.customer(address={"country": "FR"})
    payload = await api.done(
        "invoiceCreate",
        f"invoice {{ {XML} }}",
        customerId=customer["id"],
        lineItems=lines,
        finalize=True,
    )
    (why,) = payload["invoice"]["xmlObstacles"]
    assert words in why and payload["invoice"]["xmlUrl"] is None


async def test_a_voided_invoice_has_none_any_more(api: Api) -> None:
    await letterhead(api)
    invoice = await finalized(api)
    tag = (await api.http.get(invoice["xmlUrl"])).headers["etag"]
    await api.done("invoiceVoid", "invoice { id }", invoiceId=invoice["id"])
    found = await shown(api, invoice["id"], "xmlUrl xmlObstacles")
    assert found == {"xmlUrl": None, "xmlObstacles": ["The invoice is void."]}
    response = await api.http.get(invoice["xmlUrl"], headers={"If-None-Match": tag})
    assert (response.status_code, "is void" in response.text) == (404, True)


async def test_paying_leaves_it_as_it_is(api: Api) -> None:
    await letterhead(api)
    invoice = await finalized(api)
    before = await opened(api, invoice["xmlUrl"])
    await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"], amount="4")
    await api.done("organizationUpdate", "organization { id }", name="Renamed", address=None)
    assert await opened(api, invoice["xmlUrl"]) == before


async def test_a_credit_note_has_its_own(api: Api) -> None:
    await letterhead(api)
    rate = await tax_rate(api, "vat", "19")
    customer = await api.customer(address={"country": "FR"})
    draft = await api.done(
        "invoiceCreate",
        "invoice { id lineItems { id } }",
        customerId=customer["id"],
        lineItems=[{"name": "Setup", "amount": "100", "taxRateIds": [rate]}],
        finalize=True,
    )
    payload = await api.done(
        "creditNoteCreate",
        "creditNote { number xmlUrl xmlObstacles pdfUrl }",
        invoiceId=draft["invoice"]["id"],
        reason="DUPLICATE",
        settlement="BALANCE",
        lineItems=[{"lineItemId": draft["invoice"]["lineItems"][0]["id"], "amount": "25.01"}],
    )
    note = payload["creditNote"]
    assert note["xmlObstacles"] == []
    xml = await opened(api, note["xmlUrl"])
    assert rules().findings(xml) == []
    assert b">381<" in xml and b"IssuerAssignedID>ACM-001-001<" in xml and b">29.76<" in xml
    pdf = await opened(api, note["pdfUrl"])
    assert facturx.get_xml_from_pdf(pdf, check_xsd=False)[1] == xml
    wrong = note["xmlUrl"].replace("credit-notes", "invoices")
    assert (await api.http.get(wrong)).status_code == 403


@pytest.mark.parametrize("invoices", [1, 6])
async def test_links_of_a_list_take_as_many_statements_as_one(api: Api, invoices: int) -> None:
    await letterhead(api)
    customer = await api.customer(address={"country": "FR"})
    for _ in range(invoices):
        made = await api.one_off(customer, "1", "2", finalize=True)
        items = (await shown(api, made["id"], "lineItems { id }"))["lineItems"]
        await api.done(
            "creditNoteCreate",
            "creditNote { id }",
            invoiceId=made["id"],
            reason="DUPLICATE",
            settlement="OFFSET",
            lineItems=[{"lineItemId": items[0]["id"], "amount": "1"}],
        )
    with counted(api.database) as plain:
        await api.invoices("id creditNotes { id }", "FINALIZED")
    with counted(api.database) as statements:
        found = await api.invoices(
            "xmlUrl xmlObstacles creditNotes { xmlUrl xmlObstacles }", "FINALIZED"
        )
    # Four of the invoices; of the credit notes two more, for invoices and lines of their own.
    assert len(statements) - len(plain) <= 9
    assert all(one["xmlUrl"] and one["creditNotes"][0]["xmlUrl"] for one in found)
    assert len(found) == invoices
