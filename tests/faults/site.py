"""A desk, its people and a mail world that the trials share: made once, then put back to any earlier moment."""

import asyncio
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from bot.demo.smime import SmimePlay, smime_system
from bot.demo.stage import APPLICANT, BOT, MONITOR, OFFICER
from bot.demo.tls import Tls, make_tls
from bot.demo.world import HOST, World
from bot.setup.answers import Answers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import prepare
from tests.institution import an_institution

__all__ = ["APPLICANT", "BOT", "MONITOR", "OFFICER", "Received", "Site", "open_site"]
PASSWORD = "word"
_UNIVERSITY = "example.ac.jp"
_ANSWER_SECONDS = 300  # a soak holds tens of thousands of mails: emptying or counting them takes a while


@dataclass(frozen=True)
class Received:
    """A mail as a person got it, without the server's own two lines."""

    recipient: str
    raw: bytes


class _FastWorld(World):
    """The embedded mail world with passwords in the clear: a login costs nothing."""

    async def _serve_imap(self) -> asyncio.Server:
        from pymap.backend.dict import Config
        from pysasl.hashing import Cleartext

        whole = Config.from_args

        def from_args(arguments: Any, **more: Any) -> Any:
            return whole(arguments, **more, hash_context=Cleartext())

        Config.from_args = from_args
        try:
            return await super()._serve_imap()
        finally:
            Config.from_args = whole

    async def deliver(self, sender: str, recipient: str, raw: bytes) -> None:
        """Into the bot's INBOX; what goes to people is only shown to the witness."""
        if recipient == BOT:
            await super().deliver(sender, recipient, raw)
        elif self._witness:
            self._witness(sender, recipient, raw)


class _Everybody(dict[str, str]):
    """Whose mail is taken: the bot's, and anybody's at the university."""

    def __contains__(self, address: object) -> bool:
        return str(address).endswith(_UNIVERSITY)


class MailWorld:
    """Real IMAP and SMTP, kept up over all trials. What people get is only listed; the bot's INBOX can be set."""

    def __init__(self, tls: Tls, now: datetime) -> None:
        self.now = now
        self._received: list[Received] = []
        self._lock = threading.Lock()
        users = _Everybody({BOT: PASSWORD})
        self.servers = _FastWorld(users, tls, self._keep, lambda: self.now)

    def put(self, raws: Sequence[bytes]) -> None:
        """New mails for the bot; each gets a UID that none had before."""
        self._do(self._put(raws))

    def empty(self) -> None:
        """Nothing in the bot's folders, and nothing received by anybody."""
        self._do(self._empty())
        with self._lock:
            self._received.clear()

    def waiting(self) -> int:
        return int(self._do(self._count()))

    def received(self) -> list[Received]:
        with self._lock:
            return list(self._received)

    def _keep(self, _sender: str, recipient: str, raw: bytes) -> None:
        if recipient != BOT:
            with self._lock:
                self._received.append(Received(recipient, raw.split(b"\r\n", 2)[2]))

    def _do(self, what: Any) -> Any:
        loop = self.servers._loop
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(what, loop).result(_ANSWER_SECONDS)

    async def _boxes(self) -> list[Any]:
        """The bot's, INBOX first."""
        from pymap.backend.dict import Identity

        login = self.servers._backend.login
        async with Identity(BOT, login, None, frozenset()).new_session() as session:
            boxes = session.mailbox_set
            return [await boxes.get_mailbox("INBOX"), *boxes._set.values()]

    async def _put(self, raws: Sequence[bytes]) -> None:
        trace = f"Return-Path: <people@example.ac.jp>\r\nReceived: from people by {HOST}\r\n".encode()
        for raw in raws:
            await self.servers.deliver("people", BOT, trace + raw)

    async def _empty(self) -> None:
        for box in await self._boxes():
            await box.delete(list(box._messages))

    async def _count(self) -> int:
        inbox, *_ = await self._boxes()
        return len(inbox._messages)


@dataclass
class Site:
    """`directory`: the desk's own. Its state is kept before each step and brought back for each trial."""

    place: Path
    directory: Path
    world: MailWorld
    tls: Tls
    play: SmimePlay | None = None  # the officer; only where the journeys are played
    kept: Path = field(init=False)

    def __post_init__(self) -> None:
        self.kept = self.place / "kept"

    @property
    def config_file(self) -> Path:
        return self.directory / "config.toml"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def keep(self, name: str) -> None:
        _copy(self.state, self.kept / name)

    def restore(self, name: str) -> None:
        shutil.rmtree(self.state)
        _copy(self.kept / name, self.state)
        self.world.empty()


def first_day() -> datetime:
    """10 o'clock in Tokyo on a Monday to Wednesday that is still to come: officers' signatures are never too early."""
    day = datetime.now(UTC).date() + timedelta(days=1)
    while day.weekday() > 2:
        day += timedelta(days=1)
    return datetime.combine(day, time(1, tzinfo=UTC))


@contextmanager
def open_site(now: datetime) -> Iterator[Site]:
    with _place() as place:
        (place / "kept").mkdir()
        tls = make_tls(place)
        world = MailWorld(tls, now)
        with world.servers:
            play = smime_system(place, BOT, OFFICER)
            password = place / "password"
            password.write_text(PASSWORD + "\n")
            password.chmod(0o600)
            answers = _answers(world.servers, password, free_port(), play)
            prepare(place / "d", answers, now=datetime.now(UTC), random=os.urandom)
            yield Site(place, place / "d", world, tls, play)


@contextmanager
def open_twin(other: Path, tls: Tls, ports: tuple[int, int], now: datetime) -> Iterator[Site]:
    """The desk of the site at `other`, whose mail world has these ports, with a place and a mail world of its own."""
    with _place() as place:
        world = MailWorld(tls, now)
        with world.servers as servers:
            _copy(other / "d", place / "d")
            config = place / "d/config.toml"
            text = config.read_text()
            for old, new in zip(ports, (servers.imap_port, servers.smtp_port), strict=True):
                text = text.replace(f"port = {old}\n", f"port = {new}\n")
            config.write_text(text)
            site = Site(place, place / "d", world, tls)
            site.kept = other / "kept"
            yield site


@contextmanager
def _place() -> Iterator[Path]:
    """In memory where there is a file system for that: what SIGKILL leaves behind is the same on any."""
    memory = Path("/dev/shm")
    root = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="rf", dir=root, ignore_cleanup_errors=True) as name:
        yield Path(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))


def _answers(world: World, password: Path, web_port: int, play: SmimePlay) -> Answers:
    def server(port: int) -> ServerAnswers:
        return ServerAnswers(HOST, port, "starttls", BOT, password, None, world.ca_file)

    return Answers(
        instance="ringi-faults.example.ac.jp",
        address=BOT,
        imap=server(world.imap_port),
        smtp=server(world.smtp_port),
        public_url=f"http://{HOST}:{web_port}",
        institution=an_institution((datetime.now(UTC) + timedelta(days=400)).date(), "テスト機関"),
        officers=(OfficerAnswers("hanako", "登録 花子", OFFICER, play.key_file),),
        ca=NewCa("Faults CA", key="p256"),
        smime=play.smime,
        web_port=web_port,
        monitors=(MONITOR,),
    )
