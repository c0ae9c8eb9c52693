"""LP1: machines that face us over real mail servers stop after at most one mail more (threats LP1)."""

import time
from pathlib import Path

from bot.demo.mailbox import Mailbox, parse, text_of
from bot.demo.replies import plain_mail
from tests.journeys.desk import BOT, Desk, open_desk
from tests.servers.people import APPLICANT, OFFICER, USERS

pytest_plugins = ("tests.servers.fixtures",)

_QUIET = 8.0  # seconds without a mail; a round and two ways through the servers take one or two


class Machine:
    """Answers every mail by a text of its own and all of what it got, and marks nothing as automatic."""

    def __init__(self, mailbox: Mailbox, address: str) -> None:
        self._mailbox = mailbox
        self._address = address
        self.got = 0

    def answer(self) -> bool:
        """Answers what is new; whether there was anything."""
        fresh = self._mailbox.all()[self.got :]
        for raw in fresh:
            self.got += 1
            request = parse(raw)
            quoted = "".join(f"> {line}\n" for line in text_of(raw).splitlines())
            mail = plain_mail(
                self._address,
                BOT,
                f"Re: {request['Subject']}".replace("\n", ""),
                f"担当者は不在です。追ってご連絡します。\n\n{quoted}",
                {"original.eml": raw} if self.got % 2 else {},
            )
            self._mailbox.send(mail, BOT)
        return bool(fresh)


def until_quiet(*machines: Machine) -> None:
    last = start = time.monotonic()
    while time.monotonic() - last < _QUIET:
        # `any` of a list: each of them answers
        if any([machine.answer() for machine in machines]):
            last = time.monotonic()
        assert last - start < 60, "they go on and on"
        time.sleep(0.2)


def test_LP1_a_machine_without_any_mark_gets_one_mail_more(desk: Desk) -> None:
    applicant = Machine(desk.applicant.mailbox, APPLICANT)
    officer = Machine(desk.officer.mailbox, OFFICER)
    with desk.running():
        desk.apply("test1.example.ac.jp")
        until_quiet(applicant, officer)
    # the receipt, the request; and one answer each
    assert (applicant.got, officer.got) == (2, 2)
    with desk.running():
        # a restart has forgotten nothing
        desk.officer.mailbox.send(
            plain_mail(OFFICER, BOT, "x", text_of(desk.officer.mailbox.all()[0]), {}), BOT
        )
        until_quiet(officer)
    assert officer.got == 2
    assert list(desk.states().values()) == [["waiting"]]
    # the machine in front of the officer keeps nobody from deciding
    with desk.running():
        desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
        desk.applicant.mailbox.wait_for("発行受付通知")


def test_LP1_two_desks_that_write_to_each_other_are_silent_at_once(desk: Desk) -> None:
    """Somebody writes to one in the name of the other."""
    other_address = "quotes@example.ac.jp"
    with open_desk(desk.servers) as other:
        _move_to(other, other_address)
        forged = plain_mail(other_address, BOT, "質問", "申請の方法を教えてください。\n", {})
        with desk.running(), other.running():
            desk.applicant.mailbox.send(forged, BOT)
            box = desk.servers.dovecot.mails
            end = time.monotonic() + 30
            while not box(other_address, "Done"):
                assert time.monotonic() < end, "the first one's answer never came to the second"
                time.sleep(0.3)
            time.sleep(_QUIET)
        answers = [raw for folder in ("INBOX", "Done", "Refused") for raw in box(other_address, folder)]
        assert len(answers) == 1
        assert parse(answers[0])["From"].endswith(f"<{BOT}>")
        # the second wrote nothing back: the first has the one mail that was forged
        assert sum(len(box(BOT, folder)) for folder in ("INBOX", "Done", "Refused", "Quarantine")) == 1
    assert not desk.monitor.all()


def _move_to(desk: Desk, address: str) -> None:
    """Give this desk an address and a mailbox of its own."""
    password = desk.servers.dovecot.password_file(address)
    text = desk.config_file.read_text()
    old = desk.config.imap.password_file
    assert isinstance(old, Path)
    text = text.replace(f'"{BOT}"', f'"{address}"').replace(str(old), str(password))
    desk.config_file.write_text(text)
    assert USERS[address]
