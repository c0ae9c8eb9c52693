"""A desk between wires that break: rounds of the real service against a real Dovecot, from the same store each time.

A trial restores store, ledger and folder, has a wire cut somewhere, goes on with rounds until all is quiet, and is
held against an undisturbed run of the same scene.
"""

import os
import secrets
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from sqlalchemy import select

from bot import wiring
from bot.bench.mail_desk import wait_until
from bot.bench.servers.sink import Sink, sinking
from bot.config import Config, Imap, Smtp, load_config
from bot.demo.replies import plain_mail
from bot.schedule import Service
from store.states import OutboxState
from store.tables import Certificate, Entry, Mail, Outgoing
from store.transaction import reading
from tests.journeys.desk import BOT, DN, RINGI, Desk, open_desk
from tests.servers.people import APPLICANT
from tests.servers.postfix import MailServers
from tests.servers.relay import Cut, Meddling, Relay, relayed

Wire = Literal["imap", "smtp"]
_ROUNDS = 5  # what needs more after one fault is stuck
_PAUSE = timedelta(minutes=2)  # between two rounds, on the desk's clock


@dataclass(frozen=True)
class End:
    """How a scene ended: what is in the store, and what came of our mails."""

    rows: tuple[str, ...]  # states of all rows
    mails_in: Counter[str]  # kind -> how many were handled
    mails_out: Counter[tuple[str, str]]  # (template, recipient) -> how many are in the outbox
    certificates: int
    unsent: int
    inbox: int
    filed: int  # mails in the folders of handled mails


