"""GraphiQL as a newcomer meets it: the demo's page in a real browser, without the internet."""

from urllib.parse import urlsplit

import msgspec
from playwright.async_api import Locator, Page

from billing_gql.graph.graphiql import examples
from tests.browser import chromium, visit
from tests.cli.conftest import Cli, Running

ANSWERS = [
    '"totalCount": 16',
    '"invoicedAmount"',
    '"recalculatedAmount"',
    '"invoiceFinalize"',
    '"upcomingInvoice"',
]
"""Something of each example's answer, in their order; the last one watches."""
STREAM = "text/event-stream"


async def answer(page: Page) -> str:
    """Runs what the open tab has, and reads what is shown."""
    await page.locator(".result-window .CodeMirror").evaluate("it => it.CodeMirror.setValue('')")
    await page.locator(".graphiql-execute-button").click()
    shown = page.locator(".result-window .CodeMirror")
    await page.wait_for_function(
        "() => document.querySelector('.result-window .CodeMirror').CodeMirror.getValue() !== ''"
        " && !document.querySelector('.graphiql-spinner')"
    )
    text: str = await shown.evaluate("it => it.CodeMirror.getValue()")
    return text


async def opened(tab: Locator) -> None:
    await tab.locator(".graphiql-tab-button").click()
    # The page looks with a pause which operation the opened tab has.
    await tab.page.wait_for_timeout(500)


async def watched(page: Page, demo: Running, key: str) -> None:
    """Runs the subscription of the open tab, changes an invoice, and stops once it is shown."""
    # The answer begins once the subscription is live.
    async with page.expect_response(lambda got: got.headers["content-type"].startswith(STREAM)):
        await page.locator(".graphiql-execute-button").click()
    invoice = demo.ask(key, "{ invoices(first: 1) { nodes { id } } }")["invoices"]["nodes"][0]["id"]
    demo.ask(
        key,
        """mutation ($invoiceId: ID!, $metadata: JSON!) {
          invoiceUpdate(input: { invoiceId: $invoiceId, metadata: $metadata }) { invoice { id } }
        }""",
        invoiceId=invoice,
        metadata={"seen": "yes"},
    )
    await page.wait_for_function(
        "id => document.querySelector('.result-window .CodeMirror').CodeMirror.getValue()"
        ".includes(id)",
        arg=invoice,
    )
    await page.get_by_label("Stop query").click()
    await page.get_by_label("Execute query").wait_for()


async def test_every_example_is_answered_in_the_page(bundled: Cli) -> None:
    with bundled.running("demo", "--port=0", says="API key: .*") as demo:
        key = demo.found.removeprefix("API key: ").strip()
        demo.ask(key, "{ organization { name } }")
        async with chromium() as browser, visit(browser, f"{demo.url}/graphql") as seen:
            page = seen.page
            tabs = page.locator(".graphiql-tab")
            await tabs.first.wait_for()
            assert await tabs.count() == len(examples())
            *answered, watching = await tabs.all()
            for tab, expected in zip(answered, ANSWERS, strict=True):
                await opened(tab)
                shown = await answer(page)
                assert expected in shown
                assert "errors" not in msgspec.json.decode(shown), shown
            await opened(watching)
            await watched(page, demo, key)
            await page.get_by_label("Show Documentation Explorer").click()
            # The schema has come by introspection: its root's description is shown.
            await page.locator(".graphiql-doc-explorer-content a", has_text="Query").first.click()
            await page.get_by_text("All that one request reads is of one instant").wait_for()
            assert seen.complaints == []
            assert seen.hosts == {urlsplit(demo.url).netloc}


async def test_without_a_key_the_page_says_what_to_send(cli: Cli) -> None:
    with cli.running("serve", "--port=0", says="http://.*graphql") as service:
        service.listen()
        async with chromium() as browser, visit(browser, f"{service.url}/graphql") as seen:
            await seen.page.locator(".graphiql-tab").first.wait_for()
            assert "Authorization: Bearer" in await answer(seen.page)
            assert seen.hosts == {urlsplit(service.url).netloc}
