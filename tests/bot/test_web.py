"""The download page over HTTP: one-time URLs (threats URL1-URL3) and the four formats."""

import logging
import re
import socket
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy import text

from bot.config import Web
from bot.web import server
from bot.web.guard import MAX_BODY
from bot.web.server import WebFault
from store import journal, troubles
from store.states import EntryState
from store.tables import Certificate, Entry
from store.troubles import TroubleKind
from tests.issued import NOW, an_authority
from tests.web_world import Site, form_of, press, serving

FORMATS = ("fullchain", "pem", "chain", "pkcs7", "der")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as running:
        yield running


def is_untouched(site: Site) -> bool:
    with site.issued.reading() as ctx:
        states = {e.state for e in ctx.session.query(Entry)}
        used = ctx.session.execute(text("SELECT count(first_used_at) FROM download_urls")).scalar_one()
        events = list(journal.entries(ctx.session))
    return states == {EntryState.ISSUED} and not (used or events or site.outbox() or site.woken)


def leaf(site: Site) -> bytes:
    with site.issued.reading() as ctx:
        return ctx.session.query(Certificate).first().der or b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"User-Agent": "mail scanner"}])
def test_URL1_opening_a_link_never_uses_it_up(site: Site, method: str, headers: dict[str, str]) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client(**headers) as client:
        for _ in range(3):
            answer = client.request(method, path)
            assert answer.status_code == (204 if method == "OPTIONS" else 200)
        assert is_untouched(site)
        assert "content-range" not in answer.headers
        assert press(client, path).status_code == 200


