"""A desk between a real Dovecot and an SMTP sink of ours, as its own process: what is measured from outside."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.bench.desk import BOT, BenchDesk, make_desk
from bot.bench.desk import MailServers as Addresses
from bot.bench.result import BenchFault
from bot.bench.servers.dovecot import Dovecot, start_dovecot
from bot.bench.servers.sink import Sink, sinking
from bot.bench.servers.tls import make_tls
from bot.config import Config
from bot.demo.service import Service

TWIN = "twin@example.ac.jp"
RINGI = (sys.executable, "-m", "bot.cli")
NO_DOVECOT = "Dovecot 2.3 is not on this machine's PATH"
_USERS = {BOT: "bot-pass", TWIN: "twin-pass"}
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.01


def has_dovecot() -> bool:
    """Whether the one that the configuration is written for can be started."""
    program = shutil.which("dovecot")
    if program is None:
        return False
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return said.startswith("2.3.")


@dataclass(frozen=True)
class MailDesk:
    """`sink` takes what the desk sends. TWIN has a mailbox on the same server that the desk knows nothing of."""

    desk: BenchDesk
    dovecot: Dovecot
    sink: Sink

    @property
    def config(self) -> Config:
        return self.desk.config

    @property
    def command(self) -> list[str]:
        """`ringi once` on this desk."""
        return [*RINGI, "once", "--json", "--config", str(self.desk.config_file)]

    def once(self) -> dict[str, object]:
        """One round; what it did."""
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if not done.stdout:
            raise BenchFault(f"ringi once: {done.stderr[-500:]}")
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found

    @contextmanager
    def running(self) -> Iterator[int]:
        """`ringi run`, until the block's end; its process id."""
        service = Service(self.desk.config_file, self.desk.config_file.with_name("log"), RINGI)
        service.start(_START_SECONDS)
        try:
            yield service.pid
            service.stop(_START_SECONDS)
        finally:
            service.abandon()


@contextmanager
def open_mail_desk(more: str = "") -> Iterator[MailDesk]:
    """`more`: TOML tables for the end of its configuration. It lies in a directory with a short name: sockets."""
    place = Path(tempfile.mkdtemp(prefix="rb", dir="/tmp"))
    place.chmod(0o711)  # Dovecot's own user walks through it
    try:
        tls = make_tls(place)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
        dovecot = start_dovecot(place / "v", dict(_USERS), tls)
        try:
            with sinking(context) as sink:
                addresses = Addresses(dovecot.imap_port, sink.port, _USERS[BOT], tls.ca_file)
                yield MailDesk(make_desk(place / "d", servers=addresses, more=more), dovecot, sink)
        finally:
            dovecot.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def put(dovecot: Dovecot, user: str, mails: Iterator[bytes]) -> int:
    """Into the user's folder in this order, as files: a server would take minutes for thousands. How many."""
    inbox = dovecot.directory / "mail" / user
    owner = inbox.stat()
    count = 0
    for raw in mails:
        path = inbox / "tmp" / f"{1_700_000_000 + count}.M{count}.bench"
        path.write_bytes(raw)
        os.chown(path, owner.st_uid, owner.st_gid)
        path.rename(inbox / "new" / path.name)
        count += 1
    return count


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """BenchFault with `what` did not happen within `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise BenchFault(f"{what}: not within {seconds:g} s")
        time.sleep(_LOOK_SECONDS)
