"""An officer with S/MIME and one with OpenPGP at one desk, through Dovecot and Postfix."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.demo.checks import cut_signed_mail
from bot.demo.mailbox import parse, text_of
from bot.doctor.check import check
from bot.wiring import utc_now
from tests.journeys.desk import BOT, Desk, open_desk
from tests.journeys.test_issue import URL, is_answer
from tests.servers.postfix import MailServers

pytest_plugins = ("tests.servers.fixtures",)


@pytest.fixture
def desk(mail_servers: MailServers, need: Callable[[str], str]) -> Iterator[Desk]:
    need("gpg")
    with open_desk(mail_servers, smime=True) as opened:
        yield opened


def test_a_certificate_by_an_officer_with_smime(
    desk: Desk, tmp_path: Path, need: Callable[[str], str]
) -> None:
    openssl, root = need("openssl"), desk.directory / "smime-roots.pem"

    def verify_smime(raw: bytes) -> None:
        """The mail as it came, by openssl alone."""
        (tmp_path / "mail.eml").write_bytes(raw)
        command = [openssl, "cms", "-verify", "-in", tmp_path / "mail.eml", "-CAfile", root, "-no-CApath"]
        command += ["-purpose", "smimesign", "-verify_email", BOT, "-out", tmp_path / "signed"]
        subprocess.run(command, check=True, capture_output=True)
        assert (tmp_path / "signed").read_bytes() == cut_signed_mail(raw)[0]

    assert [
        f for f in check(desk.config_file, now=utc_now(), only=("S/MIME", "officer keys")) if not f.ok
    ] == []
    with desk.running():
        desk.apply("test1.example.ac.jp")
        receipt = desk.applicant.mailbox.wait_for("受け付けました")
        request = desk.officer.mailbox.wait_for("承認のお願い")
        # each reader gets the own system; an applicant, who has told us none, S/MIME
        verify_smime(receipt)
        verify_smime(request)
        theirs = parse(desk.officer2.mailbox.wait_for("承認のお願い"))
        assert theirs["Content-Type"].params["protocol"] == "application/pgp-signature"

        desk.officer.reply_signed(request, "承認します", style="apple")
        answer = desk.officer.mailbox.wait_for(is_answer)
        assert "ファイルのアップロード処理が完了しました。" in text_of(answer)
        verify_smime(answer)
        mail = text_of(desk.applicant.mailbox.wait_for("[UPKI] サーバ証明書発行受付通知"))
        url = URL.findall(mail)[0]
        chain = x509.load_pem_x509_certificates(desk.applicant.fetch(url, "fullchain"))
        desk.officer.mailbox.wait_for("サーバ証明書取得通知")
    (tmp_path / "leaf.pem").write_bytes(chain[0].public_bytes(Encoding.PEM))
    command = [openssl, "verify", "-x509_strict", "-purpose", "sslserver"]
    command += ["-CAfile", desk.directory / "ca/ca.pem", tmp_path / "leaf.pem"]
    subprocess.run(command, check=True, capture_output=True)
    assert desk.ringi("journal", "verify").returncode == 0
    assert not desk.monitor.all()


def test_a_stale_revocation_list_keeps_the_mail_and_explain_says_so(desk: Desk, tmp_path: Path) -> None:
    desk.apply("test1.example.ac.jp")
    with desk.running():
        request = desk.officer.mailbox.wait_for("承認のお願い")
    approval = desk.officer.reply_signed(request, "承認")
    (tmp_path / "a.eml").write_bytes(approval)
    config = desk.config_file.read_text()
    desk.config_file.write_text(re.sub(r"(?m)^crl_sources = .*$", 'crl_dir = "no-lists"', config))
    (explained,) = desk.explain(tmp_path / "a.eml")
    assert explained["reason"] == "crl_stale"
    assert explained["signature"] == {"state": "waits", "scheme": "smime", "by": None, "reason": "crl_stale"}
    desk.once()
    assert set(map(tuple, desk.states().values())) == {("waiting",)}
    assert desk.bot.all(), "the mail is still there"
    desk.config_file.write_text(config)
    desk.once()
    assert set(map(tuple, desk.states().values())) == {("issued",)}
