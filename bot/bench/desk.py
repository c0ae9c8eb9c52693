"""A desk as `ringi init` makes it, for the benchmark: one institution, one officer who signs by S/MIME."""

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.bench.data import APPLICANT, DOMAIN
from bot.ca.making import KeyKind
from bot.config import Config, load_config
from bot.demo.seals import SmimeSeal
from bot.demo.smime import SmimePlay, smime_system
from bot.setup.answers import Answers, InstitutionAnswers, NewCa, OfficerAnswers, ServerAnswers
from bot.setup.prepare import prepare

__all__ = ["APPLICANT", "BOT", "MONITOR", "OFFICER", "BenchDesk", "MailServers", "free_port", "make_desk"]
BOT, MONITOR = f"ringi@{DOMAIN}", f"monitor@{DOMAIN}"
OFFICER = f"toroku@{DOMAIN}"
HOST = "127.0.0.1"
MOST_ROWS = 10_000
_VETTED = timedelta(days=400)


@dataclass(frozen=True)
class MailServers:
    """Where a desk logs in by STARTTLS as BOT. Ports of nobody serve a desk that is never asked to mail."""

    imap_port: int = 9
    smtp_port: int = 9
    password: str = "word"
    ca_file: Path | None = None


@dataclass(frozen=True)
class BenchDesk:
    """`play`: the officer, with a certificate and its key."""

    config_file: Path
    play: SmimePlay

    @property
    def config(self) -> Config:
        return load_config(self.config_file)

    @property
    def seal(self) -> SmimeSeal:
        """The officer's key, as a mail program has it."""
        return self.play.seal


def make_desk(
    place: Path, *, ca: KeyKind = "p256", servers: MailServers | None = None, more: str = ""
) -> BenchDesk:
    """Everything below `place`, which should have a short name: a socket of the desk is below it.

    `more`: TOML tables for the end of the configuration.
    """
    servers = servers or MailServers()
    place.mkdir(parents=True, exist_ok=True)
    play = smime_system(place, BOT, OFFICER)
    password = place / "password"
    password.write_text(servers.password + "\n")
    password.chmod(0o600)
    answers = _answers(servers, password, play, ca)
    prepared = prepare(place / "d", answers, now=datetime.now(UTC), random=os.urandom)
    text = prepared.config.read_text(encoding="utf-8")
    text = f"max_rows = {MOST_ROWS}\n{text}\n[alarms]\ndisk_free_mb = 1\n{more}"
    prepared.config.write_text(text, encoding="utf-8")
    return BenchDesk(prepared.config, play)


def _answers(servers: MailServers, password: Path, play: SmimePlay, ca: KeyKind) -> Answers:
    def server(port: int) -> ServerAnswers:
        return ServerAnswers(HOST, port, "starttls", BOT, password, None, servers.ca_file)

    web_port = free_port()
    return Answers(
        instance="ringi-bench.example.ac.jp",
        address=BOT,
        imap=server(servers.imap_port),
        smtp=server(servers.smtp_port),
        public_url=f"http://{HOST}:{web_port}",
        institution=InstitutionAnswers(
            id="testkikan",
            name="テスト機関",
            organization="testkikan",
            state="Tokyo",
            locality="Chiyoda-ku",
            domains=(DOMAIN,),
            applicant_domains=(DOMAIN,),
            vetted_until=(datetime.now(UTC) + _VETTED).date(),
        ),
        officers=(OfficerAnswers("hanako", "登録 花子", OFFICER, play.key_file),),
        ca=NewCa("Ringi bench CA", key=ca),
        smime=play.smime,
        web_port=web_port,
        monitors=(MONITOR,),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
