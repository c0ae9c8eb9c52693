"""Manual 1-1 through Dovecot and Postfix, and the bad input that people send on the way."""

import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.demo.mailbox import attachments_of, subject_of, text_of
from bot.demo.replies import STYLES
from tests.journeys.desk import BOT, Desk

pytest_plugins = ("tests.servers.fixtures",)
URL = re.compile(r"http://127\.0\.0\.1:\d+/d/[\w-]+")


def test_a_certificate_by_mail(desk: Desk, tmp_path: Path, need: Callable[[str], str]) -> None:
    openssl = need("openssl")
    with desk.running():
        desk.apply("test1.example.ac.jp", dn="CN={fqdn},O=other,L=Chiyoda-ku,ST=Tokyo,C=JP")
        refusal = text_of(desk.applicant.mailbox.wait_for("受け付けられませんでした"))
        assert "241:1.主体者DN,主体者DNの機関名が申請者の所属機関名ではありません。" in refusal
        assert "対処方法" in refusal

        desk.apply("test1.example.ac.jp")
        desk.applicant.mailbox.wait_for("受け付けました")
        request = desk.officer.mailbox.wait_for("承認のお願い")
        sheet = next(data for name, data in attachments_of(request).items() if name.endswith(".sheet"))
        code = hashlib.sha256(sheet).hexdigest()[:32]
        assert "-".join(code[i : i + 8] for i in range(0, 32, 8)) in text_of(request)

        desk.officer.reply_signed(request, "承認")
        assert "ファイルのアップロード処理が完了しました。" in text_of(
            desk.officer.mailbox.wait_for(is_answer)
        )
        desk.officer2.mailbox.wait_for("承認")
        mail = text_of(desk.applicant.mailbox.wait_for("[UPKI] サーバ証明書発行受付通知"))
        url = URL.findall(mail)[0]
        chain = x509.load_pem_x509_certificates(desk.applicant.fetch(url, "fullchain"))
        for officer in (desk.officer, desk.officer2):
            notice = text_of(officer.mailbox.wait_for("サーバ証明書取得通知"))
            assert str(chain[0].serial_number) in notice
            assert "CN=test1.example.ac.jp" in notice
    (tmp_path / "leaf.pem").write_bytes(chain[0].public_bytes(Encoding.PEM))
    ca = desk.directory / "ca" / "ca.pem"
    command = [
        openssl,
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        ca,
        tmp_path / "leaf.pem",
    ]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("OK\n")
    assert desk.ringi("journal", "verify").returncode == 0
    assert not desk.monitor.all()


def test_the_officers_may_write_as_their_mail_programs_do(desk: Desk) -> None:
    with desk.running():
        for number, style in enumerate(STYLES):
            desk.apply(f"{style}.example.ac.jp")
            request = desk.officer.mailbox.wait_for(lambda raw: f"{style}.example.ac.jp" in subject_of(raw))  # noqa: B023
            text = ("承認", "○○様\n\n承認します。\n\n鈴木", "APPROVE", "承認いたします。", "承認")[number % 5]
            desk.officer.reply_signed(request, text, style=style)
            desk.applicant.mailbox.wait_for("発行受付通知")
    assert set(map(tuple, desk.states().values())) == {("issued",)}


