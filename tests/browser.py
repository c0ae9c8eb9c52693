"""A real browser for the tests: Chromium, steered by Playwright, judged by the axe-core that the lock pins."""

from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

# it asks nobody anything that the page did not ask for
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LOCALES = {"ja": "ja-JP", "en": "en-GB"}
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

DESKTOP = (1280, 900)
PHONE = (375, 667)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """While it is open, this thread has a running asyncio loop: nothing in it may call `asyncio.run`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(
    browser: Browser,
    *,
    size: tuple[int, int] = DESKTOP,
    language: str = "ja",
    dark: bool = False,
    scripts: bool = True,
) -> Iterator[Page]:
    """A fresh profile with one empty page. A script's error or a refused resource (CSP) fails the test at its end."""
    context = _context(browser, size, language, dark, scripts)
    faults: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if "Content Security Policy" in m.text else None)
        yield page
    finally:
        context.close()
    assert faults == [], faults


def _context(
    browser: Browser, size: tuple[int, int], language: str, dark: bool, scripts: bool
) -> BrowserContext:
    width, height = size
    is_phone = width < 600
    return browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=2 if is_phone else 1,
        is_mobile=is_phone,
        has_touch=is_phone,
        locale=_LOCALES[language],
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
    )


def accessibility_faults(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its best practices: `rule: where: the element`; [] if all is well."""
    found = Axe().run(page, options={**_RULES, "resultTypes": ["violations"]})
    return [
        f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['html']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


def is_wider_than_screen(page: Page) -> bool:
    """Whether a reader has to scroll sideways. A phone's `innerWidth` would grow with what is too wide."""
    size = page.viewport_size
    assert size
    return int(page.evaluate("document.documentElement.scrollWidth")) > size["width"]
