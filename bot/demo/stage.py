"""The stage of a rehearsal: mail world, configuration, the real service, the people, what they hand on."""

import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Engine, select

from bot.config import Config, load_config
from bot.demo.checks import NotHeld
from bot.demo.clock import Clock
from bot.demo.keeping import MailFolder
from bot.demo.keys import stop_agent
from bot.demo.mailbox import Mailbox
from bot.demo.people import Applicant, Form, Officer
from bot.demo.private import write_private
from bot.demo.service import Service
from bot.demo.smime import smime_system
from bot.demo.systems import System, openpgp_system
from bot.demo.tls import make_tls
from bot.demo.transcript import Transcript
from bot.demo.world import HOST, World
from bot.setup.answers import Answers, InstitutionAnswers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import Prepared, prepare
from store.states import OutboxState
from store.tables import Application, Certificate, Decision, Entry, Outgoing
from store.transaction import open_store, reading

BOT, MONITOR = "ringi@example.ac.jp", "monitor@example.ac.jp"
APPLICANT, OFFICER = "shinsei@cc.example.ac.jp", "toroku@example.ac.jp"
_NAMES = {BOT: "bot", APPLICANT: "applicant", OFFICER: "officer", MONITOR: "monitor"}
# a Unix socket's path has about 100 bytes, and gpg's agent needs one below the service's directory
_LONGEST_DIRECTORY = 70
_POLL_SECONDS = 0.1
_UNDER_WAY = (OutboxState.QUEUED, OutboxState.SENDING, OutboxState.RETRY, OutboxState.UNKNOWN)


@dataclass(frozen=True)
class Standing:
    """What the service has on record: states by number and row, decisions, certificates by serial."""

    applications: tuple[str, ...]
    entries: tuple[str, ...]
    decisions: int
    serials: tuple[str, ...]


