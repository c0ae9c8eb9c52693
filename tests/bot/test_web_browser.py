"""The download page as a person meets it: in a real browser, by the button, with and without scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from playwright.sync_api import Browser, Page

from tests.browser import DESKTOP, PHONE, accessibility_faults, is_wider_than_screen, visitor
from tests.web_world import Site, press, serving

SERVERS = ("nginx", "Apache", "IIS", "Tomcat")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as running:
        yield running


def save(page: Page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as saved:
        page.get_by_role("button", name=button).click()
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no_scripts"])
def test_URL1_only_the_button_saves_the_certificate_and_tells_the_officers(
    site: Site, browser: Browser, scripts: bool
) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as scanner:
        for method in ("GET", "HEAD", "OPTIONS") * 5:
            scanner.request(method, path)
    with visitor(browser, scripts=scripts) as page:
        page.goto(site.base + path)
        assert site.outbox() == []
        name, content = save(page, "PEM(中間証明書つき)")
        saved = x509.load_pem_x509_certificates(content)
        names = [certificate.subject.rfc4514_string() for certificate in saved]
        assert names[0].startswith("CN=test1.example.ac.jp,")
        assert names[1:] == ["CN=Test Issuing CA", "CN=Test Root"]
        assert name == "test1.example.ac.jp-fullchain.pem"
        assert len(site.outbox()) == 2
        # at once another format, which tells nobody anew
        _, chain = save(page, "中間証明書だけ")
        assert x509.load_pem_x509_certificates(chain) == saved[1:]
        assert len(site.outbox()) == 2


def test_the_page_says_whose_it_is_and_how_a_server_takes_it_without_scripts(
    site: Site, browser: Browser
) -> None:
    with visitor(browser, scripts=False) as page:
        page.goto(f"{site.base}/d/{site.issued.issue()}")
        for words in ("テスト機関", "2026年12月22日(火)", "CN=test1.example.ac.jp", "1000000000000000000001"):
            assert page.get_by_text(words).first.is_visible(), words
        for server in SERVERS:
            hint = page.locator("details", has=page.locator("summary", has_text=server))
            assert not hint.locator("pre").is_visible()
            hint.locator("summary").click()
            assert hint.locator("pre").is_visible()
        named = page.locator("pre").all_inner_texts()
        assert "ssl_certificate     /etc/ssl/test1.example.ac.jp-fullchain.pem;" in named[0]
        assert save(page, "PKCS#7")[0] in named[2]


def test_the_reader_s_language_is_chosen_and_can_be_switched(site: Site, browser: Browser) -> None:
    with visitor(browser, language="en", scripts=False) as page:
        page.goto(f"{site.base}/d/{site.issued.issue()}")
        assert page.get_by_role("heading", level=1).inner_text() == "Fetch your server certificate"
        page.get_by_role("link", name="日本語").click()
        assert page.get_by_role("heading", level=1).inner_text() == "サーバ証明書の受け取り"
        assert save(page, "DER")[0] == "test1.example.ac.jp.cer"


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_use_the_page(
    site: Site, browser: Browser, language: str, size: tuple[int, int], dark: bool
) -> None:
    """Waiting with all its hints open, used, and gone: by the rules of WCAG, and never wider than the screen."""
    name = f"{'a-very-long-name.' * 2}information-cent.example.ac.jp"
    used = f"/d/{site.issued.issue()}"
    with site.client() as client:
        press(client, used)
    with visitor(browser, size=size, language=language, dark=dark) as page:
        for path in (f"/d/{site.issued.issue(name)}", used, "/d/unknown"):
            page.goto(site.base + path)
            page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
            assert page.locator("html").get_attribute("lang") == language
            assert accessibility_faults(page) == []
            assert not is_wider_than_screen(page)
