"""A desk that really works, made by `ringi init` on Dovecot and Postfix, its service running; and copies to be spoiled.

It has an officer of OpenPGP and one of S/MIME, and a store and a ledger from a first round.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import text

from bot.bench.servers.dovecot import Dovecot
from bot.bench.servers.running import free_ports
from bot.config import load_config
from bot.demo.keys import export_key, make_key, stop_agent
from bot.setup.answers import (
    Answers,
    NewCa,
    OfficerAnswers,
    ServerAnswers,
    SmimeAnswers,
)
from bot.setup.prepare import prepare
from store.transaction import open_store, writing
from tests.institution import an_institution
from tests.servers.people import BOT
from tests.servers.postfix import Postfix
from tests.smime_people import Pki, make_pki

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PASSPHRASE = "a passphrase for the CA"
_ROOT = Path(__file__).parents[1]
_RINGI = [sys.executable, "-m", "bot.cli"]


@dataclasses.dataclass(frozen=True)
class World:
    """What all copies share: the running desk, its servers, and keys that are no good."""

    running: Path
    copy: Path
    dovecot: Dovecot
    pki: Pki
    bad_keys: Path


@dataclasses.dataclass(frozen=True)
class Site:
    """One copy, to be spoiled."""

    path: Path
    world: World

    def edit(self, old: str, new: str, file: str = "config.toml") -> None:
        before = (self.path / file).read_text(encoding="utf-8")
        assert old in before, old
        (self.path / file).write_text(before.replace(old, new, 1), encoding="utf-8")

    def set(self, section: str, key: str, value: str) -> None:
        """Give a key of [section] another value (TOML), or a first one."""
        lines = (self.path / "config.toml").read_text(encoding="utf-8").splitlines()
        begin = lines.index(f"[{section}]") + 1
        end = next((n for n in range(begin, len(lines)) if lines[n].startswith("[")), len(lines))
        kept = [line for line in lines[begin:end] if not line.startswith(f"{key} = ")]
        changed = [*lines[:begin], f"{key} = {value}", *kept, *lines[end:]]
        (self.path / "config.toml").write_text("\n".join(changed) + "\n", encoding="utf-8")

    def overwrite(self, file: str, other: str) -> None:
        shutil.copy(self.path / other, self.path / file)

    def pin(self, key_file: Path) -> None:
        """Make this file's OpenPGP key the one that the register names for hanako."""
        shown = run("gpg", "--with-colons", "--show-keys", str(key_file))
        fingerprint = next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr"))
        register = self.path / "register/testkikan.toml"
        old = next(line for line in register.read_text().splitlines() if line.startswith("fingerprint"))
        self.edit(old, f'fingerprint = "{fingerprint}"', "register/testkikan.toml")
        shutil.copy(key_file, self.path / "register/keys/testkikan-hanako.asc")

    def sql(self, statement: str) -> None:
        engine = open_store(f"sqlite:///{self.path}/state/ringi.db")
        with writing(engine) as session:
            session.execute(text(statement))
        engine.dispose()


def run(*command: str, given: str | None = None) -> str:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


@contextmanager
def working_world(dovecot: Dovecot, postfix: Postfix) -> Iterator[World]:
    """Needs gpg. It costs some seconds: once for a module."""
    with tempfile.TemporaryDirectory(prefix="ringi-") as name:
        folder = Path(name)
        pki = make_pki(folder / "pki")
        pki.publish_crls(next_update=NOW + 60 * DAY)
        bad_keys = _make_bad_keys(folder)
        (folder / "passphrase").write_text(PASSPHRASE)
        desk = prepare(
            folder / "d",
            _answers(folder, pki, dovecot, postfix),
            now=NOW - DAY,
            random=os.urandom,
        ).config
        holidays = f"holidays = [{(NOW + 9 * HOUR).year}-01-01]\n"
        desk.write_text(holidays + desk.read_text(encoding="utf-8"), encoding="utf-8")
        subprocess.run([*_RINGI, "once", "-c", str(desk)], cwd=_ROOT, check=True, capture_output=True)
        shutil.copytree(folder / "d", folder / "copy", ignore=shutil.ignore_patterns("S.*", "*.sock"))
        with _serving(desk):
            yield World(folder / "d", folder / "copy", dovecot, pki, bad_keys)
        for home in (folder / "gpg", folder / "d/state/gnupg"):
            stop_agent(home)


