"""Manual 1-2 and 1-3 through Dovecot and Postfix: renewal, replacement, revocation, and what openssl says of it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.demo.mailbox import attachments_of, subject_of, text_of
from bot.demo.replies import plain_reply, signed_mail
from tests.applications import tsv
from tests.journeys.desk import BOT, DN, Desk
from tests.servers.people import APPLICANT

pytest_plugins = ("tests.servers.fixtures",)
URL = re.compile(r"http://127\.0\.0\.1:\d+/d/[\w-]+")
FQDN = "test1.example.ac.jp"


def fetched(desk: Desk) -> x509.Certificate:
    """Approve the newest request and fetch the certificate."""
    desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
    url = URL.findall(text_of(desk.applicant.mailbox.wait_for("発行受付通知")))[0]
    return x509.load_pem_x509_certificate(desk.applicant.fetch(url))


def first_and_renewed(desk: Desk) -> tuple[x509.Certificate, x509.Certificate]:
    desk.apply(FQDN)
    old = fetched(desk)
    desk.officer.mailbox.wait_for("サーバ証明書取得通知")
    renew(desk, old)
    return old, fetched(desk)


def renew(desk: Desk, old: x509.Certificate) -> None:
    dn = DN.format(fqdn=FQDN)
    _, csr = desk.applicant.make_request(FQDN, dn)
    columns = desk.applicant.tsv(FQDN, dn, csr).decode("cp932").rstrip("\r\n").split("\t")
    columns[3] = str(old.serial_number)
    desk.applicant.apply(tsv("\t".join(columns)), BOT, subject="サーバ証明書 更新申請")


def crl_check(desk: Desk, openssl: str, certificate: x509.Certificate, place: Path) -> str:
    """What openssl says of the certificate with the CRL that the page serves."""
    with urlopen(f"{desk.config.web.public_url}/ca.crl", timeout=10) as answer:
        (place / "ca.crl").write_bytes(answer.read())
    crl = ["crl", "-inform", "DER", "-in", place / "ca.crl", "-out", place / "crl.pem"]
    subprocess.run([openssl, *crl], check=True, capture_output=True)
    (place / "leaf.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    ca = desk.directory / "ca" / "ca.pem"
    verify = ["verify", "-crl_check", "-CAfile", ca, "-CRLfile", place / "crl.pem", place / "leaf.pem"]
    done = subprocess.run([openssl, *verify], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_renewal_until_the_old_one_is_revoked(
    desk: Desk, tmp_path: Path, need: Callable[[str], str]
) -> None:
    """1-2-2 to 1-2-8 by the sheet: the applicant reports the replacement, the officer answers 失効承認."""
    openssl = need("openssl")
    with desk.running():
        old, new = first_and_renewed(desk)
        notice = desk.officer.mailbox.wait_for("[UPKI] Webサーバ用証明書更新通知")
        assert str(new.serial_number) in text_of(notice)
        assert f"{old.serial_number}-{FQDN}.tsv" in attachments_of(notice)
        assert "OK" in crl_check(desk, openssl, old, tmp_path)

        ask = desk.applicant.mailbox.wait_for(lambda raw: "置き換え完了" in text_of(raw))
        reply = plain_reply(ask, APPLICANT, "置き換え完了", quote=True, style="mutt")
        desk.applicant.mailbox.send(reply, BOT)
        sheet = desk.officer.mailbox.wait_for(lambda raw: "失効承認" in text_of(raw))
        desk.officer.reply_signed(sheet, "失効承認")
        for person in (desk.officer.mailbox, desk.officer2.mailbox, desk.applicant.mailbox):
            mail = text_of(person.wait_for("サーバ証明書失効完了通知"))
            assert str(old.serial_number) in mail
            assert "【失効理由】\n　その他" in mail
        assert "certificate revoked" in crl_check(desk, openssl, old, tmp_path)
        assert "OK" in crl_check(desk, openssl, new, tmp_path)
    assert desk.ringi("journal", "verify").returncode == 0
    assert not desk.monitor.all()


def test_the_attached_tsv_comes_back_signed(desk: Desk, tmp_path: Path, need: Callable[[str], str]) -> None:
    """1-2-7 by the file: the officer sends the attachment back, byte for byte, in a signed mail."""
    openssl = need("openssl")
    with desk.running():
        old, _ = first_and_renewed(desk)
        notice = desk.officer.mailbox.wait_for("[UPKI] Webサーバ用証明書更新通知")
        name = f"{old.serial_number}-{FQDN}.tsv"
        officer = desk.officer
        mail = signed_mail(
            officer.mailbox.user,
            BOT,
            "旧証明書の失効",
            "置き換えを確認しました。\n",
            {name: attachments_of(notice)[name]},
            seal=officer.seal,
        )
        officer.mailbox.send(mail, BOT)
        desk.applicant.mailbox.wait_for("サーバ証明書失効完了通知")
        assert "certificate revoked" in crl_check(desk, openssl, old, tmp_path)


@pytest.mark.parametrize("reason", ["1", "5"])
def test_a_revocation_by_tsv(desk: Desk, tmp_path: Path, need: Callable[[str], str], reason: str) -> None:
    """1-3: mailed by the applicant, approved with its own word."""
    openssl = need("openssl")
    with desk.running():
        desk.apply(FQDN)
        old = fetched(desk)
        row = [DN.format(fqdn=FQDN), "", "", str(old.serial_number), reason, "", "", "", "", APPLICANT]
        desk.applicant.apply(tsv("\t".join(row)), BOT, subject="サーバ証明書 失効申請")
        request = desk.officer.mailbox.wait_for("承認のお願い")
        assert subject_of(request).startswith("【至急】") == (reason == "1")
        desk.officer.reply_signed(request, "承認")
        refusal = desk.officer.mailbox.wait_for(
            lambda raw: "wrong_verb" in str(attachments_of(raw).get("ringi.json"))
        )
        desk.officer.reply_signed(refusal, "失効承認")
        desk.applicant.mailbox.wait_for("サーバ証明書失効完了通知")
        assert "certificate revoked" in crl_check(desk, openssl, old, tmp_path)
        assert len(desk.monitor.all()) == (reason == "1")
