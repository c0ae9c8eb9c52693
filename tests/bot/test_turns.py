"""DOS3: whose mail is next, asked of a real Dovecot."""

import pytest

from bot.bench.servers.dovecot import Dovecot
from bot.imap.folder import Folder, ImapFault
from bot.turns import Turns
from handlers.rules.register import Register
from tests.applications import TESTKIKAN
from tests.servers.people import BOT

pytest_plugins = ("tests.servers.fixtures",)

REGISTER = Register({"testkikan": TESTKIKAN}, "f" * 64)
TEXT = b"Subject: x\r\n\r\nFrom: officer@example.ac.jp\r\n"


def put(dovecot: Dovecot, *heads: bytes) -> None:
    for head in heads:
        dovecot.deliver(BOT, head + TEXT)


def test_DOS3_senders_are_told_apart_by_their_from_headers_alone(dovecot: Dovecot) -> None:
    flood = b'From: "suzuki@example.ac.jp"\r\n\t<f@example.ac.jp>\r\n'
    put(
        dovecot,
        *[flood] * 25,
        b"From: other@example.ac.jp\r\n",
        b"From: x@example.org\r\n",
        b"From: a@example.ac.jp\r\nFrom: b@example.ac.jp\r\n",
        b"From: " + b"x" * 3000 + b" <other@example.ac.jp>\r\n",
        b"To: other@example.ac.jp\r\n",
        b"From: suzuki@example.ac.jp\r\n",
    )
    with Folder(dovecot.imap(BOT)) as folder:
        uids = folder.uids()
        turns = Turns(folder, REGISTER).next(uids)
        first = uids[0]
        assert turns[:4] == [first + 30, first, first + 25, first + 1]
        # strangers, and those whose From is none, one of them in the first turn
        assert turns[-4:] == [first + 26, first + 27, first + 28, first + 29]
        assert sorted(turns) == uids


def test_DOS3_few_mails_are_taken_as_they_come_and_nothing_is_asked_for(dovecot: Dovecot) -> None:
    with Folder(dovecot.imap(BOT)) as folder:
        pass
    turns = Turns(folder, REGISTER)
    assert turns.next(range(1, 21)) == list(range(1, 21))
    with pytest.raises(ImapFault):
        turns.next(range(1, 22))


def test_DOS3_a_mail_that_is_gone_meanwhile_takes_its_turn_and_harms_nothing(dovecot: Dovecot) -> None:
    put(dovecot, *[b"From: a@example.ac.jp\r\n"] * 22)
    with Folder(dovecot.imap(BOT)) as folder:
        uids = folder.uids()
        folder.move(uids[0], "Elsewhere")
        assert sorted(Turns(folder, REGISTER).next(uids)) == uids