def _make_bad_keys(folder: Path) -> Path:
    """OpenPGP keys: of hanako, who is well, one that ended, one that was revoked."""
    home = folder / "gpg"
    (folder / "hanako.asc").write_bytes(export_key(home, make_key(home, "Hanako <officer@example.ac.jp>")))
    make = ("--batch", "--passphrase", "", "--quick-generate-key")
    gpg = ("gpg", "--homedir", str(home))
    old = "20200101T000000"
    run(*gpg, "--faked-system-time", old, *make, "Old <old@example.ac.jp>", "ed25519", "sign", "1y")
    (folder / "expired.asc").write_bytes(export_key(home, "old@example.ac.jp"))
    revoked = make_key(home, "Gone <gone@example.ac.jp>")
    certificate = (
        (home / "openpgp-revocs.d" / f"{revoked}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    )
    run(*gpg, "--batch", "--import", given=certificate)
    (folder / "revoked.asc").write_bytes(export_key(home, revoked))
    return folder


def _answers(folder: Path, pki: Pki, dovecot: Dovecot, postfix: Postfix) -> Answers:
    ichiro, bot = pki.issue("ichiro", "ichiro@example.ac.jp"), pki.issue("bot", BOT)
    (folder / "ichiro.pem").write_bytes(
        b"".join(one.public_bytes(Encoding.PEM) for one in (ichiro.certificate, *ichiro.chain))
    )
    own = (folder / "bot.pem", folder / "bot.key", folder / "bot-chain.pem")
    contents = (
        bot.certificate.public_bytes(Encoding.PEM),
        bot.key_pem(),
        bot.chain[0].public_bytes(Encoding.PEM),
    )
    for path, content in zip(own, contents, strict=True):
        path.write_bytes(content)
    imap, smtp = dovecot.imap(BOT), postfix.smtp(BOT)
    (folder / "d").mkdir()
    shutil.copy(dovecot.password_file(BOT), folder / "d/mail.password")
    secret = Path("mail.password")
    [port] = free_ports(1)
    return Answers(
        instance="testkikan-1",
        address=BOT,
        imap=ServerAnswers("127.0.0.1", imap.port, "tls", BOT, secret, ca_file=imap.ca_file),
        smtp=ServerAnswers("127.0.0.1", smtp.port, "tls", BOT, secret, ca_file=smtp.ca_file),
        public_url=f"http://127.0.0.1:{port}",
        institution=an_institution((NOW + 300 * DAY).date()),
        officers=(
            OfficerAnswers("hanako", "花子", "officer@example.ac.jp", folder / "hanako.asc"),
            OfficerAnswers("ichiro", "一郎", "ichiro@example.ac.jp", folder / "ichiro.pem"),
        ),
        ca=NewCa("testkikan CA", "p256", passphrase=PASSPHRASE),
        smime=SmimeAnswers(pki.ca_file, tuple(str(p) for p in sorted(pki.crl_dir.glob("*.crl"))), *own),
        web_port=port,
        monitors=("monitor@example.ac.jp",),
    )


@contextmanager
def _serving(config: Path) -> Iterator[None]:
    """The real service, until its page answers and to the end."""
    url = load_config(config).web.public_url
    log = (config.parent / "log").open("wb")
    with (
        log,
        subprocess.Popen([*_RINGI, "run", "-c", str(config)], cwd=_ROOT, stderr=log, stdout=log) as service,
    ):
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=5).close()
                    break
                except OSError:
                    assert service.poll() is None, (config.parent / "log").read_text()
                    time.sleep(0.1)
            yield
        finally:
            service.terminate()
