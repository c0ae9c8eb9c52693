"""An application made by the TSV tool in a browser, mailed through real servers, and accepted (manual 1-1-2)."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Browser, Page, expect

from bot.demo.mailbox import text_of
from tests.browser import visitor
from tests.journeys.desk import BOT, DN, Desk
from tests.servers.people import APPLICANT

pytest_plugins = ("tests.servers.fixtures",)
FQDN = "test1.example.ac.jp"
CONTACT = {8: "髙橋 太郎", 9: "情報基盤センター", 10: APPLICANT, 12: "Apache 2.4"}
expect.set_options(timeout=30_000)


def test_what_the_page_makes_is_accepted(desk: Desk, browser: Browser) -> None:
    _, csr = desk.applicant.make_request(FQDN, DN.format(fqdn=FQDN))
    with desk.running(), visitor(browser) as page:
        page.goto(f"{desk.config.web.public_url}/tsv")
        page.click("#paste summary")
        page.fill("#pasted", csr.public_bytes(Encoding.PEM).decode())
        page.click("#read-pasted")
        for number, text in CONTACT.items():
            page.fill(f"#cell-{number}", text)
        expect(page.locator("#state")).to_have_text("1行。この画面で調べられるエラーはありません。")
        check, apply = (subject_of(page, id) for id in ("mail-check", "mail-apply"))
        with page.expect_download() as saved:
            page.click("#save")
        name, data = saved.value.suggested_filename, Path(saved.value.path()).read_bytes()
        assert name == f"issue-{FQDN}.tsv"
        # the checking mail registers nothing, and the second is taken
        desk.applicant.apply(data, BOT, subject=check)
        checked = text_of(desk.applicant.mailbox.wait_for("事前チェックの結果: エラーはありません", 60))
        assert desk.states() == {}
        desk.applicant.apply(data, BOT, subject=apply)
        desk.applicant.mailbox.wait_for("申請を受け付けました", 60)
        request = text_of(desk.officer.mailbox.wait_for("承認のお願い", 60))
    assert list(desk.states().values()) == [["waiting"]]
    assert "エラーはありませんでした" in checked
    assert "髙橋 太郎" in request
    assert FQDN in request


def subject_of(page: Page, id: str) -> str:
    link = page.get_attribute(f"#{id}", "href")
    assert link
    assert urlsplit(link).path == BOT
    return parse_qs(urlsplit(link).query)["subject"][0]