def test_what_is_no_approval_issues_nothing_and_is_answered(desk: Desk) -> None:
    """One application, every wrong answer to it, each with its own reason; then the right one."""
    with desk.running():
        desk.apply("test1.example.ac.jp")
        request = desk.officer.mailbox.wait_for("承認のお願い")
        desk.apply("test2.example.ac.jp")
        other = desk.officer.mailbox.wait_for("承認のお願い")
        attempts = {
            "unsigned": lambda: desk.officer.reply_unsigned(request, "承認"),
            "unknown_key": lambda: desk.stranger.reply_signed(request, "承認"),
            "two_decisions": lambda: desk.officer.reply_signed(request, "承認\n却下: だめ"),
            "no_code": lambda: desk.officer.reply_signed(request, "承認", quote=False),
            "no_decision": lambda: desk.officer.reply_signed(request, "よろしくお願いします"),
            "encrypted": lambda: desk.officer.resend(_encrypted(desk)),
            "two_codes": lambda: desk.officer.reply_signed(request, f"承認\n{_code(other)}"),
        }
        for reason, attempt in attempts.items():
            attempt()
            answer = desk.officer.mailbox.wait_for(is_answer)
            assert f'"{reason}"' in _facts(answer), reason
            assert set(map(tuple, desk.states().values())) == {("waiting",)}, reason
        approval = desk.officer.reply_signed(request, "承認")
        assert '"approved"' in _facts(desk.officer.mailbox.wait_for(is_answer))
        desk.officer.resend(approval.replace(b"Message-ID: <", b"Message-ID: <again-", 1))
        assert '"repeated"' in _facts(desk.officer.mailbox.wait_for(is_answer))
        desk.officer.reply_signed(request, "却下: やはり不要です")
        assert '"already_decided"' in _facts(desk.officer.mailbox.wait_for(is_answer))
    assert sorted(map(tuple, desk.states().values())) == [("issued",), ("waiting",)]
    assert len(desk.serials()) == 1


def test_declined_held_and_resumed(desk: Desk) -> None:
    with desk.running():
        desk.apply("test1.example.ac.jp")
        request = desk.officer.mailbox.wait_for("承認のお願い")
        desk.officer.reply_signed(request, "保留: 電話で確認中")
        assert "電話で確認中" in text_of(desk.applicant.mailbox.wait_for("保留"))
        desk.officer2.reply_signed(desk.officer2.mailbox.wait_for("承認のお願い"), "再開")
        desk.applicant.mailbox.wait_for("再開")
        desk.officer.reply_signed(request, "却下: 所属が確認できませんでした")
        assert "所属が確認できませんでした" in text_of(desk.applicant.mailbox.wait_for("却下"))
    assert set(map(tuple, desk.states().values())) == {("declined",)}


def test_a_used_url_is_gone_and_a_scanner_consumes_nothing(desk: Desk) -> None:
    config = desk.config_file.read_text()
    desk.config_file.write_text(config.replace("[web]\n", "[web]\nrepeat_minutes = 0\n"))
    with desk.running():
        desk.apply("test1.example.ac.jp")
        desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
        url = URL.findall(text_of(desk.applicant.mailbox.wait_for("発行受付通知")))[0]
        for method in ("GET", "HEAD", "OPTIONS"):
            assert desk.applicant.visit(url, method, {"Range": "bytes=0-10"}).status < 400
        assert set(map(tuple, desk.states().values())) == {("issued",)}
        desk.applicant.fetch(url)
        desk.officer.mailbox.wait_for("サーバ証明書取得通知")
        with pytest.raises(HTTPError, match="410"):
            desk.applicant.fetch(url)
    assert set(map(tuple, desk.states().values())) == {("downloaded",)}


def _code(request: bytes) -> str:
    found = re.search(r"\b[0-9a-f]{8}(-[0-9a-f]{8}){3}\b", text_of(request))
    assert found
    return found.group()


def _facts(mail: bytes) -> str:
    return attachments_of(mail).get("ringi.json", b"").decode()


def is_answer(mail: bytes) -> bool:
    """The bot's answer to something the officer sent."""
    return '"officer.answer"' in _facts(mail)


def _encrypted(desk: Desk) -> bytes:
    return (
        f"From: {desk.officer.mailbox.user}\r\nTo: {BOT}\r\nSubject: Re: secret\r\n"
        "Message-ID: <encrypted@example.ac.jp>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
        "--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQE=\r\n"
        "-----END PGP MESSAGE-----\r\n--b--\r\n"
    ).encode()
