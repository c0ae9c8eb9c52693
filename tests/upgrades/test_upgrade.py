"""A store that an earlier release wrote, brought to the newest schema: what was proven is proven, and nothing is done
again. Each folder here is one such store; `freeze.py` made it."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.config import Config
from bot.evidence.folder import write_folder
from bot.evidence.gather import gather
from bot.holder import this_process
from bot.intake import Intake
from bot.shares import Shares
from bot.wiring import Judge, open_judge
from handlers.context import Context
from handlers.digest import plan_digest
from handlers.incoming import MailKey
from handlers.key_warnings import plan_key_warnings
from handlers.lapse import end_holds, lapse_overdue
from handlers.notices import Notice
from handlers.refreeze import refreeze_changed
from handlers.remind import is_anything_due, remind
from store import certificates, journal, known_ledger, outbox
from store.states import EntryState, OutboxState
from store.tables import Base, Blob, Entry, Mail, Outgoing
from store.transaction import reading, writing
from tests.evidence_world import verify

STORES = sorted(path.parent for path in Path(__file__).parent.glob("*/store.sql"))


@dataclass
class Upgraded:
    """`at`: the moment in which the store was frozen; `queued`: what was written to people since."""

    judge: Judge
    ca: bytes
    at: datetime
    serial: str
    head: str
    queued: list[Notice]

    def context(self, session: Session) -> Context:
        return self.judge.context(session, self.at)

    def states(self) -> Counter[str]:
        with reading(self.judge.engine) as session:
            return Counter(state.value for state in session.scalars(select(Entry.state)))

    def intake(self) -> Intake:
        engine, config = self.judge.engine, self.judge.config
        shares = Shares(engine, this_process(), lambda: self.at)
        return Intake(
            engine, config.imap, self, lambda: self.judge.authority.reader, self.context, lambda: self.at, shares  # type: ignore[arg-type]
        )  # fmt: skip

    def queue(self, _session: object, notices: list[Notice], _now: datetime) -> None:
        self.queued += notices


@pytest.fixture(params=STORES, ids=lambda path: path.name)
def upgraded(
    request: pytest.FixtureRequest, tmp_path: Path, need: Callable[[str], str]
) -> Iterator[Upgraded]:
    for program in ("gpg", "openssl"):
        need(program)
    frozen = request.param
    shutil.copytree(frozen / "register", tmp_path / "register")
    with closing(sqlite3.connect(tmp_path / "ringi.db")) as store:
        store.executescript((frozen / "store.sql").read_text(encoding="utf-8"))
    facts = json.loads((frozen / "facts.json").read_text())
    judge = open_judge(_config(tmp_path, frozen))
    yield Upgraded(
        judge, (frozen / "ca.pem").read_bytes(), datetime.fromisoformat(facts["at"]), facts["serial"], facts["head"], []
    )  # fmt: skip
    judge.engine.dispose()


def _config(directory: Path, frozen: Path) -> Config:
    server = {"host": "127.0.0.1", "port": 1, "security": "none"}
    return Config.model_validate(
        {
            "instance": "desk.example.ac.jp",
            "address": "ringi@example.ac.jp",
            "imap": {**server, "user": "bot", "password_file": directory / "none"},
            "smtp": server,
            "store": {"url": f"sqlite:///{directory / 'ringi.db'}"},
            "openpgp": {"fingerprint": "0" * 40, "officers_home": directory / "officers"},
            "register_dir": directory / "register",
            "ca": {"key": directory / "none", "certificate": frozen / "ca.pem"},
            "web": {"public_url": "https://ra.example.ac.jp"},
            "monitors": ["monitor@example.ac.jp"],
        }
    )


def test_there_is_a_store_of_the_first_schema() -> None:
    assert any(
        "INSERT INTO \"alembic_version\" VALUES('0001')" in (s / "store.sql").read_text() for s in STORES
    )


def test_it_has_the_newest_tables_and_all_that_was_in_it(upgraded: Upgraded) -> None:
    with upgraded.judge.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert upgraded.states() == Counter(issued=2, revoked=1, approved=1, declined=1, waiting=1)
    with reading(upgraded.judge.engine) as session:
        chain = journal.walk(session)
        assert (chain.fault, chain.head) == (None, upgraded.head)
        assert session.scalar(select(func.count()).select_from(Mail)) == 11


def test_it_belongs_to_the_first_ledger_that_it_meets(upgraded: Upgraded) -> None:
    """Stores of the first schema do not know theirs."""
    engine = upgraded.judge.engine
    assert known_ledger.meet(engine, "1" * 32) == "1" * 32
    assert known_ledger.meet(engine, "2" * 32) == "1" * 32


def test_its_evidence_verifies(upgraded: Upgraded, tmp_path: Path) -> None:
    from bot.evidence.gather import read_issuers

    folder = tmp_path / "evidence"
    with reading(upgraded.judge.engine) as session:
        write_folder(folder, gather(session, upgraded.serial, read_issuers(upgraded.judge.config.ca)))
    done = verify(folder)
    assert (done.returncode, "PROVEN" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_round_repeats_nothing(upgraded: Upgraded) -> None:
    """At the moment it was frozen, and again: the mails that went stay gone, nobody is asked or told a second time."""
    before = upgraded.states()
    with reading(upgraded.judge.engine) as session:
        sent = set(session.scalars(select(Outgoing.id).where(Outgoing.state == OutboxState.SENT)))
        assert sent
    for _ in range(2):
        with writing(upgraded.judge.engine) as session:
            ctx = upgraded.context(session)
            plan_key_warnings(ctx)
            plan_digest(ctx)
            upgraded.queued += [*end_holds(ctx), *lapse_overdue(ctx), *refreeze_changed(ctx)]
            while is_anything_due(ctx):
                upgraded.queued += remind(ctx)
            # what was cut off while it was sent is sent again, and what waited
            outbox.recover(session, ctx.now, this_process())
            waiting = {row.id for row in outbox.due(session, ctx.now, 100)}
            assert len(waiting) == 2
            assert not waiting & sent
            assert certificates.unsigned(session, 10) == []
    assert upgraded.queued == []
    assert upgraded.states() == before


def test_the_same_mails_again_change_nothing(upgraded: Upgraded) -> None:
    """Every mail that it ever handled, in another folder; then the approval under a new Message-ID."""
    before, intake = upgraded.states(), upgraded.intake()
    with reading(upgraded.judge.engine) as session:
        query = select(Mail.kind, Blob.data, Mail.received_at).join(Blob, Blob.sha256 == Mail.raw_sha256)
        mails = [tuple(row) for row in session.execute(query.order_by(Mail.id))]
    assert len(mails) == 11
    for uid, (kind, raw, received_at) in enumerate(mails, 1):
        for number, data in enumerate((raw, raw.replace(b"Message-ID: <", b"Message-ID: <again-", 1))):
            if kind == "application" and number:
                continue
            mail = upgraded.judge.authority.reader.read(
                data, MailKey("bot", "INBOX", 2, 2 * uid + number), received_at
            )
            intake.take_in(mail)
    assert upgraded.states() == before
    with reading(upgraded.judge.engine) as session:
        assert journal.walk(session).fault is None
        kinds = Counter(session.scalars(select(Mail.reason).where(Mail.uidvalidity == 2)))
    assert kinds["duplicate"] == 11
    assert set(kinds) <= {"duplicate", "repeated", "already_decided"}


def test_time_goes_on_for_it(upgraded: Upgraded) -> None:
    """What was open lapses when its time is over, as if nothing had been changed."""
    upgraded.at += timedelta(days=60)
    with writing(upgraded.judge.engine) as session:
        upgraded.queued += lapse_overdue(upgraded.context(session))
    assert upgraded.states()[EntryState.LAPSED.value] == 1
    assert {notice.letter.template for notice in upgraded.queued} >= {"applicant.lapsed"}
