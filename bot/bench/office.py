"""A desk opened in this process, with the real signer in its own; mails reach it as if an IMAP server had them."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import select

from bot.bench.data import APPLICANT
from bot.bench.desk import BOT, OFFICER, BenchDesk
from bot.bench.result import BenchFault
from bot.ca.protocol import CaFault
from bot.config import Config
from bot.demo import replies
from bot.signer.client import SignerClient, socket_call
from bot.smime.renewal import CrlRenewal
from bot.wiring import Office, open_office, utc_now
from handlers.incoming import IncomingMail, MailKey
from handlers.rules.sheet import show_code
from store.states import EntryState, Filed
from store.tables import Application, Entry, Outgoing
from store.transaction import reading

SIGNER_APART = "[signer]\nstart = false\ntimeout = 600\n"
_PATIENCE = 120.0


@dataclass
class BenchOffice:
    """`signer_pid`: the process that holds the CA's key."""

    desk: BenchDesk
    office: Office
    signer_pid: int
    _uids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def read(self, raw: bytes) -> IncomingMail:
        """As a round does: limits, structure, signature."""
        key = MailKey("bench", "INBOX", 1, next(self._uids))
        return self.office.judge.authority.reader.read(raw, key, utc_now())

    def receive(self, raw: bytes) -> None:
        """One mail, one transaction. BenchFault if it is refused."""
        filed = self.office.intake.take_in(self.read(raw))
        if filed is not Filed.DONE:
            raise BenchFault(f"the desk did not take a mail: {filed}")

    def newest_code(self) -> str:
        """The code of the newest application's sheet, as people write it."""
        with reading(self.office.engine) as session:
            query = select(Application.code).order_by(Application.number.desc()).limit(1)
            return show_code(session.scalars(query).one())

    def approve(self, text: str = "承認") -> bytes:
        """The officer's signed mail over the newest application, not yet received."""
        with reading(self.office.engine) as session:
            query = select(Outgoing.data).where(Outgoing.template == "officer.approval_request")
            request = session.scalars(query.order_by(Outgoing.id.desc()).limit(1)).one()
        words = f"{text}\n\n> コード: {self.newest_code()}"
        return replies.signed_reply(request, OFFICER, words, quote=False, style="mutt", seal=self.desk.seal)

    def count(self, state: EntryState) -> int:
        """How many rows are in it."""
        with reading(self.office.engine) as session:
            return len(session.scalars(select(Entry.id).where(Entry.state == state)).all())


def application_mail(file: bytes) -> bytes:
    return replies.plain_mail(
        APPLICANT, BOT, "サーバ証明書 発行申請", "発行をお願いします。\n", {"shinsei.tsv": file}
    )


@contextmanager
def open_bench_office(desk: BenchDesk) -> Iterator[BenchOffice]:
    """The desk's configuration says SIGNER_APART."""
    config = desk.config
    command = [sys.executable, "-m", "bot.cli", "signer", "--config", str(desk.config_file)]
    log = (desk.config_file.parent / "signer.log").open("wb")
    with log, subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ}) as signer:
        try:
            _wait_for(signer, config)
            office = open_office(config, desk.config_file)
            smime = office.judge.authority.reader.smime
            CrlRenewal(config.smime).renew(smime.issuers if smime else (), utc_now())
            # the store learns once which ledger it belongs to: no application's cost
            office.signer.reserve(1)
            try:
                yield BenchOffice(desk, office, signer.pid)
            finally:
                office.engine.dispose()
        finally:
            signer.terminate()


def _wait_for(signer: "subprocess.Popen[bytes]", config: Config) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and signer.poll() is None:
        try:
            SignerClient.open(socket_call(config.signer.socket, _PATIENCE))
        except CaFault:
            time.sleep(0.05)
        else:
            return
    raise BenchFault(f"the signer did not start; see {config.signer.socket.with_name('signer.log')}")