@dataclass(frozen=True)
class Verdict:
    """What one trial showed. All but `repeats` and `rounds` must be empty or False."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    is_stuck: bool = False
    died: str = ""
    repeats: int = 0  # mails that went out again because the server's answer was lost
    rounds: int = 1
    was_cut: bool = True

    @property
    def faults(self) -> list[str]:
        stuck = ["stuck"] if self.is_stuck else []
        return [*self.lost, *self.doubled, *stuck, *([f"died: {self.died}"] if self.died else [])]


@dataclass
class Scene:
    """A store and a mail in the folder to begin with, and how it ends when nothing happens."""

    name: str
    directory: Path  # holds copies of store and ledger
    mail: bytes | None
    begin: datetime
    end: End | None = None
    said: dict[Wire, dict[str, bytes]] = field(default_factory=dict)


class Arrivals(Protocol):
    """Where our mails come out at the other end."""

    def forget(self) -> None: ...

    def mails(self) -> list[bytes]: ...


class WireWorld:
    """One desk, its wires, and the clock that both share."""

    def __init__(self, desk: Desk, config: Config, wires: dict[Wire, Relay], arrivals: Arrivals) -> None:
        self.desk, self.wires, self.arrivals = desk, wires, arrivals
        self.clock = datetime.now(UTC).replace(microsecond=0)
        self._config = config
        self._place = desk.directory / "scenes"
        wiring.utc_now = self.now
        self.office = wiring.open_office(config, desk.config_file)
        self.service = Service(self.office)
        self._unique = 0
        self._ever_unknown: set[int] = set()
        self._sent_before: set[int] = set()

    def now(self) -> datetime:
        return self.clock

    # -- scenes

    def scene(self, name: str, mail: bytes | None) -> Scene:
        """What begins with the store and the time as they are now; played once undisturbed."""
        scene = Scene(name, self._place / name, mail, begin=self.clock)
        scene.directory.mkdir(parents=True)
        for file in self._databases():
            _copy_database(file, scene.directory / file.name)
        verdict = self.trial(scene)
        assert not verdict.faults, verdict
        scene.said = {
            wire: {who: bytes(said) for who, said in relay.said.items()} for wire, relay in self.wires.items()
        }
        return scene

    def application(self, fqdn: str) -> bytes:
        dn = DN.format(fqdn=fqdn)
        _, csr = self.desk.applicant.make_request(fqdn, dn)
        files = {"a.tsv": self.desk.applicant.tsv(fqdn, dn, csr)}
        return plain_mail(APPLICANT, BOT, "発行申請", "お願いします。\n", files)

    def mails_to(self, recipient: str) -> list[bytes]:
        """What the outbox holds for somebody, oldest first."""
        with reading(self.office.engine) as session:
            query = select(Outgoing.data).where(Outgoing.recipient == recipient).order_by(Outgoing.id)
            return list(session.scalars(query))

    # -- trials

    def trial(
        self,
        scene: Scene,
        wire: Wire | None = None,
        cut: Cut | None = None,
        meddling: Meddling | None = None,
        *,
        rounds: int = _ROUNDS,
    ) -> Verdict:
        """Play the scene with a fault, and judge how it ended."""
        self.clock = scene.begin
        self._begin(scene)
        for name, relay in self.wires.items():
            relay.arm(*((cut, meddling) if name == wire else (None, None)))
        rounds, died = self._rounds(rounds)
        relay = self.wires[wire] if wire else None
        end = self.end()
        if scene.end is None:
            scene.end = end
        lost, doubled, repeats = self._count(relay)
        return Verdict(
            lost=(*lost, *_missing(scene.end, end)),
            doubled=(*doubled, *_missing(end, scene.end)),
            is_stuck=rounds == _ROUNDS or bool(end.unsent or end.inbox),
            died=died,
            repeats=repeats,
            rounds=rounds,
            was_cut=relay is not None and relay.is_broken,
        )

    def put(self, mail: bytes) -> None:
        """Into the bot's folder, as it is."""
        self._unique += 1
        folder = self._maildir()
        owner = folder.stat()
        path = folder / "new" / f"{self._unique}.{secrets.token_hex(4)}.here"
        path.write_bytes(mail.replace(b"\r\n", b"\n"))
        os.chown(path, owner.st_uid, owner.st_gid)

    def _begin(self, scene: Scene) -> None:
        for file in self._databases():
            _copy_database(scene.directory / file.name, file)
        for path in self._mails():
            path.unlink()
        self._ever_unknown.clear()
        with reading(self.office.engine) as session:
            self._sent_before = set(session.scalars(select(Outgoing.id).where(Outgoing.sent_at.is_not(None))))
        self.arrivals.forget()
        if scene.mail:
            self.put(scene.mail)

    def _rounds(self, most: int) -> tuple[int, str]:
        """Rounds until all is quiet; how many there were, and what ended the process."""
        for number in range(1, most + 1):
            try:
                report = self.service.once()
            except Exception as error:  # noqa: BLE001 - whatever leaves a round would end the process
                return number, repr(error)
            self.clock += _PAUSE
            self._note_unknown()
            if report.fault is None and not self._waits():
                return number, ""
        return most, ""

    def _waits(self) -> bool:
        end = self.end()
        return bool(end.unsent or end.inbox)

    def end(self) -> End:
        with reading(self.office.engine) as session:
            outgoing = session.execute(select(Outgoing.template, Outgoing.recipient, Outgoing.state)).all()
            return End(
                rows=tuple(str(state) for state in session.scalars(select(Entry.state).order_by(Entry.id))),
                mails_in=Counter(session.scalars(select(Mail.kind))),
                mails_out=Counter((row.template, row.recipient) for row in outgoing),
                certificates=len(session.scalars(select(Certificate.id)).all()),
                unsent=sum(row.state is not OutboxState.SENT for row in outgoing),
                inbox=len(self._mails("cur", "new")),
                filed=len(self._mails(".*/cur", ".*/new")),
            )

    def _count(self, relay: Relay | None) -> tuple[list[str], list[str], int]:
        """Our mails as they came through: lost, doubled, and how many repeats a lost answer excuses.

        On a wire without TLS the relay knows whether an answer was lost; with TLS we must believe the outbox.
        """
        arrived = self.arrivals.mails()
        lost, doubled, repeats, known = [], [], 0, 0
        with reading(self.office.engine) as session:
            for row in session.scalars(select(Outgoing).where(Outgoing.id.not_in(self._sent_before))):
                count = sum(mail.endswith(row.data) for mail in arrived)
                known += count
                name = f"{row.template} to {row.recipient}"
                if count == 0:
                    lost.append(name)
                elif count > 1:
                    is_excused = row.id in self._ever_unknown and (
                        self.is_tls or (relay and relay.was_answer_lost)
                    )
                    if count > 2 or repeats or not is_excused:
                        doubled.append(f"{name}: {count} times")
                    repeats += 1
        if known != len(arrived):
            doubled.append(f"{len(arrived) - known} mails with bytes that no row has")
        return lost, doubled, repeats

    @property
    def is_tls(self) -> bool:
        return self._config.smtp.security != "none"

    def _note_unknown(self) -> None:
        with reading(self.office.engine) as session:
            query = select(Outgoing.id).where(Outgoing.state == OutboxState.UNKNOWN)
            self._ever_unknown.update(session.scalars(query))

    # -- files

    def _databases(self) -> list[Path]:
        return [Path(str(self.office.engine.url.database)), self._config.signer.ledger]

    def _maildir(self) -> Path:
        return self.desk.servers.dovecot.directory / "mail" / BOT

    def _mails(self, *folders: str) -> list[Path]:
        names = folders or ("cur", "new", ".*/cur", ".*/new")
        return [path for name in names for path in self._maildir().glob(f"{name}/*")]


