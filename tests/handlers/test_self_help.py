"""Applicants who help themselves by answering our mails (manual 1-2-6, 取下げ, corrections)."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.letters.applicant import ApplicantDownloaded, ApplicantReceived
from handlers.letters.officer import OfficerReplaced
from handlers.renewed import ask_for_replacement, tell_of_renewal
from handlers.rules.reasons import Reason
from store import certificates
from store.transaction import writing
from tests.applications import APPLICANT, DeskWorld, a_mail, an_application, letters, tsv_line
from tests.handlers.test_kinds import issue_all, issued


def received(world: DeskWorld, *lines: str) -> tuple[str, str]:
    """An application that is taken: its number, and the token in its receipt."""
    handled = world.receive(an_application(*lines or (tsv_line(),)))
    letter = handled.notices[0].letter
    assert isinstance(letter, ApplicantReceived)
    assert handled.number
    return handled.number, letter.token


def renewed(world: DeskWorld, **changes: str) -> tuple[int, int, str]:
    """A renewal that was fetched: old serial, new serial, the token in the mail that asks for the replacement."""
    old = issued(world)
    number = world.take(tsv_line(c4=str(old), **changes), subject="更新")
    world.decide("承認", number)
    new = issue_all(world, number)
    with writing(world.engine) as session:
        found = certificates.by_serials(session, [str(new)])[str(new)]
        assert found.replaces
        notices = tell_of_renewal(world.context(session), found, found.replaces)
    letter = next(n.letter for n in notices if isinstance(n.letter, ApplicantDownloaded))
    return old, new, letter.token


@pytest.mark.parametrize("word", ["取下げ", "取り下げます。", "WITHDRAW", "withdraw"])
def test_an_application_is_withdrawn_and_everybody_told(world: DeskWorld, word: str) -> None:
    number, token = received(world)
    handled = world.receive(a_mail(text=f"{word}\n\n> 照合番号: {token}\n", subject="Re: 受け付けました"))
    assert (handled.reason, handled.number) == (Reason.WITHDRAWN, number)
    assert world.states(number) == ["withdrawn"]
    assert letters(handled) == [
        (APPLICANT, "applicant.withdrawn"),
        ("suzuki@example.ac.jp", "officer.withdrawn"),
        ("tanaka@example.ac.jp", "officer.withdrawn"),
    ]
    assert world.decide("承認", number).reason is Reason.ALREADY_DECIDED


@pytest.mark.parametrize("token", ["AAAA-BBBB-CCCC-DDDD", ""])
def test_without_the_token_nothing_is_withdrawn(world: DeskWorld, token: str) -> None:
    number, _ = received(world)
    handled = world.receive(
        a_mail(text=f"取下げ\n\n> 照合番号: {token}\n> {number}\n", subject="Re: 受け付けました")
    )
    assert handled.reason in (Reason.TOKEN_UNKNOWN, Reason.HELP)
    assert world.states(number) == ["waiting"]


def test_the_word_in_a_quote_withdraws_nothing(world: DeskWorld) -> None:
    number, token = received(world)
    world.receive(a_mail(text=f"よろしく\n> 取下げ\n> 照合番号: {token}\n", subject="Re:"))
    assert world.states(number) == ["waiting"]


def test_what_is_decided_is_not_withdrawn(world: DeskWorld) -> None:
    number, token = received(world)
    world.decide("承認", number)
    handled = world.receive(a_mail(text=f"取下げ\n> {token}\n", subject="Re:"))
    assert handled.reason is Reason.NOTHING_OPEN
    assert world.states(number) == ["approved"]


def test_a_corrected_tsv_in_reply_takes_the_place_of_the_open_one(world: DeskWorld) -> None:
    line = tsv_line()
    number, token = received(world, line)
    corrected = line.replace("Apache 2.4", "nginx 1.28")
    handled = world.receive(
        an_application(corrected, text=f"直しました\n> 照合番号: {token}\n", subject="Re: 申請")
    )
    assert handled.reason is Reason.TAKEN
    assert handled.number not in (None, number)
    assert world.states(number) == ["withdrawn"]
    assert ("suzuki@example.ac.jp", "officer.withdrawn") in letters(handled)
    assert world.decide("承認", number).reason is Reason.ALREADY_DECIDED
    assert world.decide("承認", handled.number or "").reason is Reason.APPROVED


def test_a_wrong_correction_leaves_the_open_one_alone(world: DeskWorld) -> None:
    line = tsv_line()
    number, token = received(world, line)
    wrong = line.replace("佐藤 花子", "")
    handled = world.receive(an_application(wrong, text=f"> 照合番号: {token}\n", subject="Re: 申請"))
    assert handled.reason is Reason.ROW_FAULT
    assert world.states(number) == ["waiting"]
    dry = world.receive(an_application(line, text=f"> 照合番号: {token}\n", subject="確認"))
    assert dry.reason is Reason.CHECKED
    assert world.states(number) == ["waiting"]


def test_the_same_file_without_the_token_is_a_second_application(world: DeskWorld) -> None:
    line = tsv_line()
    number, _ = received(world, line)
    assert world.receive(an_application(line, subject="Re: 申請")).reason is Reason.ROW_FAULT
    assert world.states(number) == ["waiting"]


def test_a_replacement_brings_a_ready_sheet_before_the_officers(world: DeskWorld) -> None:
    old, _, token = renewed(world)
    handled = world.receive(a_mail(text=f"置き換え完了しました。\n\n> 照合番号: {token}\n", subject="Re:"))
    assert handled.reason is Reason.REPLACED
    asked = [n for n in handled.notices if isinstance(n.letter, OfficerReplaced)]
    assert [n.to for n in asked] == ["suzuki@example.ac.jp", "tanaka@example.ac.jp"]
    letter = asked[0].letter
    assert isinstance(letter, OfficerReplaced)
    assert letter.application.entries[0].old is not None
    assert letter.application.entries[0].old.serial == old
    assert re.fullmatch(r"[0-9a-f-]{35}", letter.code)
    assert handled.number
    assert world.decide("失効承認", handled.number).reason is Reason.APPROVED
    assert world.states(handled.number) == ["approved"]


def test_two_of_our_mails_quoted_in_one_answer_are_about_one_thing(world: DeskWorld) -> None:
    _, new, token = renewed(world)
    with writing(world.engine) as session:
        found = certificates.by_serials(session, [str(new)])[str(new)]
        assert found.replaces
        later = ask_for_replacement(world.context(session), found, found.replaces, 7).letter
    assert isinstance(later, ApplicantDownloaded)
    text = f"置き換え完了\n> 照合番号: {later.token}\n> > 照合番号: {token}\n"
    assert world.receive(a_mail(text=text, subject="Re:")).reason is Reason.REPLACED


def test_a_replacement_reported_twice_asks_once(world: DeskWorld) -> None:
    _, _, token = renewed(world)
    world.receive(a_mail(text=f"置き換え完了\n> {token}\n", subject="Re:"))
    again = world.receive(a_mail(text=f"置き換え完了\n> {token}\n", subject="Re: "))
    assert again.reason is Reason.NOTHING_OPEN


def test_an_outsider_who_got_hold_of_the_token_hears_nothing(world: DeskWorld) -> None:
    _, _, token = renewed(world)
    report = a_mail(text=f"置き換え完了\n> {token}\n", subject="Re:", sender="evil@example.org")
    handled = world.receive(report)
    assert (handled.reason, handled.notices) == (Reason.SENDER_OUTSIDE, ())
    assert world.receive(replace(report, sender=APPLICANT)).reason is Reason.REPLACED


def test_a_contact_outside_whom_the_officers_approved_may_report(world: DeskWorld) -> None:
    _, _, token = renewed(world, c10="Host@example.org")
    report = a_mail(text=f"置き換え完了\n> {token}\n", subject="Re:", sender="host@example.org")
    assert world.receive(report).reason is Reason.REPLACED


def test_a_replacement_of_an_expired_certificate_needs_nothing(world: DeskWorld) -> None:
    _, _, token = renewed(world)
    world.now += timedelta(days=800)
    handled = world.receive(a_mail(text=f"REPLACED\n> {token}\n", subject="Re:"))
    assert handled.reason is Reason.NOTHING_OPEN


def test_a_token_of_one_mail_does_not_serve_for_another_wish(world: DeskWorld) -> None:
    _, _, token = renewed(world)
    assert world.receive(a_mail(text=f"取下げ\n> {token}\n", subject="Re:")).reason is Reason.TOKEN_UNKNOWN


def test_an_automatic_answer_gets_no_answer(world: DeskWorld) -> None:
    number, token = received(world)
    handled = world.receive(a_mail(text=f"取下げ\n> {token}\n", subject="Re:", automatic="auto-submitted"))
    assert handled.reason is Reason.AUTOMATIC
    assert world.states(number) == ["waiting"]
