"""GraphiQL as a newcomer meets it: the demo's page in a real browser, without the internet."""

from urllib.parse import urlsplit

import msgspec
from playwright.async_api import Page

from billing_gql.graph.graphiql import examples
from tests.browser import chromium, visit
from tests.cli.conftest import Cli

ANSWERS = [
    '"totalCount": 16',
    '"invoicedAmount"',
    '"recalculatedAmount"',
    '"invoiceFinalize"',
    '"upcomingInvoice"',
]
"""Something of each example's answer, in their order."""


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


async def test_every_example_is_answered_in_the_page(bundled: Cli) -> None:
    with bundled.running("demo", "--port=0", says="API key: .*") as demo:
        demo.ask(demo.found.removeprefix("API key: ").strip(), "{ organization { name } }")
        async with chromium() as browser, visit(browser, f"{demo.url}/graphql") as seen:
            page = seen.page
            tabs = page.locator(".graphiql-tab")
            await tabs.first.wait_for()
            assert await tabs.count() == len(examples()) == len(ANSWERS)
            for tab, expected in zip(await tabs.all(), ANSWERS, strict=True):
                await tab.locator(".graphiql-tab-button").click()
                # The page looks with a pause which operation the opened tab has.
                await page.wait_for_timeout(500)
                shown = await answer(page)
                assert expected in shown
                assert "errors" not in msgspec.json.decode(shown), shown
            await page.get_by_label("Show Documentation Explorer").click()
            # The schema has come by introspection: its root's description is shown.
            await page.locator(".graphiql-doc-explorer-content a", has_text="Query").first.click()
            await page.get_by_text("All that one request reads is of one instant").wait_for()
            assert seen.complaints == []
            assert seen.hosts == {urlsplit(demo.url).netloc}


async def test_without_a_key_the_page_says_what_to_send(cli: Cli) -> None:
    with cli.running("serve", "--port=0", says="http://.*graphql") as service:
        async with chromium() as browser, visit(browser, f"{service.url}/graphql") as seen:
            await seen.page.locator(".graphiql-tab").first.wait_for()
            assert "Authorization: Bearer" in await answer(seen.page)
            assert seen.hosts == {urlsplit(service.url).netloc}
