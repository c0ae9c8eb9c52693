"""The journal against one saved mail: whatever was rewritten, one mail in somebody's mailbox finds it."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from bot.evidence.witness import Verdict, judge_journal, read_witness
from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet
from handlers.rules.sheet import Sheet, SheetRow, code_of, show_code
from store import inbox, journal
from store.states import Kind
from store.tables import Base, Blob, JournalEntry
from store.transaction import open_store, reading, writing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Desk:
    """A journal of ten entries, a minute apart; a sheet frozen after the fourth, a mail sent after the eighth."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.grow(0, 4)
        self.sheet = sheet(self.head())
        with writing(engine) as session:
            inbox.keep_blob(session, self.sheet)
        self.grow(4, 8)
        self.mail = mail(self.head(), NOW + timedelta(minutes=8))
        self.grow(8, 10)

    def grow(self, first: int, last: int, word: str = "x") -> None:
        with writing(self.engine) as session:
            for n in range(first + 1, last + 1):
                journal.append(session, NOW + timedelta(minutes=n), "event", {"n": n, "word": word})

    def cut(self, last: int) -> None:
        with writing(self.engine) as session:
            session.execute(delete(JournalEntry).where(JournalEntry.seq > last))

    def head(self) -> str:
        with reading(self.engine) as session:
            return journal.head(session)

    def judge(self, *files: bytes) -> Verdict:
        with reading(self.engine) as session:
            return judge_journal(session, [read_witness(f"{n}.eml", data) for n, data in enumerate(files, 1)])

    def fault(self, *files: bytes) -> str:
        (fault,) = self.judge(*files).faults
        return fault


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = open_store(f"sqlite:///{tmp_path / 'ringi.db'}")
    Base.metadata.create_all(engine)
    yield Desk(engine)
    engine.dispose()


def mail(head: str, at: datetime, body: str = "お知らせ", files: bytes = b"") -> bytes:
    first = (
        "From: ringi@example.ac.jp\r\nTo: suzuki@example.ac.jp\r\nSubject: x\r\n"
        f"Date: {at:%a, %d %b %Y %H:%M:%S} +0000\r\nX-Ringi-Journal: {head}\r\nMIME-Version: 1.0\r\n"
    ).encode()
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body.encode() + b"\r\n"
    if not files:
        return first + text
    part = (
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="A.sheet"\r\n\r\n' + base64.encodebytes(files)
    )
    kind = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return first + kind + b"--b\r\n" + text + b"\r\n--b\r\n" + part + b"\r\n--b--\r\n"


def reply(text: str) -> bytes:
    """An officer's, as saved by the officer: it has no header of ours."""
    content = base64.encodebytes(text.encode()).decode()
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return f"From: suzuki@example.ac.jp\r\nSubject: Re: x\r\nMIME-Version: 1.0\r\n{kind}{content}".encode()


def sheet(head: str) -> bytes:
    rows = (SheetRow(1, "1" * 64, "CN=test1.example.ac.jp"),)
    number, zeros = "A-20261122-0001", "0" * 64
    fields = ("desk", number, "testkikan", Kind.ISSUE, zeros, rows, "one", zeros, zeros, head, "0" * 32)
    return Sheet(*fields).render()


def batch(head: str) -> bytes:
    parts = (BatchPart("A-20261122-0001", Kind.ISSUE, "0" * 64),)
    rows = (BatchRow(1, "A-20261122-0001", 1, "1" * 64, "CN=test1.example.ac.jp"),)
    return BatchSheet("desk", "B-20261122-testkikan", "testkikan", parts, rows, head, "0" * 32).render()


def test_an_honest_journal_agrees_with_everything_saved(desk: Desk) -> None:
    forwarded = b"Subject: Fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + desk.mail
    code = show_code(code_of(desk.sheet))
    files = (
        desk.mail,
        desk.mail.replace(b"\r\n", b"\n"),
        forwarded,
        desk.sheet,
        batch(desk.head()),
        mail(desk.head(), NOW + timedelta(minutes=11), files=desk.sheet),
        reply(f"承認\n\n> コード: {code}\n"),
        mail("0" * 64, NOW),
    )
    verdict = desk.judge(*files)
    assert verdict.faults == ()
    assert [text.split(" ")[2] for text in verdict.agreed] == ["8", "8", "8", "4", "10", "10", "4", "0"]


