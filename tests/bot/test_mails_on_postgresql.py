"""DOS4: what SQLite takes and PostgreSQL refuses (NUL, more characters than a column has) makes no mail fail there."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.holder import this_process
from bot.imap.folder import Look
from bot.intake import Intake
from bot.mime.read import read_mail
from bot.shares import Shares
from handlers.incoming import MailKey
from store import journal
from store.states import Filed
from store.tables import Application, Mail
from store.transaction import reading
from tests.applications import APPLICANT, tsv, tsv_line
from tests.corpus.hostile import HEAD, SUBJECT, report, told, with_file, with_header, with_text
from tests.revocations import RevocationDesk, open_desk
from tests.servers.postgresql import PostgreSQL
from tests.stores import for_one_test, on_server

pytest_plugins = ("tests.servers.fixtures",)

FOLDER = Path(__file__).parent / "mails"
ROW = tsv_line()
_uids = itertools.count(1)

MAILS = {path.name: path.read_bytes() for path in sorted(FOLDER.rglob("*.eml"))} | {
    "NUL in every header": (
        b"From: \0<applicant@example.ac.jp>\0\r\nSubject: a\0b\r\nMessage-ID: <a\0@b>\r\n"
        b"References: <\0@b>\r\nTo: a\0+b\0@c\r\n\r\nx"
    ),
    "NUL in a subject": HEAD + b"Subject: STATUS A-2026\0\r\n\r\nSTATUS A-20261122-0001\0\r\n",
    "NUL by encoded words": with_header(b"Subject: =?utf-8?q?a=00b?=\r\nMessage-ID: <=?utf-8?q?=00?=@b>\r\n"),
    "NUL in a text": with_text(b"STATUS \0\r\nAPPROVE \0 1\r\n\0"),
    "a long Message-ID": HEAD + SUBJECT + b"Message-ID: <" + b"a" * 900 + b"@b>\r\n\r\nx",
    "a Message-ID as long as one may be": HEAD + SUBJECT + b"Message-ID: <" + b"a" * 248 + b"@b>\r\n\r\nx",
    "a long sender": b"From: " + b"a" * 64 + b"@" + b"b" * 63 + b".c" * 90 + b"\r\n\r\nx",
    "a long subject": HEAD + b"Subject: " + b"STATUS " + b"a" * 5000 + b"\r\n\r\nx",
    "a long file name": with_file(tsv(ROW), "a" * 700 + ".tsv"),
    "NUL in a file name": with_file(tsv(ROW), "a\0.tsv"),
    "NUL in cells": with_file(
        tsv(ROW, *(tsv_line(f"t{n}.example.ac.jp", **{f"c{n}": "a\0b"}) for n in range(1, 14)))
    ),
    "long cells": with_file(
        tsv(*(tsv_line(f"t{n}.example.ac.jp", **{f"c{n}": "機" * 300}) for n in range(1, 14)))
    ),
    "cells as long as they may be": with_file(
        tsv(tsv_line(c8="機" * 64, c9="機" * 64, c12="機" * 128), tsv_line("u.example.ac.jp", c12="a" * 128))
    ),
    "numbers that fit no integer": with_text(b"STATUS A-20261122-" + b"9" * 40 + b"\r\n2147483648 9999999999\r\n"),
    "NUL in a report": report(b"Final-Recipient: rfc822; a\0@b\r\nAction: failed\r\nStatus: 5.0.0\0\r\n"),
    "NUL in a report in words": told(b"user unknown\n<applicant@example.ac.jp>\0\n"),
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RevocationDesk]:
    with on_server(postgresql), for_one_test():
        opened = open_desk(tmp_path_factory.mktemp("desk"))
        yield opened
        opened.world.engine.dispose()


@pytest.mark.parametrize("name", MAILS)
def test_DOS4_each_mail_is_handled(desk: RevocationDesk, name: str) -> None:
    world = desk.world
    shares = Shares(world.engine, this_process(), lambda: world.now)
    intake = Intake(world.engine, None, desk, None, world.context, lambda: world.now, shares)  # type: ignore[arg-type]
    key = MailKey("bot@imap", "INBOX", 1, next(_uids))
    mail = read_mail(MAILS[name], key, world.now, authserv_id=None)
    assert intake.take_in(mail) in Filed
    # what crashes all the same is counted, with whatever words it had
    broken = MailKey("bot@imap", "INBOX", 1, next(_uids))
    error = ValueError(MAILS[name].decode("utf-8", "surrogateescape"))
    assert [intake._crashed(broken, Look(1, world.now), MAILS[name], error) for _ in range(3)] == [
        None, None, Filed.QUARANTINE
    ]  # fmt: skip


def test_the_journal_holds_and_what_was_sound_was_taken(desk: RevocationDesk) -> None:
    with reading(desk.world.engine) as session:
        assert journal.first_fault(session) is None
        assert session.scalars(select(Mail)).all()
        assert session.scalars(select(Application.sender).distinct()).all() == [APPLICANT]
