"""The download page on a real server, as a desk, a phone and a dark screen show it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from tests.browser import DESKTOP, PHONE, visitor
from tests.web_world import Site, press, serving

# how it is shown: (size, dark, language)
_WAYS = {
    "desktop-ja": (DESKTOP, False, "ja"),
    "desktop-en": (DESKTOP, False, "en"),
    "phone-ja": (PHONE, False, "ja"),
    "phone-dark-ja": (PHONE, True, "ja"),
    "desktop-dark-en": (DESKTOP, True, "en"),
}


def write_pages(folder: Path) -> int:
    with open_site() as (site, paths), site.client(**{"Accept-Language": "ja"}) as client:
        for name, path in paths.items():
            (folder / f"page-{name}.html").write_text(client.get(path).text, "utf-8")
    return len(paths)


def take_page_pictures(browser: Browser, folder: Path) -> int:
    with open_site() as (site, paths):
        for way, (size, dark, language) in _WAYS.items():
            with visitor(browser, size=size, dark=dark, language=language) as page:
                for name, path in paths.items():
                    page.goto(site.base + path)
                    page.screenshot(path=folder / f"page-{name}-{way}.png", full_page=True)
                    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
                    if page.locator("details").count():
                        page.screenshot(path=folder / f"page-{name}-{way}-open.png", full_page=True)
    return len(_WAYS) * len(_PATHS)


_PATHS = ("waiting", "used", "gone")


@contextmanager
def open_site() -> Iterator[tuple[Site, dict[str, str]]]:
    with TemporaryDirectory() as folder, serving(Path(folder)) as site:
        waiting = site.issued.issue("test1.example.ac.jp", also=("www.test1.example.ac.jp",))
        used = site.issued.issue("test2.example.ac.jp")
        with site.client() as client:
            assert press(client, f"/d/{used}").status_code == 200
        site.issued.now += timedelta(minutes=2)
        yield site, dict(zip(_PATHS, (f"/d/{waiting}", f"/d/{used}", "/d/unknown"), strict=True))
