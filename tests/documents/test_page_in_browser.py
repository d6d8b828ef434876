"""Hosted pages in headless Chromium, without scripts: wide, narrow, dark, printed, and for all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.browser import chromium
from tests.graph.wallets import coupon, tax_rate
from tests.support import Api, Json

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
MARKUP = "</title><img src=x onerror=alert(1)><script>alert(1)</script>"
LETTERHEAD = {
    "email": "bills@northwind.example",
    "taxIdentifier": "DE123456789",
    "address": {"line1": "Torstraße 140", "city": "Berlin", "country": "DE"},
    "paymentInstructions": "IBAN DE02 1203 0000 0000 2020 51\nName the invoice's number.",
}


async def hosted_url(api: Api, invoice_id: str) -> str:
    operation = "query ($id: ID!) { invoice(id: $id) { hostedUrl } }"
    found: str = (await api.query(operation, {"id": invoice_id}))["invoice"]["hostedUrl"]
    return found


async def metered(api: Api) -> Json:
    """An invoice of 24 lines with tiers, two coupons and two taxes, partly paid and credited."""
    await api.done("organizationUpdate", "organization { id }", **LETTERHEAD)
    for code, percentage in (("state", "6.25"), ("city", "2")):
        await tax_rate(api, code, percentage, isDefault=True)
    feature = await api.feature("calls", "SUM", valueProperty="n")
    tiers = [{"upTo": "1000", "unitAmount": "0.05"}, {"flatAmount": "10", "unitAmount": "0.02"}]
    model = {"graduated": {"tiers": tiers}}
    prices: list[object] = [{"name": "Calls", "featureId": feature["id"], "model": model}]
    for number in range(23):
        name = f"Seats in a region with a rather long name, {number}"
        prices.append({"name": name, "model": {"flat": {"amount": "4.5"}}})
    customer = await api.customer("acme", name="Pneumonoultramicroscopicsilicovolcanoconiosis " * 3)
    for one in (
        await coupon(api, "half", percentOff="50"),
        await coupon(api, "ten", amountOff="10"),
    ):
        await api.done(
            "couponApply", "userErrors { code }", couponId=one, customerId=customer["id"]
        )
    await api.subscription(customer, await api.plan("metered", prices))
    event = {"transactionId": "1", "externalCustomerId": "acme", "eventName": "calls"}
    await api.ingest({**event, "timestamp": "2026-01-15T00:00:00Z", "properties": {"n": 12345}})
    await api.advance("2026-02-04T00:00:00Z")
    found = await api.invoices("id lineItems { id name }", "FINALIZED")
    (invoice,) = [one for one in found if any(line["name"] == "Calls" for line in one["lineItems"])]
    await api.done("paymentRecord", "payment { id }", invoiceId=invoice["id"], amount="40")
    await api.done(
        "creditNoteCreate",
        "creditNote { id }",
        invoiceId=invoice["id"],
        reason="OTHER",
        settlement="OFFSET",
        lineItems=[{"lineItemId": invoice["lineItems"][-1]["id"], "amount": "1"}],
    )
    return invoice


@asynccontextmanager
async def quiet(browser: Browser, link: str, **settings: object) -> AsyncIterator[Page]:
    """The page without scripts; what its console complained of, or another host, is a failure."""
    context = await browser.new_context(java_script_enabled=False, **settings)  # type: ignore[arg-type] # the test says which
    page = await context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("request", lambda request: asked.append(request.url))
    try:
        await page.goto(link)
        yield page
        assert complaints == []
        addresses = [one for one in asked if not one.startswith("data:")]
        assert len(addresses) == 2, addresses  # itself and its style
        assert {urlsplit(one).netloc for one in addresses} == {urlsplit(link).netloc}
    finally:
        await context.close()


async def accessible(browser: Browser, link: str, **settings: object) -> None:
    """axe-core finds nothing. It is a script, so here scripts run."""
    context = await browser.new_context(**settings)  # type: ignore[arg-type] # the test says which
    page = await context.new_page()
    try:
        await page.goto(link)
        found = await Axe().run(page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        assert len(found.response["passes"]) > 10
    finally:
        await context.close()


async def test_a_page_is_right_wide_narrow_dark_and_printed(api: Api) -> None:
    link = await hosted_url(api, (await metered(api))["id"])
    async with chromium() as browser:
        for width in (1280, 390, 320):
            async with quiet(browser, link, viewport={"width": width, "height": 800}) as page:
                assert await page.evaluate(OVERFLOW) <= 0
                assert await page.get_by_role("link", name="Download PDF").is_visible()
                wide = width == 1280
                head = page.get_by_role("columnheader", name="Unit price")
                assert await head.is_visible() == wide
                assert await page.get_by_text("11,345 × 0.02 + 10.00").is_visible() != wide
                await page.emulate_media(media="print")
                assert not await page.get_by_role("link", name="Download PDF").is_visible()
                await page.emulate_media(media="screen")
                await page.keyboard.press("Tab")
                focused = page.locator(":focus-visible")
                assert await focused.inner_text() == "Download PDF"
                outline = "one => getComputedStyle(one).outlineStyle"
                assert await focused.evaluate(outline) == "solid"
        async with quiet(browser, link, color_scheme="dark") as page:
            background = "getComputedStyle(document.body).backgroundColor"
            assert await page.evaluate(background) == "rgb(15, 18, 24)"
        await accessible(browser, link)
        narrow = {"width": 390, "height": 800}
        await accessible(browser, link, color_scheme="dark", viewport=narrow)


async def test_from_right_to_left_with_markup_in_a_name(api: Api) -> None:
    arabic = await api.customer("globex", language="ar", name=f"شركة الأفق {MARKUP}")
    void, paid = [await api.one_off(arabic, "10", finalize=True) for _ in range(2)]
    await api.done("invoiceVoid", "invoice { id }", invoiceId=void["id"])
    await api.done("paymentRecord", "payment { id }", invoiceId=paid["id"], amount="10")
    narrow = {"width": 390, "height": 800}
    async with chromium() as browser:
        for invoice in (void, paid):
            link = await hosted_url(api, invoice["id"])
            async with quiet(browser, link, viewport=narrow) as page:
                assert await page.evaluate(OVERFLOW) <= 0
                assert await page.get_by_text(MARKUP).is_visible()
                assert await page.locator("script, img").count() == 0
                amount = await page.locator(".sum bdi").bounding_box()
                assert amount is not None
                assert amount["x"] + amount["width"] > 350  # it starts at the right edge
            await accessible(browser, link, color_scheme="dark", viewport=narrow)
        await accessible(browser, link.partition("?")[0])  # no valid link