def test_URL1_a_get_with_the_forms_fields_in_its_address_delivers_nothing(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        form = form_of(client.get(path).text)
        assert client.get(path, params=form).headers["content-type"].startswith("text/html")
    assert is_untouched(site)


@pytest.mark.parametrize(
    "change",
    [
        {"csrf": None},
        {"csrf": ""},
        {"csrf": "0" * 64},
        {"csrf": "é"},
        {"format": None},
        {"format": "p12"},
    ],
)
def test_URL1_a_post_that_is_not_from_our_form_delivers_nothing(
    site: Site, change: dict[str, str | None]
) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        form = form_of(client.get(path).text) | change
        answer = client.post(path, data={k: v for k, v in form.items() if v is not None})
        assert answer.status_code == 403
        assert '<a href="?lang=ja">受け取りの画面を開き直す</a>' in answer.text
        assert client.post(path, json=form).status_code == 403
        assert client.post(path, content=b"\xff\xfe").status_code == 403
        assert is_untouched(site)
        assert press(client, path).status_code == 200


def test_URL1_the_form_of_one_url_does_not_open_another(site: Site) -> None:
    mine, other = f"/d/{site.issued.issue()}", f"/d/{site.issued.issue()}"
    with site.client() as client:
        assert client.post(other, data=form_of(client.get(mine).text)).status_code == 403
    assert is_untouched(site)


def test_URL1_the_first_post_is_recorded_and_told_before_it_is_answered(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        form = form_of(client.get(path).text)
        with client.stream("POST", path, data=form) as answer:
            # the head of the answer is here, its body not read yet
            assert answer.status_code == 200
            with site.issued.reading() as ctx:
                assert ctx.session.query(Entry).one().state == EntryState.DOWNLOADED
                assert [e.event for e in journal.entries(ctx.session)] == ["downloaded"]
            assert site.outbox() == ["suzuki@testkikan.example.ac.jp", "tanaka@testkikan.example.ac.jp"]
            assert len(site.woken) == 1


def test_URL1_the_same_page_saves_again_for_ten_minutes_and_then_is_gone(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        page = client.get(path).text
        assert [client.post(path, data=form_of(page, f)).status_code for f in FORMATS] == [200] * 5
        site.issued.now = NOW + timedelta(minutes=9, seconds=59)
        assert client.post(path, data=form_of(page)).status_code == 200
        assert "2026年11月22日(日) 12:14" in client.get(path).text
        site.issued.now = NOW + timedelta(minutes=10)
        assert client.post(path, data=form_of(page)).status_code == 410
        assert client.get(path).status_code == 410
    assert len(site.outbox()) == 2
    assert len(site.woken) == 1


def test_URL1_twenty_people_who_press_at_once_cause_one_notice(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        form = form_of(client.get(path).text, "der")

        def fetch(_: int) -> bytes:
            with site.client() as own:
                answer = own.post(path, data=form)
                assert answer.status_code == 200
                return answer.content

        with ThreadPoolExecutor(20) as people:
            files = set(people.map(fetch, range(20)))
    assert files == {leaf(site)}
    assert len(site.outbox()) == 2
    assert len(site.woken) == 1
    with site.issued.reading() as ctx:
        assert [e.event for e in journal.entries(ctx.session)] == ["downloaded"]
        assert journal.first_fault(ctx.session) is None


def test_URL1_what_cannot_be_mailed_is_not_delivered_either(tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no outbox")

    with serving(tmp_path, queue=refuse) as site, site.client() as client:
        answer = press(client, f"/d/{site.issued.issue()}")
        assert answer.status_code == 500
        assert "URLは使用済みになっていません" in answer.text
        assert "no outbox" not in answer.text
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "content-disposition" not in answer.headers
        assert is_untouched(site)


def test_URL2_unknown_expired_and_used_look_alike(site: Site) -> None:
    used, expired = site.issued.issue(), site.issued.issue(expires_at=NOW + timedelta(minutes=5))
    with site.client() as client:
        expired_form = form_of(client.get(f"/d/{expired}").text)
        used_form = form_of(client.get(f"/d/{used}").text)
        client.post(f"/d/{used}", data=used_form)
        site.issued.now = NOW + timedelta(minutes=11)
        answers = [client.get(f"/d/{token}") for token in (used, expired, "unknown", used + "。")]
        answers.append(client.post(f"/d/{used}", data=used_form))
        answers.append(client.post(f"/d/{expired}", data=expired_form))
    assert {a.status_code for a in answers} == {410}
    assert len({a.content for a in answers}) == 1
    # names only: the date may differ
    assert len({frozenset(a.headers.items() - {("date", a.headers["date"])}) for a in answers}) == 1
    assert "登録担当者" in answers[0].text


def test_URL2_a_stranger_cannot_tell_a_url_that_exists_by_a_post(site: Site) -> None:
    form = {"csrf": "0" * 64, "format": "pem"}
    with site.client() as client:
        real = client.post(f"/d/{site.issued.issue()}", data=form)
        unreal = client.post("/d/unknown", data=form)
    assert (real.status_code, real.content) == (unreal.status_code, unreal.content)


def test_URL2_who_guesses_must_wait(site: Site) -> None:
    with site.client() as client:
        answers = [client.get(f"/d/{n}").status_code for n in range(31)]
        assert answers == [410] * 30 + [429]
        answer = client.get("/d/unknown")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 600
        assert "10分" in answer.text
        assert client.get("/health").status_code == 200


def test_URL2_who_guesses_keeps_nobody_behind_the_same_proxy_from_a_good_url(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        page = client.get(path).text
        assert {client.get(f"/d/{n}").status_code for n in range(31)} == {410, 429}
        assert client.get(path).status_code == 200
        assert client.post(path, data=form_of(page)).status_code == 200


def test_URL2_a_form_of_a_url_that_ended_must_wait_too(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        form = form_of(client.get(path).text)
        site.issued.now += timedelta(days=60)
        assert {client.get(f"/d/{n}").status_code for n in range(31)} == {410, 429}
        assert client.post(path, data=form).status_code == 429


def test_URL2_opening_a_good_url_often_is_not_guessing(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        assert {client.get(path).status_code for _ in range(40)} == {200}


def test_URL3_every_answer_carries_the_headers_that_keep_the_token_in(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        page = client.get(path)
        answers = [
            page,
            client.head(path),
            client.options(path),
            client.put(path),
            client.post(path, data={}),
            client.post(path, content=b"a" * 10_000),
            client.post(path, data=form_of(page.text)),
            client.get("/d/unknown"),
            client.get("/ca.cer"),
            client.get("/health"),
            client.get("/nothing"),
            client.get(path + "/"),
        ]
    codes = [a.status_code for a in answers]
    assert codes == [200, 200, 204, 404, 403, 413, 200, 410, 200, 200, 404, 404]
    style = b64encode(
        sha256(re.findall(r"<style>(.*?)</style>", page.text, re.S)[0].encode()).digest()
    ).decode()
    for answer in answers:
        headers = answer.headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "noindex" in headers["X-Robots-Tag"]
        assert headers["Content-Security-Policy"] == (
            f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        assert "server" not in headers
        assert "set-cookie" not in headers


def test_URL3_nothing_on_the_page_comes_from_elsewhere_and_nothing_is_a_script(site: Site) -> None:
    token = site.issued.issue()
    with site.client() as client:
        for path in (f"/d/{token}", "/d/unknown"):
            page = client.get(path).text
            assert token not in page
            assert not re.search(r"<(script|img|link|iframe|object)|\son\w+=|https?://|url\(|@import", page)
            assert all(link in ("?lang=en", "../ca.cer") for link in re.findall(r'href="([^"]*)"', page))


def test_URL3_no_log_at_any_level_holds_the_token(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(1)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "asyncio", "bot"):
        caplog.set_level(1, logger=name)
    token = site.issued.issue()
    with site.client() as client:
        press(client, f"/d/{token}")
        client.get(f"/d/{token}x")
    out, err = capfd.readouterr()
    server_side = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert not [r for r in server_side if token in r.getMessage()]
    assert token not in out + err


def test_URL3_the_token_is_not_logged_when_the_store_breaks(
    site: Site, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    token = site.issued.issue()
    with site.issued.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE download_urls RENAME TO hidden")
    with site.client() as client:
        answer = client.get(f"/d/{token}")
    out, err = capfd.readouterr()
    assert answer.status_code == 503
    assert "登録担当者" in answer.text
    assert "no such table: download_urls" in out + err
    assert token not in out + err + caplog.text
    assert sha256(token.encode()).hexdigest() not in out + err + caplog.text


def test_URL3_the_server_listens_on_loopback_unless_told_otherwise() -> None:
    assert Web(public_url="https://ra.example.ac.jp").host == "127.0.0.1"


def addressed(site: Site, *addresses: str) -> list[int]:
    statuses = []
    for address in addresses:
        with site.client(**{"X-Forwarded-For": address}) as client:
            statuses.append(client.get("/d/unknown").status_code)
    return statuses


def test_URL3_a_forwarded_address_is_believed_only_from_a_named_proxy(tmp_path: Path) -> None:
    strangers = [f"192.0.2.{n}" for n in range(1, 32)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with serving(tmp_path / "a") as site:
        assert addressed(site, *strangers) == [410] * 30 + [429]
    settings = Web(public_url="https://ra.example.ac.jp", port=0, trusted_proxies=("127.0.0.1",))
    with serving(tmp_path / "b", settings) as site:
        assert addressed(site, *strangers) == [410] * 31
        # what a visitor puts there himself stands to the left of what our proxy adds
        assert addressed(site, *(f"198.51.100.{n}, 203.0.113.9" for n in range(31))) == [410] * 30 + [429]


def test_URL3_believing_every_proxy_is_refused(tmp_path: Path) -> None:
    settings = Web(public_url="https://ra.example.ac.jp", port=0, trusted_proxies=("*",))
    with pytest.raises(ValueError, match="trusted_proxies"), serving(tmp_path, settings):
        pass


def test_the_page_says_what_it_is_and_until_when(site: Site) -> None:
    path = f"/d/{site.issued.issue(expires_at=NOW.replace(month=12, hour=14, minute=59, second=59))}"
    fingerprint = sha256(leaf(site)).hexdigest().upper()
    parts = [
        "test1.example.ac.jp",
        "テスト機関",
        "CN=test1.example.ac.jp<br>O=testkikan<br>L=Chiyoda-ku<br>ST=Tokyo<br>C=JP",
    ]
    parts += ["1000000000000000000001", ":<wbr>".join(re.findall("..", fingerprint)), "A-20261122-0001"]
    with site.client() as client:
        page = client.get(path)
        assert page.headers["Content-Language"] == "ja"
        for part in [
            *parts,
            "2026年12月22日(火) 23:59",
            "2027年12月23日(木) 12:04",
            "10分間",
            '<html lang="ja">',
        ]:
            assert part in page.text
        page = client.get(path, headers={"Accept-Language": "en-US,en;q=0.9,ja;q=0.5"})
        assert page.headers["Content-Language"] == "en"
        for part in [*parts, "Tue 22 Dec 2026, 23:59 (UTC+9)", "10 minutes", '<html lang="en">']:
            assert part in page.text
        assert '<html lang="en">' in client.get(path, params={"lang": "en"}).text
        assert '<html lang="ja">' in client.get(path, params={"lang": "xx"}).text


def test_the_names_of_a_certificate_stand_on_the_page_where_there_are_several(site: Site) -> None:
    one, several = site.issued.issue(), site.issued.issue(also=("www.example.ac.jp",))
    with site.client() as client:
        assert "(SAN)" not in client.get(f"/d/{one}").text
        assert "test1.example.ac.jp<br>www.example.ac.jp" in client.get(f"/d/{several}").text


def test_without_repeats_the_page_does_not_promise_any(site: Site) -> None:
    site.issued.repeat_for(0)
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        for language, promise in (("ja", "分間"), ("en", "minutes")):
            assert promise not in client.get(path, params={"lang": language}).text


def test_names_in_a_certificate_are_text_and_not_markup(site: Site) -> None:
    path = f"/d/{site.issued.issue('<b>test1</b>.example.ac.jp')}"
    with site.client() as client:
        page = client.get(path).text
        assert "<b>test1" not in page
        assert "&lt;b&gt;test1" in page
        answer = press(client, path)
    assert answer.headers["content-disposition"] == 'attachment; filename="_b_test1__b_.example.ac.jp.pem"'


def test_a_pem_file_is_the_certificate_named_after_its_server(site: Site) -> None:
    with site.client() as client:
        answer = press(client, f"/d/{site.issued.issue()}", "pem")
    assert answer.headers["content-disposition"] == 'attachment; filename="test1.example.ac.jp.pem"'
    assert answer.headers["content-type"] == "application/x-pem-file"
    found = x509.load_pem_x509_certificates(answer.content)
    assert [c.public_bytes(Encoding.DER) for c in found] == [leaf(site)]


def test_a_pem_chain_begins_with_the_certificate_and_goes_up(site: Site) -> None:
    with site.client() as client:
        answer = press(client, f"/d/{site.issued.issue()}", "fullchain")
    assert answer.headers["content-disposition"] == 'attachment; filename="test1.example.ac.jp-fullchain.pem"'
    found = x509.load_pem_x509_certificates(answer.content)
    assert [c.public_bytes(Encoding.DER) for c in found] == [leaf(site), *an_authority().chain]
    for certificate, issuer in zip(found, found[1:], strict=False):
        certificate.verify_directly_issued_by(issuer)


def test_a_der_file_is_the_stored_certificate(site: Site) -> None:
    with site.client() as client:
        answer = press(client, f"/d/{site.issued.issue('*.example.ac.jp')}", "der")
    assert answer.headers["content-disposition"] == 'attachment; filename="_.example.ac.jp.cer"'
    assert answer.headers["content-type"] == "application/pkix-cert"
    assert answer.content == leaf(site)


def test_a_pkcs7_file_holds_the_certificate_and_its_chain(site: Site, need: Callable[[str], str]) -> None:
    with site.client() as client:
        answer = press(client, f"/d/{site.issued.issue()}", "pkcs7")
    assert answer.headers["content-disposition"] == 'attachment; filename="test1.example.ac.jp.p7b"'
    found = pkcs7.load_der_pkcs7_certificates(answer.content)
    assert {c.public_bytes(Encoding.DER) for c in found} == {leaf(site), *an_authority().chain}
    printed = subprocess.run(
        [need("openssl"), "pkcs7", "-inform", "DER", "-print_certs"],
        input=answer.content,
        capture_output=True,
        check=True,
    )
    assert printed.stdout.count(b"BEGIN CERTIFICATE") == 3
    assert b"CN = test1.example.ac.jp" in printed.stdout


def test_the_issuing_certificate_is_there_for_who_builds_a_chain(site: Site) -> None:
    with site.client() as client:
        answer = client.get("/ca.cer")
    assert answer.headers["content-type"] == "application/pkix-cert"
    assert answer.content == an_authority().chain[0]


def test_everything_works_under_the_path_of_the_public_url_too(tmp_path: Path) -> None:
    settings = Web(public_url="https://www.example.ac.jp/pki/ra", port=0)
    with serving(tmp_path, settings) as site, site.client() as client:
        path = f"/pki/ra/d/{site.issued.issue()}"
        page = client.get(path)
        links = re.findall(r'(?:href|action)="([^"]*)"', page.text)
        assert {page.url.join(link).path for link in links} == {path, "/pki/ra/ca.cer"}
        assert client.get("/pki/ra/ca.cer").status_code == client.get("/pki/ra/health").status_code == 200
        assert press(client, path).status_code == 200
        assert client.get("/pki/ca.cer").status_code == 404


def test_a_large_body_is_cut_off_and_uses_nothing_up(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client:
        form = form_of(client.get(path).text)
        assert client.post(path, data=form | {"x": "a" * MAX_BODY}).status_code == 413
        assert client.post(path, content=(b"a" * 1000 for _ in range(100))).status_code == 413
        assert is_untouched(site)
        assert client.post(path, data=form).status_code == 200


def test_a_visitor_who_leaves_in_the_middle_of_the_form_does_no_harm(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/d/{site.issued.issue()}"
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ncsrf=".encode())
    with site.client() as client:
        assert client.get("/health").text == "ok\n"
    assert is_untouched(site)
    assert not caplog.records


def test_health_is_503_when_the_store_does_not_answer(site: Site) -> None:
    with site.client() as client:
        assert (client.get("/health").status_code, client.get("/health").text) == (200, "ok\n")
        with site.issued.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE troubles RENAME TO hidden")
        assert client.get("/health").status_code == 503


def test_health_names_what_the_monitors_know_and_fails_for_what_the_desk_can_not_work_without(
    site: Site,
) -> None:
    def note(kind: TroubleKind, *, is_told: bool, stage: int = 0) -> None:
        with site.issued.writing() as ctx:
            row = troubles.begin(ctx.session, kind, "x", ctx.now, "secret detail")
            row.told_at, row.stage = (ctx.now if is_told else None), stage

    with site.client() as client:
        note(TroubleKind.IMAP, is_told=False)
        assert client.get("/health").text == "ok\n"
        note(TroubleKind.OWN_KEY, is_told=True, stage=1)
        assert (client.get("/health").status_code, client.get("/health").text) == (200, "ok\nown_key\n")
        note(TroubleKind.DISK, is_told=True)
        assert (client.get("/health").status_code, client.get("/health").text) == (503, "disk\nown_key\n")
        note(TroubleKind.OWN_KEY, is_told=True, stage=4)
        assert client.get("/health").text == "disk\nown_key\n"


def test_a_store_that_is_busy_writing_does_not_hold_up_those_who_only_look(site: Site) -> None:
    path = f"/d/{site.issued.issue()}"
    with site.client() as client, ThreadPoolExecutor(6) as others:
        form = form_of(client.get(path).text)
        with site.issued.writing():
            url = site.base + path
            pressed = [
                others.submit(httpx.post, url, data=form, timeout=60, trust_env=False) for _ in range(6)
            ]
            for _ in range(20):
                assert client.get(path).status_code == 200
            assert client.get("/health").status_code == 200
            assert not any(p.done() for p in pressed)
        assert [p.result().status_code for p in pressed] == [200] * 6


def test_a_taken_port_is_a_fault_that_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SECONDS_TO_LEAVE", 0.5)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with serving(tmp_path / "a") as site:
        settings = Web(public_url="https://ra.example.ac.jp", port=site.port)
        # a desk on another store
        with pytest.raises(WebFault) as fault, serving(tmp_path / "b", settings, secret=b"another"):
            pass
        assert fault.value.temporary


def test_who_finds_its_own_like_at_the_port_serves_when_that_is_gone(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    with ExitStack() as first:
        site = first.enter_context(serving(tmp_path / "a"))
        settings = Web(public_url="https://ra.example.ac.jp", port=site.port)
        with serving(tmp_path / "b", settings), httpx.Client(base_url=site.base, trust_env=False) as client:
            # and a third one, that is told to end while it stands by
            with serving(tmp_path / "c", settings):
                assert client.get("/health").status_code == 200
            first.close()
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=site.base, transport=transport, trust_env=False) as again:
                assert again.get("/health").text == "ok\n"


def test_a_stopped_server_leaves_its_port(tmp_path: Path) -> None:
    with serving(tmp_path) as site:
        port = site.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
