"""A whole desk on real servers: `ringi` as its own process between Dovecot and Postfix, and people who write to it."""

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from bot.config import Config, load_config
from bot.demo.keys import stop_agent
from bot.demo.mailbox import Mailbox
from bot.demo.people import Applicant, Officer
from bot.demo.service import Service
from bot.setup.answers import Answers, InstitutionAnswers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import prepare
from store.tables import Application, Base, Certificate, Entry
from store.transaction import open_store, reading
from tests import keys
from tests.servers.people import APPLICANT, BOT, MONITOR, OFFICER, OFFICER2, USERS
from tests.servers.postfix import MailServers
from tests.servers.running import free_ports

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

    def ringi(self, *arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one command to its end. `code`: Python to run before it, in that process."""
        start = ["-c", f"{code}\nfrom bot.cli import main\nmain()"] if code else ["-m", "bot.cli"]
        command = [sys.executable, *start, *arguments, "--config", str(self.config_file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

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
            if not Path(str(engine.url.database)).exists():
                Base.metadata.create_all(engine)
            with reading(engine) as session:
                yield session
        finally:
            engine.dispose()


@contextmanager
def open_desk(servers: MailServers) -> Iterator[Desk]:
    """Set up with the code of `ringi init`, with two officers who have a key each; gone afterwards."""
    # a short path: gpg's agent makes a socket below it
    with tempfile.TemporaryDirectory(prefix="rd", dir="/tmp") as place, keys.gpg_home() as home:
        directory = Path(place)
        fingerprints = {}
        for name, address in (("suzuki", OFFICER), ("tanaka", OFFICER2), ("stranger", OFFICER)):
            fingerprints[name] = keys.make_key(home, name, address)
            (directory / f"{name}.asc").write_bytes(keys.export_key(home, fingerprints[name]))
        prepare(
            directory / "d", _answers(directory, servers), now=datetime.now(UTC), random=secrets.token_bytes
        )
        yield Desk(
            directory=directory / "d",
            config=load_config(directory / "d" / "config.toml"),
            servers=servers,
            applicant=Applicant(_account(servers, APPLICANT)),
            officer=Officer(_account(servers, OFFICER), home, fingerprints["suzuki"]),
            officer2=Officer(_account(servers, OFFICER2), home, fingerprints["tanaka"]),
            stranger=Officer(_account(servers, OFFICER), home, fingerprints["stranger"]),
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


def _answers(directory: Path, servers: MailServers) -> Answers:
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
        institution=InstitutionAnswers(
            id="testkikan",
            name="テスト機関",
            organization="testkikan",
            state="Tokyo",
            locality="Chiyoda-ku",
            domains=("example.ac.jp",),
            applicant_domains=("example.ac.jp",),
            vetted_until=datetime.now(UTC).date().replace(year=datetime.now(UTC).year + 3, day=1),
        ),
        officers=(
            OfficerAnswers("suzuki", "鈴木 一郎", OFFICER, directory / "suzuki.asc"),
            OfficerAnswers("tanaka", "田中 二郎", OFFICER2, directory / "tanaka.asc"),
        ),
        ca=NewCa("Test CA", key="rsa2048"),
        web_port=web_port,
        monitors=(MONITOR,),
    )
