"""LP1: nobody is written to without end, whoever writes to us and in whose name."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from handlers.breaker import limit_answers
from handlers.handled import Handled
from handlers.incoming import IncomingMail, Scheme
from handlers.letters.applicant import ApplicantHelp
from handlers.notices import Notice
from handlers.rules.reasons import Reason
from store.states import Filed
from store.tables import JournalEntry
from store.transaction import writing
from tests.applications import (
    APPLICANT,
    SUZUKI,
    DeskWorld,
    a_mail,
    an_application,
    letters,
    signed,
    tsv_line,
)

VICTIM = "victim@example.ac.jp"
OFFICER = "suzuki@example.ac.jp"


def play(world: DeskWorld, mails: Callable[[int], IncomingMail], times: int) -> list[Handled]:
    """What became of so many mails that came at once."""
    found = []
    for number in range(times):
        mail = mails(number)
        handled = world.receive(mail)
        world.remember(mail, handled)
        found.append(handled)
    return found


def written_to(handled: list[Handled], address: str) -> int:
    return sum(notice.to == address for one in handled for notice in one.notices)


def answered(world: DeskWorld, mail: IncomingMail, times: int) -> int:
    return sum(bool(one.notices) for one in play(world, lambda number: mail, times))


def test_LP1_a_machine_that_answers_and_quotes_our_mails_gets_one_more(world: DeskWorld) -> None:
    code = world.code(world.take(tsv_line()))
    echo = a_mail(sender=OFFICER, subject="Auto: Re: お返事", text=f"不在です\n> コード: {code}\n")
    assert answered(world, echo, 40) == 1
    assert world.receive(echo).reason is Reason.HELPED_TODAY
    # who then decides by hand, and forgets to sign, hears of it all the same
    assert answered(world, a_mail(sender=OFFICER, text=f"承認\n> コード: {code}\n"), 1) == 1


def test_LP1_words_of_decision_without_a_signature_are_answered_thirty_times_an_hour(
    world: DeskWorld,
) -> None:
    unsigned = a_mail(sender=OFFICER, text="承認")
    assert answered(world, unsigned, 40) == 30
    assert world.receive(unsigned).reason is Reason.ANSWERED_OFTEN
    world.now += timedelta(hours=2)
    assert answered(world, unsigned, 40) == 30
    for _ in range(2):
        world.now += timedelta(hours=2)
        answered(world, unsigned, 40)
    assert answered(world, unsigned, 1) == 0  # the day's count is full
    world.now += timedelta(days=1)
    assert answered(world, unsigned, 1) == 1


@pytest.mark.parametrize("automatic", [None, "Auto-Submitted"])
def test_LP1_an_officers_own_gateway_that_signs_its_automatic_answers_is_met_with_silence(
    world: DeskWorld, automatic: str | None
) -> None:
    code = world.code(world.take(tsv_line()))
    assert answered(world, signed(f"不在です\n> コード: {code}\n", automatic=automatic), 40) == 30


def test_LP1_who_signs_is_always_answered_however_many_mails_bear_that_address(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    answered(world, a_mail(sender=OFFICER, text="承認"), 120)
    assert answered(world, signed("承認"), 40) == 40
    assert world.decide("承認", number).reason is Reason.APPROVED
    assert answered(world, a_mail(sender="tanaka@example.ac.jp", text="承認"), 1) == 1


def test_LP1_copies_of_an_officers_signed_mail_are_not_answered_without_end(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    decision = signed(f"承認\n\n> コード: {world.code(number)}\n")
    assert world.receive(decision).reason is Reason.APPROVED
    again = play(world, lambda n: decision, 40)
    assert {one.reason for one in again} == {Reason.REPEATED, Reason.ANSWERED_OFTEN}
    assert written_to(again, OFFICER) == 30


def test_LP1_the_monitors_are_not_told_of_broken_mails_without_end(world: DeskWorld) -> None:
    broken = lambda n: a_mail(fault=Reason.UNREADABLE, sender=f"x{n}@example.org")  # noqa: E731
    handled = play(world, broken, 40)
    assert written_to(handled, "monitor@example.ac.jp") == 30
    assert {one.filed for one in handled} == {Filed.QUARANTINE}


FORGED: dict[str, Callable[[int], IncomingMail]] = {
    "dry run in their name": lambda n: an_application(
        tsv_line(f"h{n}.example.ac.jp"), sender=VICTIM, subject="確認 発行"
    ),
    "faulty rows in their name": lambda n: an_application(tsv_line(c2="x"), sender=VICTIM),
    "a help in their name": lambda n: a_mail(sender=VICTIM, fault=Reason.DUPLICATE_HEADER),
    "column 10 of many senders": lambda n: an_application(
        tsv_line(f"h{n}.example.ac.jp", c10=VICTIM), sender=f"a{n}@example.ac.jp"
    ),
    "STATUS by many senders": lambda n: a_mail(sender=f"a{n}@example.ac.jp", text="状況 kept.example.ac.jp"),
}


@pytest.mark.parametrize("mails", FORGED.values(), ids=FORGED)
def test_LP1_nobody_is_flooded_in_another_name_or_by_many(
    world: DeskWorld, mails: Callable[[int], IncomingMail]
) -> None:
    world.take(tsv_line("kept.example.ac.jp", c10=VICTIM))
    handled = play(world, mails, 35)
    assert written_to(handled, VICTIM) == 30
    if handled[0].reason is Reason.TAKEN:
        # what changed something is told to whoever sent it and to those who decide
        assert {one.reason for one in handled} == {Reason.TAKEN}
        assert letters(handled[-1])[0] == ("a34@example.ac.jp", "applicant.received")
        assert written_to(handled, OFFICER) == 35


def test_LP1_an_officer_is_not_flooded_by_a_copy_sent_under_many_addresses(world: DeskWorld) -> None:
    copy = lambda n: a_mail(  # noqa: E731
        sender=f"x{n}@example.org",
        signature_fault=Reason.FROM_MISMATCH,
        signature_scheme=Scheme.OPENPGP,
        refused_key=SUZUKI,
    )
    assert written_to(play(world, copy, 40), OFFICER) == 30


def test_LP1_what_was_not_written_is_in_the_journal_with_its_address(world: DeskWorld) -> None:
    play(world, FORGED["dry run in their name"], 32)
    with writing(world.engine) as session:
        entries = session.scalars(select(JournalEntry).where(JournalEntry.event == "silenced")).all()
        assert [json.loads(entry.facts)["to"] for entry in entries] == [[VICTIM]] * 2


def test_LP1_what_one_mail_writes_counts_within_itself(world: DeskWorld) -> None:
    """99 rows may name 99 certificates of others: their officers hear of each (threats OWN1)."""
    letter = ApplicantHelp(Reason.HELP, "")
    handled = Handled("application", Reason.ROW_FAULT, Filed.REFUSED, (Notice(VICTIM, "ja", letter),) * 99)
    with writing(world.engine) as session:
        assert len(limit_answers(a_mail(), handled, world.context(session)).notices) == 30


def test_DOS3_over_the_quota_a_sender_is_told_once_and_then_passed_over(world: DeskWorld) -> None:
    world.desk = replace(world.desk, mails_per_day=5)
    play(world, lambda n: an_application(tsv_line(f"h{n}.example.ac.jp")), 5)
    over = play(world, lambda n: an_application(tsv_line(f"over{n}.example.ac.jp")), 4)
    assert [one.reason for one in over] == [Reason.TOO_MANY_MAILS] + [Reason.MUTED] * 3
    assert [letters(one) for one in over] == [[(APPLICANT, "applicant.help")], [], [], []]
    assert {(one.filed, one.keep_raw) for one in over} == {(Filed.REFUSED, False)}
    # others and reports are not concerned
    assert world.receive(a_mail(sender=VICTIM)).reason is Reason.HELP
    assert world.receive(a_mail(automatic="Return-Path")).reason is Reason.AUTOMATIC
    # a day later all is as before, and what was passed over did not count
    world.now += timedelta(days=1, seconds=1)
    assert world.receive(an_application(tsv_line("later.example.ac.jp"))).reason is Reason.TAKEN


def test_DOS3_an_officers_signature_is_never_over_the_quota_and_does_not_use_it_up(world: DeskWorld) -> None:
    world.desk = replace(world.desk, mails_per_day=3)
    number = world.take(tsv_line())
    play(world, lambda n: signed("承認"), 5)
    assert world.receive(a_mail(sender=OFFICER, text="承認")).reason is Reason.UNSIGNED
    play(world, lambda n: a_mail(sender=OFFICER, text="承認"), 5)
    assert world.receive(a_mail(sender=OFFICER, text="承認")).reason is Reason.MUTED
    assert world.decide("承認", number).reason is Reason.APPROVED
