"""A day's work in one reply: two steps of roles, two signature systems, one batch a day, the CA's key in a token.

Through Dovecot and Postfix, and proven offline at the end.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bot.demo.mailbox import subject_of, text_of
from tests.evidence_world import verify
from tests.journeys.desk import Desk, open_desk
from tests.journeys.test_issue import URL
from tests.servers.postfix import MailServers
from tests.soft_token import PIN, find_module, make_token

pytest_plugins = ("tests.servers.fixtures",)
NAMES = ("test1.example.ac.jp", "test2.example.ac.jp", "test3.example.ac.jp")


@pytest.fixture
def desk(
    mail_servers: MailServers, need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    need("gpg")
    program = need("softhsm2-util")
    with open_desk(mail_servers, smime=True) as opened:
        monkeypatch.setenv("SOFTHSM2_CONF", str(make_token(opened.directory / "token", program)))
        _move_key_into_token(opened, program)
        _ask_two_steps(opened)
        yield opened


def _move_key_into_token(desk: Desk, program: str) -> None:
    """The file is gone afterwards: whoever signs does so by the token."""
    key_file, passphrase = desk.directory / "ca" / "ca.key", desk.directory / "ca" / "passphrase"
    key = load_pem_private_key(key_file.read_bytes(), passphrase.read_text().strip().encode())
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    put = ["--token", "ca", "--pin", PIN, "--import", key_file, "--label", "ca-key", "--id", "01"]
    subprocess.run([program, *put], check=True, capture_output=True)
    key_file.unlink()
    passphrase.write_text(PIN + "\n")
    uri = f"pkcs11:token=ca;object=ca-key?module-path={find_module()}"
    config = desk.config_file.read_text()
    desk.config_file.write_text(re.sub(r'(?m)^key = "ca/ca.key"$', f'pkcs11 = "{uri}"', config))


def _ask_two_steps(desk: Desk) -> None:
    file = desk.directory / "register" / "testkikan.toml"
    text = file.read_text()
    for officer, role in (("suzuki", "checker"), ("tanaka", "head")):
        text = text.replace(f'id = "{officer}"\n', f'id = "{officer}"\nroles = ["{role}"]\n')
    steps = 'steps = [{ role = "checker" }, { role = "head" }]'
    file.write_text(f'{text}\n[[policies]]\nname = "two-steps"\n{steps}\n')


def _at_ten(days: int) -> str:
    """Python that makes it ten o'clock in Japan on the `days`-th working day from tomorrow on."""
    now = datetime.now(UTC)
    day = (now + timedelta(hours=9)).date()
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    then = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
    later = "import bot.wiring as w, datetime as d\nnow = w.utc_now\n"
    return later + f"w.utc_now = lambda: now() + d.timedelta(seconds={int((then - now).total_seconds())})"


def _is_batch(raw: bytes) -> bool:
    return "決定待ちの申請" in subject_of(raw)


def test_the_days_applications_are_decided_by_one_reply_of_each_officer(
    desk: Desk, tmp_path: Path, need: Callable[[str], str]
) -> None:
    for name in NAMES:
        desk.apply(name)
    _round_until(desk, "", lambda: len(desk.states()) == len(NAMES))
    tomorrow, day_after = _at_ten(1), _at_ten(2)

    _once(desk, tomorrow)
    batch = desk.officer.mailbox.wait_for(_is_batch)
    assert all(name in text_of(batch) for name in NAMES)
    assert not any(map(_is_batch, desk.officer2.mailbox.all())), "it is not the head's turn"
    desk.officer.reply_signed(batch, "承認", style="apple")
    _round_until(desk, tomorrow, lambda: not desk.bot.all())
    assert set(map(tuple, desk.states().values())) == {("waiting",)}
    assert len([r for r in desk.officer2.mailbox.all() if "承認のお願い" in subject_of(r)]) == len(NAMES)

    _once(desk, day_after)
    batch = desk.officer2.mailbox.wait_for(_is_batch)
    reply = desk.officer2.reply_signed(batch, "承認 1-3 除く 2", style="outlook")
    _round_until(desk, day_after, lambda: not desk.bot.all())
    assert sorted(map(tuple, desk.states().values())) == [("issued",), ("issued",), ("waiting",)]

    openssl, root = need("openssl"), desk.directory / "ca" / "ca.pem"
    for _ in range(2):
        mail = desk.applicant.mailbox.wait_for("[UPKI] サーバ証明書発行受付通知")
        assert URL.findall(text_of(mail))
    for serial in desk.serials():
        folder = tmp_path / serial
        assert desk.ringi("evidence", serial, str(folder)).returncode == 0
        proven = verify(folder)
        assert proven.returncode == 0, proven.stdout
        assert "PROVEN" in proven.stdout
        leaf = x509.load_der_x509_certificate((folder / "certificate.der").read_bytes())
        (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
        command = [openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root]
        subprocess.run([*command, "-no_check_time", tmp_path / "leaf.pem"], check=True, capture_output=True)
    (tmp_path / "reply.eml").write_bytes(reply)
    assert desk.ringi("journal", "verify", "--against", str(tmp_path / "reply.eml")).returncode == 0


def _once(desk: Desk, clock: str) -> None:
    done = desk.ringi("once", code=clock)
    assert done.returncode == 0, done.stderr


def _round_until(desk: Desk, clock: str, is_done: Callable[[], bool]) -> None:
    """Mails take a moment from Postfix to Dovecot."""
    for _ in range(10):
        _once(desk, clock)
        if is_done():
            return
    raise AssertionError("it does not come to pass")