def test_AP5_a_sheet_that_was_rewritten_in_the_store_does_not_agree_with_a_rebuilt_journal(
    desk: Desk,
) -> None:
    """A saved answer holds a code only: the stored sheet of that code must be the text behind it."""
    saved = reply(f"承認\n\n> {show_code(code_of(desk.sheet))}\n")
    desk.cut(0)
    desk.grow(0, 10, "y")
    with writing(desk.engine) as session:
        session.get_one(Blob, sha256(desk.sheet).hexdigest()).data = sheet(journal.head(session))
    assert "is not in the store" in desk.fault(saved)


@pytest.mark.parametrize(
    "forged", [b"X-Ringi-Journal: " + b"a" * 64, b"Ringi-Sheet: 1\nJournal: " + b"a" * 64]
)
def test_AP5_an_applicants_file_beside_our_mail_accuses_nobody(desk: Desk, forged: bytes) -> None:
    tsv = b"Content-Type: text/tab-separated-values\r\nContent-Transfer-Encoding: base64\r\n"
    tsv += b'Content-Disposition: attachment; filename="a.tsv"\r\n\r\n' + base64.encodebytes(forged + b"\n")
    kind = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    plain = mail(desk.head(), NOW + timedelta(minutes=11))
    head, _, text = plain.partition(b"Content-Type:")
    saved = head + kind + b"Content-Type:" + text + b"\r\n--b\r\n" + tsv + b"\r\n--b--\r\n"
    assert desk.judge(saved).faults == ()


def test_a_truncated_journal_is_told_with_what_is_left(desk: Desk) -> None:
    saved = mail(desk.head(), NOW + timedelta(minutes=10), files=desk.sheet)
    desk.cut(7)
    assert desk.judge().faults == ()
    fault = desk.fault(saved)
    assert "truncated: it ends with entry 7 of 2026-11-22 00:07:00 UTC" in fault
    assert (
        "1.eml of 2026-11-22 00:10:00 UTC names a later one; up to entry 4 of 2026-11-22 00:04:00 UTC"
        in fault
    )


def test_a_truncation_before_the_mail_is_all_one_mail_can_see(desk: Desk) -> None:
    desk.cut(8)
    assert desk.judge(desk.mail).faults == ()


@pytest.mark.parametrize("first", [4, 5, 7])
def test_a_forked_journal_is_told_with_since_when(desk: Desk, first: int) -> None:
    saved = mail(desk.head(), NOW + timedelta(minutes=10), files=desk.sheet)
    desk.cut(first)
    desk.grow(first, 12, "another")
    assert desk.judge().faults == ()
    fault = desk.fault(saved)
    assert "the journal was forked: after entry 4" in fault
    assert "up to entry 4 of 2026-11-22 00:04:00 UTC it agrees" in fault


@pytest.mark.parametrize("kind", ["mail", "sheet", "batch", "reply", "forwarded"])
def test_a_journal_rebuilt_with_good_hashes_is_found_from_one_saved_file(desk: Desk, kind: str) -> None:
    files = {
        "mail": desk.mail,
        "sheet": desk.sheet,
        "batch": batch(desk.head()),
        "reply": reply(f"承認\n\n> コード: {show_code(code_of(desk.sheet))}\n"),
        "forwarded": b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + desk.mail,
    }
    desk.cut(0)
    desk.grow(0, 12, "another")
    assert desk.judge().faults == ()
    fault = desk.fault(files[kind])
    assert "the journal was rebuilt" in fault
    assert "no entry of it is known to be the same" in fault


def test_an_emptied_journal_is_found(desk: Desk) -> None:
    desk.cut(0)
    assert "truncated: it is empty" in desk.fault(desk.mail)


def test_a_sheet_that_was_signed_and_is_gone_is_found(desk: Desk) -> None:
    with writing(desk.engine) as session:
        session.connection().exec_driver_sql("DELETE FROM blobs")
    assert "is not in the store" in desk.fault(reply(f"承認\n> {show_code(code_of(desk.sheet))}\n"))


def test_two_mails_narrow_down_where_it_was_forked(desk: Desk) -> None:
    later = mail(desk.head(), NOW + timedelta(minutes=10))
    desk.cut(9)
    desk.grow(9, 12, "another")
    verdict = desk.judge(desk.mail, later)
    assert verdict.agreed == ("1.eml: entry 8 of 2026-11-22 00:08:00 UTC is what it names",)
    assert len(verdict.faults) == 1


def test_a_mail_that_is_not_ours_says_nothing(desk: Desk) -> None:
    assert "names no head of a journal" in desk.fault(reply("こんにちは"))


def test_a_change_inside_is_told_besides(desk: Desk) -> None:
    with writing(desk.engine) as session:
        session.connection().exec_driver_sql("UPDATE journal SET event = 'x' WHERE seq = 3")
    verdict = desk.judge(desk.mail)
    assert verdict.faults == ("entry 3 was changed",)
