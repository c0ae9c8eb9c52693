"""Two processes at the same mail or the same row, with no lease between them: the transaction that does a thing looks
again (docs/decisions/0022)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.bench.servers.dovecot import Dovecot
from bot.holder import this_process
from bot.imap.folder import Folder
from bot.intake import Intake
from bot.mime.read import read_mail
from bot.shares import Shares
from handlers.incoming import IncomingMail, MailKey
from handlers.rules.order import IssueOrder
from store.tables import Attempt, JournalEntry, Mail
from store.transaction import reading
from tests.applications import APPLICANT, tsv_line
from tests.bot.test_certify import approved, certifier
from tests.revocations import RevocationDesk, open_desk
from tests.servers.people import BOT

pytest_plugins = ("tests.servers.fixtures",)

HELP = f"From: {APPLICANT}\r\nSubject: ?\r\n\r\nhelp\r\n".encode()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RevocationDesk]:
    opened = open_desk(tmp_path)
    yield opened
    opened.world.engine.dispose()


@dataclass
class Reads:
    """Reads mails as they are; `meanwhile` is done while the first one is read."""

    desk: RevocationDesk
    meanwhile: Iterator[Callable[[], object]]

    def read(self, raw: bytes, key: MailKey, received_at: datetime) -> IncomingMail:
        next(self.meanwhile, lambda: None)()
        return read_mail(raw, key, received_at, authserv_id=None)

    @property
    def register(self) -> object:
        return self.desk.register


def an_intake(desk: RevocationDesk, dovecot: Dovecot, *meanwhile: Callable[[], object]) -> Intake:
    world, reads = desk.world, Reads(desk, iter(meanwhile))
    return Intake(
        engine=world.engine,
        settings=dovecot.imap(BOT),
        post=desk,  # type: ignore[arg-type]
        reader=lambda: reads,  # type: ignore[arg-type, return-value]
        context=world.context,
        now=lambda: world.now,
        shares=Shares(world.engine, this_process(), lambda: world.now),
    )


def take_all(intake: Intake) -> int:
    with Folder(intake.settings) as folder:
        return intake.take_all(folder, lambda: True)


def test_a_mail_that_another_process_handles_while_it_is_read_is_handled_once(
    desk: RevocationDesk, dovecot: Dovecot, capsys: pytest.CaptureFixture[str]
) -> None:
    dovecot.deliver(BOT, HELP)
    other = an_intake(desk, dovecot)
    take_all(an_intake(desk, dovecot, lambda: take_all(other)))
    with reading(desk.world.engine) as session:
        (mail,) = session.scalars(select(Mail)).all()
        assert mail.kind not in ("crashed", "duplicate")
        assert session.scalars(select(Attempt)).all() == []
        told = session.scalars(select(JournalEntry).where(JournalEntry.event == "handled")).all()
    assert len(told) == 1
    assert len(desk.notices) == 1
    assert "crashed" not in capsys.readouterr().out
    # help for words that nobody understands: filed as refused
    lie = [len(dovecot.mails(BOT, folder)) for folder in ("INBOX", "Done", "Refused", "Quarantine")]
    assert lie == [0, 0, 1, 0]


def test_a_mail_that_fails_here_and_that_another_process_handled_is_not_counted(
    desk: RevocationDesk, dovecot: Dovecot
) -> None:
    dovecot.deliver(BOT, HELP)
    other = an_intake(desk, dovecot)

    def fail() -> None:
        take_all(other)
        raise ValueError("a fault of ours")

    take_all(an_intake(desk, dovecot, fail))
    with reading(desk.world.engine) as session:
        assert session.scalars(select(Attempt)).all() == []
        assert len(session.scalars(select(Mail)).all()) == 1


@dataclass
class Meets:
    """The real CA; `meanwhile` is done before it signs for the first time."""

    desk: RevocationDesk
    meanwhile: Iterator[Callable[[], object]]

    @property
    def issuer(self) -> str:
        return self.desk.ca.issuer

    @property
    def not_after(self) -> datetime:
        return self.desk.ca.not_after

    @property
    def is_in_memory(self) -> bool:
        return self.desk.ca.is_in_memory

    def chain(self) -> tuple[bytes, ...]:
        return self.desk.ca.chain()

    def issue(self, order: IssueOrder) -> bytes:
        next(self.meanwhile, lambda: None)()
        return self.desk.ca.issue(order)


def test_rows_that_another_process_issues_while_the_signer_is_asked_are_recorded_once(
    desk: RevocationDesk,
) -> None:
    number = approved(desk, tsv_line(), tsv_line("test2.example.ac.jp"))
    issued: list[int] = []

    def other() -> None:
        issued.append(certifier(desk).certify_all(lambda: True))

    issued.append(certifier(desk, Meets(desk, iter([other]))).certify_all(lambda: True))
    assert issued == [2, 0]
    assert desk.world.states(number) == ["issued", "issued"]
    assert [n.letter.template for n in desk.notices] == ["applicant.download"]
