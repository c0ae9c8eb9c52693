"""Mails of machines are known by their headers and never answered (threats LP1)."""

import pytest

from bot.mime.automatic import LOOP_HEADER
from tests.bot.mail_building import HEADER, read, sample

AUTOMATIC = {
    b"Auto-Submitted: auto-replied": "Auto-Submitted",
    b"Auto-Submitted: auto-generated (rejected)": "Auto-Submitted",
    b"Auto-Submitted: auto-notified; owner-email=x@example.jp": "Auto-Submitted",
    b"Return-Path: <>": "Return-Path",
    b"Return-Path: < >": "Return-Path",
    b"List-Id: <all.example.ac.jp>": "List-*",
    b"List-Unsubscribe: <mailto:u@example.jp>": "List-*",
    b"Precedence: bulk": "Precedence",
    b"Precedence: JUNK": "Precedence",
    b"precedence: list (a comment)": "Precedence",
    b"X-Auto-Response-Suppress: DR, OOF, AutoReply": "X-Auto-Response-Suppress",
    b"X-Auto-Response-Suppress: All": "X-Auto-Response-Suppress",
    b"X-Failed-Recipients: gone@example.jp": "X-Failed-Recipients",
    b"X-Ringi-Loop: desk-1": LOOP_HEADER,
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b": "Content-Type",
}
BY_A_PERSON = (
    b"Auto-Submitted: no",
    b"Auto-Submitted: No (typed by hand)",
    b"Return-Path: <officer@example.ac.jp>",
    b"Precedence: normal",
    b"X-Auto-Response-Suppress: DR, RN, NRN, OOF",
    b"X-Mailing: List-Id: in a value",
    b"Content-Type: text/plain; report=multipart/report",
)
MACHINES = (
    b"MAILER-DAEMON@mx.example.jp (Mail Delivery System)",
    b"Mail Delivery System <Mailer-Daemon@mx.example.jp>",
    b"postmaster@example.jp",
    b"noreply@example.jp",
    b"No-Reply@example.jp",
    b"no_reply@example.jp",
    b"do-not-reply@example.jp",
    b"donotreply@example.jp",
    b"noreply-dmarc+x@example.jp",
    b"MAILER-DAEMON",
    b"Mail Delivery Subsystem <MAILER-DAEMON>",
    b"<>",
)
PEOPLE = (
    b"noreplyer@example.jp",
    b"postmasters@example.jp",
    b"nora.reply@example.jp",
    b'"mailer-daemon" <a@example.jp>',
)


@pytest.mark.parametrize(("header", "name"), AUTOMATIC.items())
def test_LP1_an_automatic_mail_is_known_by_its_header(header: bytes, name: str) -> None:
    assert read(HEADER + header + b"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n").automatic == name


@pytest.mark.parametrize("header", BY_A_PERSON)
def test_LP1_a_mail_of_a_person_is_not_automatic(header: bytes) -> None:
    mail = read(HEADER + header + b"\r\n\r\nx\r\n")
    assert (mail.automatic, mail.fault) == (None, None)


@pytest.mark.parametrize("sender", MACHINES)
def test_LP1_a_mail_from_a_machine_is_automatic(sender: bytes) -> None:
    assert read(b"From: " + sender + b"\r\n\r\nx").automatic == "From"


@pytest.mark.parametrize("sender", PEOPLE)
def test_LP1_a_name_that_only_looks_like_a_machine_is_a_person(sender: bytes) -> None:
    mail = read(b"From: " + sender + b"\r\n\r\nx")
    assert (mail.automatic, mail.fault) == (None, None)


def test_LP1_a_mail_that_is_over_the_limits_is_still_known_as_automatic() -> None:
    too_deep = b"From: a@example.jp\r\nAuto-Submitted: auto-replied\r\nX: " + b"x" * 9000 + b"\r\n\r\n"
    mail = read(too_deep)
    assert mail.fault is not None
    assert mail.automatic == "Auto-Submitted"


def test_LP1_the_vacation_sample_is_automatic() -> None:
    assert read(sample("0020")).automatic == "Auto-Submitted"
