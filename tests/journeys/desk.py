"""A whole desk on real servers: `ringi` as its own process between Dovecot and Postfix, and people who write to it."""

import atexit
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO

from sqlalchemy import select

from bot.bench.servers.running import free_ports
from bot.config import Config, load_config
from bot.demo.keys import stop_agent
from bot.demo.mailbox import Mailbox
from bot.demo.people import Applicant, Officer
from bot.demo.seals import OpenPGPSeal
from bot.demo.service import Service
from bot.demo.smime import SmimePlay, smime_system
from bot.setup.answers import Answers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import prepare
from store.tables import Application, Base, Certificate, Entry
from store.transaction import open_store, reading
from tests import keys
from tests.faults.prefork import Nursery, Order
from tests.institution import an_institution
from tests.servers.people import APPLICANT, BOT, MONITOR, OFFICER, OFFICER2, USERS
from tests.servers.postfix import MailServers

DN = "CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
RINGI = (sys.executable, "-m", "bot.cli")


@dataclass
class Desk:
    """The directory that `ringi init` wrote, the servers, and the people."""

    directory: Path
    config: Config
    servers: MailServers
    applicant: Applicant
    officer: Officer
    officer2: Officer
    stranger: Officer  # a key that nobody registered
    monitor: Mailbox
    bot: Mailbox

    @property
    def config_file(self) -> Path:
        return self.directory / "config.toml"

    def ringi(self, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command to its end, at the time when it began. `code`: Python to run before it, in that process."""
        command = (*arguments, "--config", str(self.config_file))
        code = f"import os\nos.environ.update({dict(os.environ)!r})\n{code}"
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = _nursery().start(Order(command, datetime.now(UTC), code), out, err)
            try:
                started.wait_for_all(120)
            finally:
                started.kill()
            told = [_all_of(file) for file in (out, err)]
        return subprocess.CompletedProcess(command, started.returncode or 0, *told)

    def once(self) -> dict[str, object]:
        """One round; what it did."""
        done = self.ringi("once", "--json")
        assert done.stdout, done.stderr
        found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return found

    @contextmanager
    def running(self) -> Iterator[Service]:
        """`ringi run`, until the block's end; SIGTERM must end it in order."""
        service = Service(self.config_file, self.directory / "service.log", RINGI)
        service.start(30)
        try:
            yield service
            assert service.stop(10) == 0, (self.directory / "service.log").read_text()
        finally:
            service.abandon()

    def explain(self, *mails: Path) -> list[dict[str, object]]:
        done = self.ringi("explain", "--json", *map(str, mails))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def apply(self, fqdn: str, **changes: str) -> bytes:
        """Mail an application for `fqdn`; the mail as sent."""
        dn = changes.pop("dn", DN).format(fqdn=fqdn)
        _, csr = self.applicant.make_request(fqdn, dn)
        return self.applicant.apply(self.applicant.tsv(fqdn, dn, csr), BOT, **changes)

    def states(self) -> dict[str, list[str]]:
        """Application number -> the states of its rows."""
        with self.reading() as session:
            numbers = session.scalars(select(Application.number).order_by(Application.number)).all()
            rows = session.execute(select(Entry.number, Entry.state).order_by(Entry.number, Entry.seq)).all()
        return {number: [row.state.value for row in rows if row.number == number] for number in numbers}

    def serials(self) -> list[str]:
        with self.reading() as session:
            return list(session.scalars(select(Certificate.serial).order_by(Certificate.id)))

    @contextmanager
    def reading(self):  # type: ignore[no-untyped-def]
        engine = open_store(self.config.store.url)
        try:
            if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
                Base.metadata.create_all(engine)
            with reading(engine) as session:
                yield session
        finally:
            engine.dispose()


@cache
def _nursery() -> Nursery:
    """One a test process: most of a command's second is Python loading it, and journeys give hundreds of commands."""
    place = Path(tempfile.mkdtemp(prefix="rn", dir="/tmp"))
    nursery = Nursery(place)

    def end() -> None:
        nursery.__exit__()
        shutil.rmtree(place)

    atexit.register(end)
    return nursery


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@contextmanager
def open_desk(servers: MailServers, *, smime: bool = False) -> Iterator[Desk]:
    """Set up with the code of `ringi init`, with two officers who have a key each; gone afterwards.

    `smime`: the first officer signs by S/MIME, the second by OpenPGP, and the bot has a key for each.
    """
    # a short path: gpg's agent makes a socket below it
    with tempfile.TemporaryDirectory(prefix="rd", dir="/tmp") as place, keys.gpg_home() as home:
        directory = Path(place)
        fingerprints = {}
        for name, address in (("suzuki", OFFICER), ("tanaka", OFFICER2), ("stranger", OFFICER)):
            fingerprints[name] = keys.make_key(home, name, address)
            (directory / f"{name}.asc").write_bytes(keys.export_key(home, fingerprints[name]))
        play = smime_system(directory, BOT, OFFICER) if smime else None
        answers = _answers(directory, servers, play)
        prepare(directory / "d", answers, now=datetime.now(UTC), random=secrets.token_bytes)
        yield Desk(
            directory=directory / "d",
            config=load_config(directory / "d" / "config.toml"),
            servers=servers,
            applicant=Applicant(_account(servers, APPLICANT)),
            officer=Officer(
                _account(servers, OFFICER), play.seal if play else OpenPGPSeal(home, fingerprints["suzuki"])
            ),
            officer2=Officer(_account(servers, OFFICER2), OpenPGPSeal(home, fingerprints["tanaka"])),
            stranger=Officer(_account(servers, OFFICER), OpenPGPSeal(home, fingerprints["stranger"])),
            monitor=_account(servers, MONITOR),
            bot=_account(servers, BOT),
        )
        stop_agent(directory / "d" / "state" / "gnupg")


def _account(servers: MailServers, user: str) -> Mailbox:
    return Mailbox(
        imap_host="127.0.0.1",
        imap_port=servers.dovecot.imap_port,
        smtp_host="127.0.0.1",
        smtp_port=servers.postfix.submission_port,
        user=user,
        password=USERS[user],
        ca_file=servers.dovecot.tls.ca_file,
    )


def _answers(directory: Path, servers: MailServers, play: SmimePlay | None) -> Answers:
    password_file, ca_file = servers.dovecot.password_file(BOT), servers.dovecot.tls.ca_file
    imap = ServerAnswers("127.0.0.1", servers.dovecot.imaps_port, "tls", BOT, password_file, None, ca_file)
    smtp = ServerAnswers(
        "127.0.0.1", servers.postfix.submission_port, "starttls", BOT, password_file, None, ca_file
    )
    (web_port,) = free_ports(1)
    return Answers(
        instance="ringi.example.ac.jp",
        address=BOT,
        imap=imap,
        smtp=smtp,
        public_url=f"http://127.0.0.1:{web_port}",
        institution=an_institution(
            datetime.now(UTC).date().replace(year=datetime.now(UTC).year + 3, day=1), "テスト機関"
        ),
        officers=(
            OfficerAnswers(
                "suzuki", "鈴木 一郎", OFFICER, play.key_file if play else directory / "suzuki.asc"
            ),
            OfficerAnswers("tanaka", "田中 二郎", OFFICER2, directory / "tanaka.asc"),
        ),
        ca=NewCa("Test CA", key="rsa2048"),
        smime=play.smime if play else None,
        web_port=web_port,
        monitors=(MONITOR,),
    )
