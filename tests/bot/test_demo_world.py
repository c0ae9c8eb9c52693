"""The embedded mail world and its people, judged by stdlib clients, imapclient, gpg and openssl."""

import imaplib
import re
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from imapclient import IMAPClient

from bot.demo import replies
from bot.demo.keys import export_key, make_key, stop_agent
from bot.demo.mailbox import Mailbox, attachments_of, parse, subject_of, text_of
from bot.demo.people import Applicant, Officer
from bot.demo.seals import OpenPGPSeal
from bot.demo.world import HOST, World, WorldFault

TARO, HANAKO = "taro@example.ac.jp", "hanako@example.ac.jp"
DN = "CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
REQUEST = (
    """Return-Path: <ringi@example.ac.jp>
From: =?utf-8?b?6KiI5Yqb?= <ringi@example.ac.jp>
To: hanako@example.ac.jp
Subject: =?utf-8?b?5om/6KqN5L6d6aC8?= A-20261122-0001
Message-ID: <one@example.ac.jp>
References: <zero@example.ac.jp>
Date: Sun, 22 Nov 2026 12:00:00 +0900
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

──── Ringi A-20261122-0001 ────
 indented
From here
--~
code
""".replace("~", " ")
    .replace("\n", "\r\n")
    .encode()
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World({TARO: "secret-t", HANAKO: "secret-h"}) as running:
        yield running


@pytest.fixture
def taro(world: World) -> Mailbox:
    return account(world, TARO, "secret-t")


@pytest.fixture
def hanako(world: World) -> Mailbox:
    return account(world, HANAKO, "secret-h")


@pytest.fixture
def imap(world: World) -> Iterator[IMAPClient]:
    context = ssl.create_default_context(cafile=world.ca_file)
    with IMAPClient(HOST, world.imap_port, ssl=False, timeout=10) as client:
        client.starttls(context)
        client.login(HANAKO, "secret-h")
        yield client


@pytest.fixture(scope="module")
def gpg_home(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need("gpg")
    home = tmp_path_factory.mktemp("g")
    yield home
    stop_agent(home)


@pytest.fixture(scope="module")
def fingerprint(gpg_home: Path) -> str:
    return make_key(gpg_home, "Officer Hanako <hanako@example.ac.jp>")


def account(world: World, user: str, password: str) -> Mailbox:
    return Mailbox(HOST, world.imap_port, HOST, world.smtp_port, user, password, world.ca_file)


def mail(subject: str, body: bytes = b"text\r\n") -> bytes:
    return f"From: {TARO}\r\nTo: {HANAKO}\r\nSubject: {subject}\r\n\r\n".encode() + body


def test_the_same_mail_sent_again_within_a_second_is_another_delivery() -> None:
    """As with every server; the rehearsal's replay of an approval counts on it."""
    moment = datetime(2026, 12, 1, 9, tzinfo=UTC)
    with World({TARO: "secret-t", HANAKO: "secret-h"}, now=lambda: moment) as still:
        for _ in range(2):
            account(still, TARO, "secret-t").send(mail("again"), HANAKO)
        first, second = account(still, HANAKO, "secret-h").all()
    assert first != second
    assert first.endswith(mail("again"))
    assert second.endswith(mail("again"))


def test_a_mail_arrives_with_its_bytes_unchanged(taro: Mailbox, hanako: Mailbox) -> None:
    hard = (
        b".\r\n..dots\r\n trailing  \r\n\ttab\r\nFrom \r\n" + "日本語 ①㈱髙\r\n".encode("cp932") + b"x" * 990
    )
    raw = mail("exact", hard + b"\r\n\r\n\r\n")
    taro.send(raw, HANAKO)
    assert hanako.wait_for("exact").endswith(raw)


def test_a_mail_is_returned_once_and_the_oldest_comes_first(taro: Mailbox, hanako: Mailbox) -> None:
    for name in ("order one", "order two"):
        taro.send(mail(name), HANAKO)
    assert subject_of(hanako.wait_for("order")) == "order one"
    assert subject_of(hanako.wait_for(lambda raw: b"order" in raw)) == "order two"
    with pytest.raises(TimeoutError, match="order"):
        hanako.wait_for("order", timeout=0.3)
    assert [subject_of(raw) for raw in hanako.all()].count("order one") == 1


def test_both_servers_speak_tls_and_ask_for_the_right_password(world: World) -> None:
    with imaplib.IMAP4(HOST, world.imap_port, timeout=10) as plain:
        assert "STARTTLS" in plain.capabilities
    with smtplib.SMTP(HOST, world.smtp_port, timeout=10) as open_server:
        open_server.ehlo()
        assert not open_server.has_extn("auth")
        assert open_server.mail(TARO)[0] >= 500
    wrong = account(world, TARO, "wrong")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        wrong.send(mail("wrong"), HANAKO)
    with pytest.raises(imaplib.IMAP4.error):
        wrong.all()


def test_a_client_that_does_not_trust_the_ca_is_kept_out(world: World) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        Mailbox(HOST, world.imap_port, HOST, world.smtp_port, TARO, "secret-t").all()


def test_an_unknown_recipient_is_refused(taro: Mailbox) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        taro.send(mail("nobody"), "nobody@example.ac.jp")


@pytest.mark.parametrize("moment", ["before", "during"])
def test_a_mail_is_told_in_idle_whether_it_comes_just_before_or_during_it(
    moment: str, world: World, taro: Mailbox
) -> None:
    with imaplib.IMAP4(HOST, world.imap_port, timeout=10) as imap:
        imap.starttls(ssl.create_default_context(cafile=world.ca_file))
        imap.login(HANAKO, "secret-h")
        imap.select("INBOX")
        if moment == "before":
            taro.send(mail("just before"), HANAKO)
        imap.send(b"X IDLE\r\n")
        assert imap.readline().startswith(b"+")
        if moment == "during":
            taro.send(mail("meanwhile"), HANAKO)
        while b"EXISTS" not in imap.readline():
            pass
        imap.send(b"DONE\r\n")
        while not imap.readline().startswith(b"X OK"):
            pass


def test_a_mail_moves_to_a_folder_with_a_japanese_name(taro: Mailbox, imap: IMAPClient) -> None:
    taro.send(mail("to be moved"), HANAKO)
    imap.create_folder("処理済")
    imap.select_folder("INBOX")
    (uid,) = imap.search(["SUBJECT", "to be moved"])
    imap.move([uid], "処理済")
    assert not imap.search(["SUBJECT", "to be moved"])
    imap.select_folder("処理済", readonly=True)
    (moved,) = imap.search("ALL")
    assert imap.fetch([moved], ["BODY.PEEK[]"])[moved][b"BODY[]"].endswith(mail("to be moved"))


def test_every_mail_is_shown_to_the_witness_as_it_lies_in_the_inbox() -> None:
    seen: list[tuple[str, str, bytes]] = []
    with World({TARO: "t", HANAKO: "h"}, witness=lambda *what: seen.append(what)) as world:
        account(world, TARO, "t").send(mail("witnessed"), HANAKO)
        assert seen == [(TARO, HANAKO, account(world, HANAKO, "h").wait_for("witnessed"))]


def test_a_world_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WorldFault, match=r"pip install 'ringi\[demo\]'"):
        World({}).start()


def test_a_stopped_world_leaves_no_port_and_no_file() -> None:
    with World({TARO: "t"}) as world:
        ca_file, mailbox = world.ca_file, account(world, TARO, "t")
    assert not ca_file.exists()
    mailbox.ca_file = None
    with pytest.raises(ConnectionRefusedError):
        mailbox.all()


def test_the_applicants_tsv_has_thirteen_columns_and_a_csr_in_one_line(taro: Mailbox) -> None:
    applicant = Applicant(taro)
    key, csr = applicant.make_request("test1.example.ac.jp", DN)
    line, end = applicant.tsv("test1.example.ac.jp", DN, csr).decode("cp932").split("\r\n")
    columns = line.split("\t")
    assert len(columns) == 13
    assert end == ""
    assert columns[0] == DN
    assert columns[10] == "test1.example.ac.jp"
    lines = re.fullmatch(r"(-----BEGIN [A-Z ]+-----)(.+)(-----END [A-Z ]+-----)", columns[6])
    assert lines
    loaded = x509.load_pem_x509_csr("\n".join(lines.groups()).encode())
    assert loaded.is_signature_valid
    assert loaded.public_key() == key.public_key()
    assert loaded.subject.rfc4514_string() == DN


def test_an_application_is_an_ordinary_mail_with_the_tsv_attached(taro: Mailbox, hanako: Mailbox) -> None:
    tsv = "列\t①\r\n".encode("cp932")
    Applicant(taro).apply(tsv, HANAKO, file_name="申請.tsv")
    received = hanako.wait_for("サーバ証明書 発行申請")
    assert attachments_of(received) == {"申請.tsv": tsv}
    assert text_of(received) == "サーバ証明書の発行をお願いします。\n"


@pytest.mark.parametrize("style", replies.STYLES)
def test_a_signed_reply_verifies_with_gpg(
    style: str, hanako: Mailbox, taro: Mailbox, gpg_home: Path, fingerprint: str, tmp_path: Path
) -> None:
    request = REQUEST.replace(b"ringi@example.ac.jp>\r\nTo", b"taro@example.ac.jp>\r\nTo")
    sent = Officer(hanako, OpenPGPSeal(gpg_home, fingerprint)).reply_signed(
        request, "承認します", style=style
    )
    raw = taro.wait_for(lambda raw: raw.endswith(sent))
    assert parse(raw).get_content_type() == "multipart/signed"
    verify_with_gpg(raw, gpg_home, fingerprint, tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        verify_with_gpg(raw.replace(b"charset=UTF-8", b"charset=utf-8"), gpg_home, fingerprint, tmp_path)
    text = text_of(raw)
    assert text.count("承認します\n") == 1
    if style == "outlook":
        assert "\n──── Ringi A-20261122-0001 ────\n" in text
    else:
        assert "\n> ──── Ringi A-20261122-0001 ────\n>  indented\n> From here\n> --\n> code\n" in text
    assert raw.count(b"In-Reply-To: <one@example.ac.jp>") == (2 if style == "thunderbird" else 1)
    assert parse(raw)["References"].split() == ["<zero@example.ac.jp>", "<one@example.ac.jp>"]
    assert subject_of(raw) == "Re: 承認依頼 A-20261122-0001"


def verify_with_gpg(raw: bytes, gpg_home: Path, fingerprint: str, folder: Path) -> None:
    """Cut the signed bytes out between the boundary lines by hand and let gpg judge."""
    found = re.search(rb'boundary="([^"]+)"', raw)
    assert found
    _, signed, signature, _ = raw.split(b"\r\n--" + found[1])
    (folder / "signed").write_bytes(signed.removeprefix(b"\r\n"))
    (folder / "signature").write_bytes(signature)
    command = ["gpg", "--homedir", str(gpg_home), "--status-fd", "1", "--verify"]
    done = subprocess.run(
        [*command, folder / "signature", folder / "signed"], capture_output=True, check=True, timeout=60
    )
    assert re.search(rf"VALIDSIG .* {fingerprint}\n", done.stdout.decode())


def test_an_unsigned_reply_and_a_reply_without_a_quote_hold_what_they_say(
    hanako: Mailbox, taro: Mailbox, tmp_path: Path
) -> None:
    request = REQUEST.replace(b"ringi@example.ac.jp>\r\nTo", b"taro@example.ac.jp>\r\nTo")
    sent = Officer(hanako, OpenPGPSeal(tmp_path, "")).reply_unsigned(request, "承認", quote=False)
    raw = taro.wait_for(lambda raw: raw.endswith(sent))
    assert parse(raw).get_content_type() == "text/plain"
    assert text_of(raw) == "承認\n"


def test_the_exported_key_has_what_thunderbird_asks_for(gpg_home: Path, fingerprint: str) -> None:
    assert b"BEGIN PGP PUBLIC KEY BLOCK" in export_key(gpg_home, fingerprint)
    secret = export_key(gpg_home, fingerprint, secret=True)
    command = ["gpg", "--homedir", str(gpg_home), "--with-colons", "--show-keys"]
    shown = subprocess.run(command, input=secret, capture_output=True, check=True, timeout=60).stdout.decode()
    assert re.search(r"^sec:(?:[^:]*:){10}[^:]*s", shown, re.MULTILINE)
    assert re.search(r"^ssb:(?:[^:]*:){10}[^:]*e", shown, re.MULTILINE)
