"""A real browser: headless Chromium, told by Playwright."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright

from tests.needs import program


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, or another of that name on the PATH."""
    path = program("chromium")
    async with async_playwright() as playwright:
        # The pages are our own; its sandbox refuses to run as root, as CI does.
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visit:
    """A page, with what went wrong on it and where it fetched from."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the console had as errors: scripts that failed, what the policy refused."""
    addresses: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """Those of which something was asked; `data:` and `blob:` have none."""
        return {host for one in self.addresses if (host := urlsplit(one).netloc)}


@asynccontextmanager
async def visit(browser: Browser, address: str) -> AsyncIterator[Visit]:
    """Opens a page in a window of its own, without anything of other visits."""
    context = await browser.new_context(locale="en-US", timezone_id="UTC")
    page = await context.new_page()
    seen = Visit(page)
    page.on(
        "console", lambda said: seen.complaints.append(said.text) if said.type == "error" else None
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda asked: seen.addresses.append(asked.url))
    try:
        await page.goto(address)
        yield seen
    finally:
        await context.close()
