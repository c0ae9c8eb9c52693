"""The TSV tool in a real browser, from a disk and from the server: files dropped, Japanese typed, errors heard.

With RINGI_SCREENSHOTS=FOLDER pictures of it are left there for people to look at.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import DNSName
from playwright.sync_api import Browser, Page, expect

from bot.web.tsv_page import write_page
from handlers.context import Desk
from handlers.rules.checks import check_issue_rows
from handlers.rules.inventory_tsv import COLUMNS, encode_line
from handlers.rules.renewal_tsv import renewal_row
from handlers.rules.row_errors import Code, row_error
from handlers.rules.tsv import read_tsv, write_row
from store.states import Kind
from tests.browser import DESKTOP, PHONE, accessibility_faults, is_wider_than_screen, visitor
from tests.rules.issue_rows import DN, FQDN, RULES, TESTKIKAN, csr_der, ec_key, one_line, rsa_key
from tests.web_world import serving

DESK = Desk(instance="ringi", address="ra@example.ac.jp", public_url="https://ra.example.ac.jp")
SERIAL = "79228162514264337593543950336"
CONTACT = {8: "申請 太郎", 9: "情報基盤センター", 10: "taro@example.ac.jp", 12: "Apache 2.4 ～髙﨑①"}
# a busy machine is no fault of the page
expect.set_options(timeout=30_000)
Open = Callable[..., Page]
File = dict[str, object]


@pytest.fixture
def tool(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """The page from a disk. It may ask for itself alone, and say nothing to the console."""
    url = (tmp_path / "tsv.html").as_uri()
    html = write_page(DESK, [TESTKIKAN], None).html
    (tmp_path / "tsv.html").write_text(html, encoding="utf-8")
    with pages(browser, url) as begin:
        yield begin


@contextmanager
def pages(browser: Browser, url: str) -> Iterator[Open]:
    asked: list[str] = []
    said: list[str] = []
    opened = []

    def begin(**options: object) -> Page:
        visit = visitor(browser, **options)  # type: ignore[arg-type]
        page = visit.__enter__()
        opened.append(visit)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(url)
        return page

    yield begin
    for visit in opened:
        visit.__exit__(None, None, None)
    assert {one for one in asked if not one.startswith("blob:")} <= {url}
    assert said == []


def csr(name: str, number: int = 0, others: Sequence[str] = ()) -> File:
    key = ec_key(number)
    der = csr_der(
        DN.replace(FQDN, name), key, hashes.SHA384(), tuple(DNSName(one) for one in (name, *others))
    )
    text = one_line(der)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    pem = "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""])
    return {"name": f"{name}.csr", "mimeType": "application/octet-stream", "buffer": pem.encode()}


def as_line(file: File) -> str:
    pem = file["buffer"]
    assert isinstance(pem, bytes)
    return pem.decode().replace("\n", "")


def give(page: Page, *files: File) -> None:
    page.set_input_files("#files", list(files))  # type: ignore[arg-type]
    expect(page.locator("#said p").first).to_be_visible()


def drop(page: Page, *files: File) -> None:
    """Files that come by a drag, as the browser hands them over."""
    given = [(file["name"], list(file["buffer"])) for file in files]  # type: ignore[call-overload]
    page.evaluate(
        """files => {
            const dragged = new DataTransfer();
            for (const [name, bytes] of files) dragged.items.add(new File([Uint8Array.from(bytes)], name));
            const event = (kind) => new DragEvent(kind, { dataTransfer: dragged, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(event("dragover"));
            document.getElementById("drop").dispatchEvent(event("drop"));
        }""",
        given,
    )


def type_contact(page: Page) -> None:
    for number, text in CONTACT.items():
        page.fill(f"#cell-{number}", text)


def save(page: Page) -> tuple[str, bytes]:
    with page.expect_download() as saved:
        page.click("#save")
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("RINGI_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"tsv-{name}.png", full_page=True)


def mail_of(page: Page, id: str) -> tuple[str, str, str]:
    """Address, subject and body of a link that begins a mail."""
    link = page.get_attribute(f"#{id}", "href")
    assert link
    parts = urlsplit(link)
    values = parse_qs(parts.query)
    return unquote(parts.path), values["subject"][0], values["body"][0]


def inventory() -> bytes:
    def line(serial: str, name: str, state: str) -> bytes:
        cells = [""] * len(COLUMNS)
        for place, text in {
            4: DN.replace(FQDN, name),
            5: "3",
            9: "dNSName=a.example.ac.jp",
            12: state,
        }.items():
            cells[place - 1] = text
        for place, text in zip((13, 14, 15, 17), CONTACT.values(), strict=True):
            cells[place - 1] = text
        for place, text in {16: name, 24: serial, 27: "2027/01/02 03:04:05"}.items():
            cells[place - 1] = text
        return encode_line(cells)

    rows = [(SERIAL, FQDN, "5"), ("79228162514264337593543950337", "b.example.ac.jp", "7")]
    return encode_line(COLUMNS) + b"".join(line(*row) for row in rows) + line("", "waits.example.ac.jp", "2")


def inventory_file(encoding: str = "cp932") -> File:
    text = inventory().decode("cp932")
    return {"name": "serverAll.tsv", "mimeType": "text/plain", "buffer": text.encode(encoding)}


def test_99_requests_that_are_dropped_become_the_very_bytes_of_99_rows(tool: Open) -> None:
    page = tool()
    names = [f"host{n}.example.ac.jp" for n in range(1, 100)]
    files = [csr(name, number, ("www.example.jp",)) for number, name in enumerate(names)]
    drop(page, files[0])
    expect(page.locator("#cell-11")).to_have_value(names[0])
    type_contact(page)
    drop(page, *files[1:])
    expect(page.locator("#row-list li")).to_have_count(99)
    expect(page.locator("#state")).to_have_text("99行。この画面で調べられるエラーはありません。")
    name, data = save(page)
    assert name == "issue-99rows.tsv"
    expected = b"".join(
        write_row(
            (
                *(
                    DN.replace(FQDN, host),
                    "11",
                    "",
                    "",
                    "",
                    "",
                    as_line(file),
                    CONTACT[8],
                    CONTACT[9],
                    CONTACT[10],
                ),
                *(host, CONTACT[12], "dNSName=www.example.jp"),
            )
        )
        for host, file in zip(names, files, strict=True)
    )
    assert data == expected
    rows = read_tsv(data, name, max_rows=99)
    assert rows.encoding == "CP932"
    assert [row.errors for row in check_issue_rows(rows.rows, RULES)] == [()] * 99
    drop(page, csr("one-too-many.example.ac.jp", 100))
    expect(page.locator("#said")).to_contain_text("1つのTSVファイルに入れられるのは99行までです")
    picture(page, "99-rows")


def test_it_works_from_the_server_too(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as site, pages(browser, f"{site.base}/tsv") as begin:
        page = begin()
        give(page, csr(FQDN))
        type_contact(page)
        name, data = save(page)
    assert name == f"issue-{FQDN}.tsv"
    (row,) = read_tsv(data, name, max_rows=99).rows
    assert row.fields[7] == "申請 太郎"


def test_errors_are_those_of_the_mail_seen_and_heard(tool: Open) -> None:
    page = tool()
    give(page, csr(FQDN))
    page.fill("#cell-9", "ｾﾝﾀｰ")
    page.focus("#cell-8")
    error = row_error(Code.CHARACTERS, 9, "ｾ ﾝ ﾀ ｰ")
    shown = page.locator("#errors-9 li p").all_inner_texts()
    assert shown == [error.cell("ja"), f"原因: {error.cause('ja')}", f"対処方法: {error.remedy('ja')}"]
    expect(page.locator("#heard")).to_have_text(error.cell("ja"))
    assert page.get_attribute("#heard", "role") == "status"
    assert page.get_attribute("#cell-9", "aria-invalid") == "true"
    described = page.get_attribute("#cell-9", "aria-describedby") or ""
    assert "errors-9" in described.split()
    # nobody is reproached for what they have not come to
    assert page.locator("#errors-10 li").count() == 0
    page.click("#check")
    expect(page.locator("#error-list")).to_be_focused()
    cells = page.locator("#errors li").all_inner_texts()
    wanted = [row_error(Code.REQUIRED, 8), error, row_error(Code.REQUIRED, 10), row_error(Code.REQUIRED, 12)]
    assert cells == [f"SEQ 1: {one.cell('ja')}" for one in wanted]
    picture(page, "errors-ja")
    page.get_by_role("button", name="SEQ 1: 201:12.").click()
    expect(page.locator("#cell-12")).to_be_focused()
    page.click("#language")
    assert page.locator("#errors-9 li p").first.inner_text() == error.cell("en")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title() == "TSV tool"
    assert page.input_value("#cell-9") == "ｾﾝﾀｰ"
    # what was said before is said in the language that is read now
    expect(page.locator("#said")).to_have_text(re.compile("^CSRs read: 1"))
    expect(page.locator("#said-finish")).to_have_text(page.inner_text("#state"))
    picture(page, "errors-en")


def test_a_request_that_comes_while_its_field_has_the_focus_is_kept(tool: Open) -> None:
    """The form is shown anew then, and the field that goes must not be read once more."""
    page = tool()
    page.focus("#cell-7")
    drop(page, csr(FQDN))
    expect(page.locator("#cell-11")).to_have_value(FQDN)
    expect(page.locator("#state")).to_contain_text("あわせて4件")


def test_an_empty_form_reproaches_nobody_and_then_names_what_is_missing(tool: Open) -> None:
    page = tool()
    assert page.locator(".errors li").count() == 0
    page.click("#check")
    expect(page.locator("#error-list")).to_be_focused()
    wanted = [row_error(Code.REQUIRED, number).cell("ja") for number in (1, 2, 7, 8, 9, 10, 11, 12)]
    assert page.locator("#errors li").all_inner_texts() == [f"SEQ 1: {cell}" for cell in wanted]


def test_a_button_is_pressed_even_when_errors_push_it_away(tool: Open) -> None:
    """Leaving a field shows its errors, which moves all that is below: the press must not be lost."""
    page = tool()
    page.fill("#cell-8", "ｱ")
    page.click("#check", delay=400)
    expect(page.locator("#error-list")).to_be_focused()


def test_a_whole_application_by_keyboard_alone(tool: Open) -> None:
    page = tool()
    keyboard = page.keyboard

    def tab_to(id: str) -> None:
        for _ in range(60):
            if page.evaluate("document.activeElement.id") == id:
                return
            keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {id}")

    keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    keyboard.press("Enter")
    tab_to("kind-issue")
    keyboard.press("ArrowDown")
    expect(page.locator("#kind-renew")).to_be_checked()
    tab_to("cell-4")
    keyboard.insert_text("123")
    tab_to("cell-7")
    keyboard.insert_text(as_line(csr(FQDN)))
    keyboard.press("Tab")
    expect(page.locator("#cell-11")).to_have_value(FQDN)
    for number, text in CONTACT.items():
        tab_to(f"cell-{number}")
        keyboard.insert_text(text)
    tab_to("check")
    keyboard.press("Enter")
    expect(page.locator("#said-finish")).to_have_text("1行。この画面で調べられるエラーはありません。")
    tab_to("save")
    with page.expect_download() as saved:
        keyboard.press("Enter")
    (row,) = read_tsv(Path(saved.value.path()).read_bytes(), "renew.tsv", max_rows=99).rows
    assert check_issue_rows((row,), replace(RULES, kind=Kind.RENEW))[0].errors == ()
    assert row.fields[3] == "123"
    tab_to("mail-apply")
    assert mail_of(page, "mail-apply")[:2] == ("ra@example.ac.jp", "サーバ証明書 更新申請")


def test_the_mails_it_begins(tool: Open) -> None:
    page = tool()
    give(page, csr(FQDN))
    expect(page.locator("#mail-apply")).to_be_hidden()
    assert mail_of(page, "mail-check")[1] == "【確認】サーバ証明書 発行申請"
    type_contact(page)
    expect(page.locator("#mail-apply")).to_be_visible()
    address, subject, body = mail_of(page, "mail-apply")
    assert (address, subject) == ("ra@example.ac.jp", "サーバ証明書 発行申請")
    assert f"issue-{FQDN}.tsv" in body
    page.click("#language")
    assert mail_of(page, "mail-check")[1] == "DRY-RUN Server certificate: ISSUE"


def test_the_viewer_opens_an_inventory_of_any_encoding(tool: Open) -> None:
    page = tool()
    for encoding in ("cp932", "utf-8", "utf-8-sig", "utf-16"):
        give(page, inventory_file(encoding))
        expect(page.locator("#viewer tbody tr")).to_have_count(3)
        cells = page.locator("#viewer tbody tr").first.locator("th, td").all_inner_texts()[:5]
        assert cells == [FQDN, "発行済み", "2027/01/02", SERIAL, "申請 太郎 taro@example.ac.jp"]
        page.get_by_role("button", name="一覧を閉じる").click()
        expect(page.locator("#viewer")).to_be_hidden()


def test_the_viewer_filters_copies_and_starts_rows(tool: Open) -> None:
    page = tool()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    give(page, inventory_file())
    rows = page.locator("#viewer tbody tr")
    page.fill("#filter", "ｂ.EXAMPLE 失効")
    expect(rows).to_have_count(0)
    page.fill("#filter", "Ｂ.example 申請")
    expect(rows).to_have_count(1)
    expect(page.locator("#viewer-count")).to_have_text("3件のうち1件")
    page.fill("#filter", "")
    page.select_option("#only", "5")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name=f"番号をコピー: {FQDN}").click()
    expect(page.locator("#said-viewer")).to_contain_text(SERIAL)
    assert page.evaluate("navigator.clipboard.readText()") == SERIAL
    picture(page, "viewer")
    page.get_by_role("button", name=f"失効する: {FQDN}").click()
    expect(page.locator("#cell-5")).to_be_focused()
    page.select_option("#cell-5", "1")
    name, data = save(page)
    assert name == f"revoke-{FQDN}.tsv"
    assert data == write_row((DN, "", "", SERIAL, "1", "", "", "", "", "taro@example.ac.jp", "", "", ""))
    # what was begun is not thrown away for another kind
    page.get_by_role("button", name=f"更新する: {FQDN}").click()
    expect(page.locator("#said-viewer")).to_contain_text("「失効」の申請を作成中です")
    page.click("#row-clear")
    page.get_by_role("button", name=f"更新する: {FQDN}").click()
    expect(page.locator("#cell-7")).to_be_focused()
    give(page, csr(FQDN, 3))
    expect(page.locator("#state")).to_have_text("1行。この画面で調べられるエラーはありません。")
    (row,) = read_tsv(save(page)[1], "renew.tsv", max_rows=99).rows
    assert row.fields[3] == SERIAL
    assert (row.fields[1], row.fields[12]) == ("11", "dNSName=a.example.ac.jp")


def test_the_renewal_tsv_that_was_mailed_takes_its_request(tool: Open) -> None:
    page = tool()
    row = renewal_row(
        DN, 11, int(SERIAL), "申請 太郎", "情報基盤課", "taro@example.ac.jp", FQDN, "nginx", (FQDN,)
    )
    give(page, {"name": f"{SERIAL}-{FQDN}-renewal.tsv", "mimeType": "text/plain", "buffer": row})
    expect(page.locator("#kind-renew")).to_be_checked()
    expect(page.locator("#errors-7 li")).to_have_count(1)
    request = csr(FQDN, 2)
    give(page, request)
    expect(page.locator("#row-list li")).to_have_count(0)
    _, data = save(page)
    assert data == row.replace(b"\t\t\t\x90\x5c", b"\t\t" + as_line(request).encode() + b"\t\x90\x5c")


def test_a_change_of_contact_is_the_officers_mail(tool: Open) -> None:
    page = tool()
    give(page, inventory_file())
    page.get_by_role("button", name=f"利用管理者を変える: {FQDN}").click()
    page.fill("#cell-8", "後任 次郎")
    expect(page.locator("#mail-check")).to_be_hidden()
    assert mail_of(page, "mail-apply")[2].strip() == "利用管理者情報更新"
    assert save(page)[1] == write_row(
        (DN, "", "", SERIAL, "", "", "", "後任 次郎", CONTACT[9], CONTACT[10], "", CONTACT[12], "")
    )
    picture(page, "contact")


def test_what_is_no_request_is_told_and_not_taken(tool: Open) -> None:
    page = tool()
    key = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, data, words in (
        ("server.key", key, "server.key は秘密鍵です"),
        (
            "photo.jpg",
            b"\xff\xd8\xff\xe0" + bytes(range(256)),
            "photo.jpg は、CSR・申請TSV・一覧のどれでもありません",
        ),
    ):
        give(page, {"name": name, "mimeType": "application/octet-stream", "buffer": data})
        expect(page.locator("#said")).to_contain_text(words)
        assert page.input_value("#cell-7") == ""
    page.click("#paste summary")
    page.fill("#pasted", "-----BEGIN CERTIFICATE REQUEST-----\nMIIC")
    page.click("#read-pasted")
    expect(page.locator("#said")).to_contain_text("CSRを読み取れません")
    page.fill("#pasted", str(csr(FQDN)["buffer"], "ascii"))  # type: ignore[call-overload]
    page.click("#read-pasted")
    expect(page.locator("#cell-1")).to_have_value(DN)


def test_a_character_that_cp932_lacks_is_named_and_nothing_is_saved(tool: Open) -> None:
    page = tool()
    give(page, csr(FQDN))
    type_contact(page)
    page.fill("#cell-8", "𠮷野 é")
    page.click("#save")
    expect(page.locator("#said-finish")).to_have_text(
        "Shift_JIS(CP932)で表せない文字があるため保存できません: 𠮷é (SEQ 1)"
    )


def test_the_policy_refuses_what_a_stranger_would_put_in(browser: Browser, tmp_path: Path) -> None:
    """The console says so: that other tests find it silent means something."""
    (tmp_path / "tsv.html").write_text(write_page(DESK, [TESTKIKAN], "en").html, encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "tsv.html").as_uri())
    sends = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')"
    writes = (
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch { return 'refused'; } }"
    )
    loads = "() => { document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x.png' })); }"
    adds = "const one = document.createElement('script'); one.append('window.ran = 1'); document.body.append(one);"
    page.evaluate(loads)
    assert page.evaluate(sends) == "refused"
    assert page.evaluate(writes) == "refused"
    assert page.evaluate(f"() => {{ try {{ {adds} }} catch {{ }} return window.ran || 0; }}") == 0
    context.close()
    assert len([one for one in said if "Content Security Policy" in one]) >= 3


def test_without_scripts_it_says_so(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "tsv.html").write_text(write_page(DESK, [TESTKIKAN], "ja").html, encoding="utf-8")
    with visitor(browser, scripts=False) as page:
        page.goto((tmp_path / "tsv.html").as_uri())
        assert "JavaScript" in page.inner_text("body")
        expect(page.locator("#tool")).to_be_hidden()


@pytest.mark.parametrize(
    ("language", "size", "dark"),
    [("ja", DESKTOP, False), ("en", PHONE, True)],
    ids=["ja-desktop-light", "en-phone-dark"],
)
def test_everybody_can_use_it(tool: Open, language: str, size: tuple[int, int], dark: bool) -> None:
    page = tool(language=language, size=size, dark=dark)
    name = f"{language}-{'phone' if size == PHONE else 'desktop'}-{'dark' if dark else 'light'}"
    assert page.locator("html").get_attribute("lang") == language
    looks = [lambda: None, lambda: page.click("#check"), lambda: give(page, inventory_file())]
    looks += [lambda: give(page, csr(FQDN), csr("b.example.ac.jp", 1)), lambda: page.click("#paste summary")]
    for look in looks:
        look()
        assert not is_wider_than_screen(page)
    # a name is not broken while there is room for it
    heights = page.locator("#row-list .name").evaluate_all("all => all.map((one) => one.offsetHeight)")
    assert len(heights) == 2
    assert max(heights) < 30
    page.fill("#cell-8", "①")
    page.click("#check")
    expect(page.locator("#error-list")).to_be_focused()
    assert accessibility_faults(page) == []
    picture(page, name)