class SinkArrivals:
    """What a server of ours took."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def forget(self) -> None:
        self.sink.forget()

    def mails(self) -> list[bytes]:
        return [mail.data for mail in self.sink.taken]


class PostfixArrivals:
    """What Postfix brought into people's mailboxes."""

    def __init__(self, servers: MailServers) -> None:
        self._queue = servers.postfix.directory / "queue"
        self._mail = servers.dovecot.directory / "mail"

    def forget(self) -> None:
        self._wait()
        for path in self._files():
            path.unlink()

    def mails(self) -> list[bytes]:
        self._wait()
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in self._files()]

    def _files(self) -> list[Path]:
        folders = [folder for folder in self._mail.iterdir() if folder.name != BOT]
        return [path for folder in folders for name in ("new", "cur") for path in folder.glob(f"{name}/*")]

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while any(self._queue.glob("incoming/*")) or any(self._queue.glob("active/*")):
            assert time.monotonic() < end, "Postfix does not get its queue empty"
            time.sleep(0.01)


@contextmanager
def open_world(servers: MailServers) -> Iterator[WireWorld]:
    """Wires without TLS, so that a test sees where they are cut; what is sent arrives in a sink."""
    with sinking() as sink, relayed(servers.dovecot.imap_port) as imap, relayed(sink.port) as smtp:
        there = servers.dovecot.imap(BOT, security="none", port=imap.port, timeout=5)
        here = Smtp(host="127.0.0.1", port=smtp.port, security="none", timeout=5)
        with _opened(servers, there, here, {"imap": imap, "smtp": smtp}, SinkArrivals(sink)) as world:
            yield world


@contextmanager
def open_tls_world(servers: MailServers) -> Iterator[WireWorld]:
    """Wires with TLS and logins; what is sent goes through Postfix into Dovecot."""
    with relayed(servers.dovecot.imaps_port) as imap, relayed(servers.postfix.submission_port) as smtp:
        there = servers.dovecot.imap(BOT, port=imap.port, timeout=5)
        here = servers.postfix.smtp(BOT, security="starttls", port=smtp.port, timeout=5)
        with _opened(servers, there, here, {"imap": imap, "smtp": smtp}, PostfixArrivals(servers)) as world:
            yield world


@contextmanager
def _opened(
    servers: MailServers, imap: Imap, smtp: Smtp, wires: dict[Wire, Relay], arrivals: Arrivals
) -> Iterator[WireWorld]:
    now = wiring.utc_now
    with open_desk(servers) as desk, _signer(desk):
        config = load_config(desk.config_file).model_copy(update={"imap": imap, "smtp": smtp})
        try:
            world = WireWorld(desk, config, wires, arrivals)
            yield world
            world.office.engine.dispose()
        finally:
            wiring.utc_now = now


@contextmanager
def _signer(desk: Desk) -> Iterator[None]:
    text = desk.config_file.read_text(encoding="utf-8")
    desk.config_file.write_text(text + "\n[signer]\nstart = false\n", encoding="utf-8")
    # to a file: a pipe that nobody reads is full after some hundred decisions, and the signer stands still
    log = desk.config_file.with_name("signer.log")
    with log.open("wb") as written:
        process = subprocess.Popen([*RINGI, "signer", "--config", str(desk.config_file)], stderr=written)
    try:
        wait_until(lambda: b"signer ready" in log.read_bytes(), 30, "the signer")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _copy_database(source: Path, target: Path) -> None:
    """By SQLite itself, so that whoever has the target open sees the copy in its next transaction."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _missing(expected: End, found: End) -> list[str]:
    """What of `expected` is not in `found`."""
    missing = [f"{name}, a mail in" for name in expected.mails_in - found.mails_in]
    missing += [f"{template} to {who}" for template, who in expected.mails_out - found.mails_out]
    missing += ["a certificate"] * (expected.certificates - found.certificates)
    missing += ["a mail in its folder"] * (expected.filed - found.filed)
    missing += [f"a row that is {state}" for state in Counter(expected.rows) - Counter(found.rows)]
    return missing
