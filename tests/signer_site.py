"""A configuration on disk by which the real `ringi signer` runs, and papers that it believes."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.ca.making import make_ca
from bot.config import Config, load_config
from bot.register import load_register
from bot.signer.child import SignerChild
from bot.signer.client import SignerClient
from tests.applications import tsv_line
from tests.hostile_desk import HostileDesk, People

RINGI = (sys.executable, "-m", "bot.cli")
_CONFIG = """
instance = "desk.example.ac.jp"
address = "ringi@example.ac.jp"
register_dir = "register"
[imap]
host = "127.0.0.1"
user = "ringi"
password_file = "secret"
[smtp]
host = "127.0.0.1"
[openpgp]
fingerprint = "{fingerprint}"
[ca]
key = "ca.key"
certificate = "ca.pem"
passphrase_file = "passphrase"
[signer]
timeout = 30
[web]
public_url = "https://ra.example.ac.jp"
"""
_INSTITUTION = """
name = "テスト機関"
organization = "testkikan"
state = "Tokyo"
locality = "Chiyoda-ku"
applicant_domains = ["example.ac.jp"]
[[domains]]
name = "example.ac.jp"
vetted_until = 2035-03-31
"""
_OFFICER = """
[[officers]]
id = "{name}"
name = "{name}"
addresses = ["{name}@example.ac.jp"]
notify = "{name}@example.ac.jp"
openpgp = [{{ fingerprint = "{pin}", file = "{name}.asc" }}]
"""


@dataclass
class SignerSite:
    """`desk` forges papers; `ask` reaches the real signer, a child of this process."""

    folder: Path
    desk: HostileDesk

    @property
    def file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def config(self) -> Config:
        return load_config(self.file)

    def papers(self, *lines: str):  # type: ignore[no-untyped-def]
        """Evidence that is true."""
        digest = load_register(self.folder / "register").digest
        return self.desk.approved(*lines or (tsv_line(),)).evidence(register_sha256=digest)

    @contextmanager
    def child(self, code: str = "") -> Iterator[SignerChild]:
        """`code`: Python that runs in the signer before it starts."""
        program = (sys.executable, "-c", f"{code}\nfrom bot.cli import main\nmain()") if code else RINGI
        found = SignerChild(self.file, self.config.signer.socket, 30, program)
        try:
            found.start()
            yield found
        finally:
            found.stop()

    @contextmanager
    def ask(self) -> Iterator[SignerClient]:
        with self.child() as child:
            yield SignerClient.open(child.call)


def make_site(folder: Path, people: People, desk: HostileDesk) -> SignerSite:
    register = folder / "register"
    register.mkdir()
    text = _INSTITUTION
    for name in ("suzuki", "tanaka"):
        signer = people.signers[name]
        (register / signer.key_file[0]).write_bytes(signer.key_file[1])
        text += _OFFICER.format(name=name, pin=signer.pin)
    (register / "testkikan.toml").write_text(text, encoding="utf-8")
    begin = datetime.now(UTC) - timedelta(days=1)
    key, certificate = make_ca("Example CA", key="p384", days=3650, passphrase="open sesame", now=begin)
    (folder / "ca.key").write_bytes(key)
    (folder / "ca.pem").write_bytes(certificate)
    (folder / "passphrase").write_text("open sesame\n")
    (folder / "passphrase").chmod(0o600)
    (folder / "config.toml").write_text(_CONFIG.format(fingerprint="0" * 40), encoding="utf-8")
    return SignerSite(folder, desk)


def kill(child: SignerChild) -> None:
    """As the machine does it to a process: at once."""
    assert child._process is not None
    os.kill(child._process.pid, signal.SIGKILL)
    child._process.wait()