@dataclass
class Stage:
    """Everything the steps act with. The fields without a value are handed on from step to step."""

    folder: Path
    say: Transcript
    patience: float  # seconds for any one answer
    clock: Clock
    mails: MailFolder
    service: Service
    config: Config
    engine: Engine
    applicant: Applicant
    officer: Officer
    system: System
    desk: Mailbox  # the bot's own account, to see that it has taken what came
    monitor: Mailbox
    key: rsa.RSAPrivateKey = field(init=False)
    tsv: bytes = field(init=False)
    number: str = field(init=False)
    request: bytes = field(init=False)
    approval: bytes = field(init=False)
    url: str = field(init=False)
    form: Form = field(init=False)
    certificate: x509.Certificate = field(init=False)
    renewed: x509.Certificate = field(init=False)
    question: bytes = field(init=False)  # the newest mail that asks whether the certificate was replaced

    @property
    def directory(self) -> Path:
        """The service's own: config.toml, ca/, register/, state/."""
        return self.config.register_dir.parent

    def verify(self, raw: bytes) -> None:
        """NotHeld unless the bot signed this mail."""
        self.system.verify(raw)

    def pass_days(self, days: timedelta) -> None:
        """Move everybody's clock and have the service look at it."""
        self.clock.set_ahead(self.clock.ahead() + days)
        self.service.wake()

    @property
    def certificate_file(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def renewed_file(self) -> Path:
        return self.folder / "renewed-certificate.pem"

    @property
    def chain_file(self) -> Path:
        return self.folder / "chain.pem"

    def standing(self) -> Standing:
        with reading(self.engine) as session:
            applications = session.execute(select(Application.number, Application.state))
            entries = session.execute(select(Entry.number, Entry.seq, Entry.state))
            return Standing(
                tuple(f"{number} {state.value}" for number, state in applications),
                tuple(f"{number} row {seq} {state.value}" for number, seq, state in entries),
                len(session.scalars(select(Decision.id)).all()),
                tuple(session.scalars(select(Certificate.serial).order_by(Certificate.id))),
            )

    def settle(self) -> None:
        """Wait until the bot has filed every mail and sent every answer; NotHeld if that takes too long."""
        end = time.monotonic() + self.patience
        while self.desk.all() or self._is_sending():
            if time.monotonic() > end:
                raise NotHeld(f"mails still wait after {self.patience:g} s")
            time.sleep(_POLL_SECONDS)

    def _is_sending(self) -> bool:
        with reading(self.engine) as session:
            waiting = select(Outgoing.id).where(Outgoing.state.in_(_UNDER_WAY)).limit(1)
            return session.scalar(waiting) is not None


@contextmanager
def set_stage(
    folder: Path, say: Transcript, patience: float, ringi: Sequence[str], *, smime: bool
) -> Iterator[Stage]:
    """Build everything below `folder`, start the service, and take it all down at the end."""
    with ExitStack() as stack:
        place = folder / "world"
        place.mkdir(parents=True)
        clock = Clock(place / "clock")
        clock.set_ahead(timedelta(0))
        mails = MailFolder(folder, _NAMES)
        passwords = {user: secrets.token_urlsafe(9) for user in _NAMES}
        world = stack.enter_context(World(passwords, make_tls(place), mails.keep, clock.now))
        accounts = {user: _account(world, user, password) for user, password in passwords.items()}
        system: System = smime_system(place, BOT, OFFICER) if smime else openpgp_system(stack, place, OFFICER)
        write_private(place / "bot-password", f"{passwords[BOT]}\n".encode())
        directory = _service_directory(stack, folder)
        prepared = _prepare(stack, directory, _answers(world, place, _free_port(), system))
        config = load_config(prepared.config)
        system.meet(config)
        service = Service(prepared.config, folder / "service.log", ringi, clock.file)
        _start(stack, service, say, patience)
        yield Stage(
            folder=folder,
            say=say,
            patience=patience,
            clock=clock,
            mails=mails,
            service=service,
            config=config,
            engine=_open(stack, config.store.url),
            applicant=Applicant(accounts[APPLICANT]),
            officer=Officer(accounts[OFFICER], system.seal),
            system=system,
            desk=accounts[BOT],
            monitor=accounts[MONITOR],
        )


def _prepare(stack: ExitStack, directory: Path, answers: Answers) -> Prepared:
    prepared = prepare(directory, answers, now=datetime.now(UTC), random=os.urandom)
    stack.callback(stop_agent, directory / "state/gnupg")
    # a used URL answers its user for ten minutes more; in a rehearsal nobody waits that long
    text = prepared.config.read_text(encoding="utf-8")
    text = re.sub(r"^\[web\]$", "[web]\nrepeat_minutes = 0", text, count=1, flags=re.MULTILINE)
    # and how much room is left on this machine's disk is not what is rehearsed
    text += "\n[alarms]\ndisk_free_mb = 1\n"
    prepared.config.write_text(text, encoding="utf-8")
    return prepared


def _start(stack: ExitStack, service: Service, say: Transcript, patience: float) -> None:
    stack.callback(service.abandon)
    with say.waiting("the service starts"):
        service.start(patience)


def _open(stack: ExitStack, url: str) -> Engine:
    engine = open_store(url)
    stack.callback(engine.dispose)
    return engine


def _account(world: World, user: str, password: str) -> Mailbox:
    return Mailbox(HOST, world.imap_port, HOST, world.smtp_port, user, password, world.ca_file)


def _service_directory(stack: ExitStack, folder: Path) -> Path:
    directory = folder / "service"
    if len(os.fsencode(directory)) <= _LONGEST_DIRECTORY:
        return directory
    short = Path(tempfile.mkdtemp(prefix="ringi-"))
    stack.callback(_bring_home, short, directory)
    return short


def _bring_home(short: Path, directory: Path) -> None:
    shutil.copytree(short, directory, ignore=shutil.ignore_patterns("S.*"))
    shutil.rmtree(short)


def _answers(world: World, place: Path, web_port: int, system: System) -> Answers:
    def server(port: int) -> ServerAnswers:
        return ServerAnswers(HOST, port, "starttls", BOT, place / "bot-password", None, world.ca_file)

    return Answers(
        instance="ringi-demo.example.ac.jp",
        address=BOT,
        imap=server(world.imap_port),
        smtp=server(world.smtp_port),
        public_url=f"http://{HOST}:{web_port}",
        institution=InstitutionAnswers(
            id="testkikan",
            name="テスト機関",
            organization="testkikan",
            state="Tokyo",
            locality="Chiyoda-ku",
            domains=("example.ac.jp",),
            applicant_domains=("example.ac.jp",),
            vetted_until=(datetime.now(UTC) + timedelta(days=365)).date(),
        ),
        officers=(OfficerAnswers("hanako", "登録 花子", OFFICER, system.key_file),),
        ca=NewCa("Ringi demo CA", key="p256"),
        smime=system.smime,
        web_port=web_port,
        monitors=(MONITOR,),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
