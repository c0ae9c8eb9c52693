"""A day's work in one reply: the mail that lists all that is open, and the one line that decides it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from handlers.handled import Handled
from handlers.letters.batch import OfficerBatch, OfficerBatchAnswer
from handlers.notices import Notice
from handlers.proof import case_of
from handlers.remind import is_anything_due, remind
from handlers.rules.batch_sheet import BatchSheet, parse_batch_sheet
from handlers.rules.proof import SignedText, approved_rows
from handlers.rules.reasons import Reason
from handlers.rules.sheet import code_of
from store import applications
from store.states import EntryState, Filed, Kind, RevocationReason
from store.tables import Application, Batch, Decision, Entry
from store.transaction import reading, writing
from tests.applications import (
    APPLICANT,
    SUZUKI,
    TANAKA,
    TESTKIKAN,
    DeskWorld,
    letters,
    open_world,
    policies,
    signed,
    tsv_line,
)

MORNING = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)  # Wednesday, 8 o'clock in Japan, the day after NOW
KEYS = {"suzuki": SUZUKI, "tanaka": TANAKA}


@dataclass
class Day:
    """A desk in the morning: what was taken, and the mails that went out at the hour of the batch."""

    world: DeskWorld

    def take(self, *names: str, **changes: object) -> str:
        return self.world.take(*(tsv_line(f"{name}.example.ac.jp") for name in names), **changes)

    def wake(self, now: datetime = MORNING) -> list[Notice]:
        """The batches among what comes due."""
        self.world.now = now
        with writing(self.world.engine) as session:
            notices = remind(self.world.context(session))
            assert not is_anything_due(self.world.context(session))
        return [notice for notice in notices if isinstance(notice.letter, OfficerBatch)]

    def reply(self, mail: Notice, line: str, officer: str = "suzuki", **changes: object) -> Handled:
        """Signed, with the code and the rows as they stand in `mail`."""
        letter = mail.letter
        assert isinstance(letter, OfficerBatch | OfficerBatchAnswer)
        quote = f"> コード: {letter.code}\n" + "".join(f"> {row}\n" for row in row_lines(mail))
        text = f"{line}\n\n{quote}"
        return self.world.receive(signed(text, officer, KEYS[officer], received_at=self.world.now, **changes))

    def stored(self) -> list[str]:
        with reading(self.world.engine) as session:
            return list(session.scalars(select(Batch.number).order_by(Batch.made_at)))

    def make_revocation(self, number: str, reason: RevocationReason = RevocationReason.UNSPECIFIED) -> None:
        """As if it asked for a revocation."""
        with writing(self.world.engine) as session:
            application = session.get_one(Application, number)
            application.kind = Kind.REVOKE
            for entry in application.entries:
                entry.reason = reason


def row_lines(mail: Notice) -> list[str]:
    letter = mail.letter
    assert isinstance(letter, OfficerBatch)
    return [entry.row_line for part in letter.parts for entry in part.application.entries]


def sheet_of(mail: Notice) -> BatchSheet:
    return parse_batch_sheet(mail.attachments[0].data)


def answer_of(handled: Handled) -> OfficerBatchAnswer:
    letter = handled.notices[0].letter
    assert isinstance(letter, OfficerBatchAnswer)
    return letter


def refused(handled: Handled) -> dict[str, Reason]:
    return {part.number: part.reason for part in answer_of(handled).not_done}


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    opened = open_world(tmp_path)
    yield Day(opened)
    opened.engine.dispose()


# the mail


def test_every_officer_gets_all_that_is_open_at_the_hour_with_the_sheet(day: Day) -> None:
    first, second = day.take("test1", "test2"), day.take("test3")
    assert day.wake(MORNING - timedelta(seconds=1)) == []
    mails = day.wake()
    assert [mail.to for mail in mails] == ["suzuki@example.ac.jp", "tanaka@example.ac.jp"]
    assert {mail.number for mail in mails} == {"B-20261125-testkikan"}
    letter = mails[0].letter
    assert isinstance(letter, OfficerBatch)
    assert [(p.application.number, p.first, p.last) for p in letter.parts] == [(first, 1, 2), (second, 3, 3)]
    assert (letter.approve, letter.revoke, letter.left_out, letter.checklist) == ((1, 2, 3), (), (), ())
    (sheet,) = mails[0].attachments
    assert sheet.name == "B-20261125-testkikan.sheet"
    assert code_of(sheet.data) == letter.code.replace("-", "")
    assert row_lines(mails[0]) == [row.line() for row in sheet_of(mails[0]).rows]


def test_what_came_minutes_ago_is_in_it(day: Day) -> None:
    day.take("test1")
    day.world.now = MORNING - timedelta(minutes=2)
    day.take("test2")
    assert len(sheet_of(day.wake()[0]).parts) == 2


def test_a_single_application_has_its_own_request_and_no_batch(day: Day) -> None:
    day.take("test1", "test2")
    assert day.wake() == []
    assert day.stored() == []


def test_a_batch_is_made_once_a_day_however_the_clock_jumps(day: Day) -> None:
    day.take("test1")
    day.take("test2")
    assert len(day.wake(MORNING + timedelta(hours=3))) == 2  # late: the bot was off
    day.take("test3")
    assert day.wake(MORNING + timedelta(hours=9)) == []
    assert day.wake(MORNING - timedelta(hours=9)) == []
    day.take("test4")
    assert day.wake(MORNING) == []
    assert day.stored() == ["B-20261125-testkikan"]
    assert len(day.wake(MORNING + timedelta(days=1))) == 2
    assert day.wake(MORNING + timedelta(days=1)) == []
    assert day.stored() == ["B-20261125-testkikan", "B-20261126-testkikan"]


def test_after_days_without_the_bot_there_is_one_batch_and_the_next_day_another(day: Day) -> None:
    day.take("test1")
    day.take("test2")
    assert len(day.wake(MORNING + timedelta(days=2))) == 2
    assert len(day.wake(MORNING + timedelta(days=5))) == 2
    assert day.stored() == ["B-20261127-testkikan", "B-20261130-testkikan"]


def test_weekends_and_holidays_have_no_batch(day: Day) -> None:
    day.world.desk = replace(day.world.desk, holidays=frozenset({date(2026, 11, 25)}))
    day.take("test1")
    day.take("test2")
    assert day.wake(MORNING) == []
    assert len(day.wake(MORNING + timedelta(days=1))) == 2
    day.wake(MORNING + timedelta(days=2))
    assert day.wake(MORNING + timedelta(days=3)) == []  # Saturday
    assert len(day.wake(MORNING + timedelta(days=5))) == 2


def test_a_batch_that_comes_due_on_a_day_that_became_a_holiday_waits(day: Day) -> None:
    day.take("test1")
    day.take("test2")
    day.world.desk = replace(day.world.desk, holidays=frozenset({date(2026, 11, 25)}))
    assert day.wake(MORNING) == []
    assert len(day.wake(MORNING + timedelta(days=1))) == 2


def test_the_hour_is_the_desk_s(day: Day) -> None:
    day.world.desk = replace(day.world.desk, batch_hour=13)
    day.take("test1")
    day.take("test2")
    afternoon = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)  # the same day
    assert day.wake(afternoon - timedelta(seconds=1)) == []
    assert len(day.wake(afternoon)) == 2


def test_a_changed_hour_makes_no_second_batch_of_the_day(day: Day) -> None:
    day.take("test1")
    day.take("test2")
    assert len(day.wake()) == 2
    day.world.desk = replace(day.world.desk, batch_hour=10)
    day.take("test3")
    assert day.wake(MORNING + timedelta(hours=2)) == []
    assert day.stored() == ["B-20261125-testkikan"]


def test_an_institution_hears_of_its_own_applications_only(day: Day) -> None:
    day.take("test1")
    number = day.take("test2")
    day.take("test3")
    with writing(day.world.engine) as session:
        session.get_one(Application, number).institution = "other"
    assert number not in {part.number for part in sheet_of(day.wake()[0]).parts}


def test_an_institution_that_wants_each_at_once_has_no_batch(day: Day) -> None:
    day.world.change_institution(requests="at_once")
    day.take("test1")
    day.take("test2")
    assert day.wake() == []


def test_an_institution_that_wants_one_mail_a_day_gets_no_other_and_this_one_in_full(day: Day) -> None:
    day.world.change_institution(requests="daily")
    handled = day.world.receive(an_application_of("test1"))
    assert letters(handled) == [(APPLICANT, "applicant.received")]
    mails = day.wake()
    assert len(mails) == 2
    letter = mails[0].letter
    assert isinstance(letter, OfficerBatch)
    assert letter.checklist
    assert [a.name for a in mails[0].attachments] == [
        "B-20261125-testkikan.sheet",
        f"{handled.number}-shinsei.tsv",
    ]
    assert b"test1.example.ac.jp" in mails[0].attachments[1].data
    assert day.reply(mails[0], "承認").reason is Reason.APPROVED


def an_application_of(name: str):  # type: ignore[no-untyped-def]
    from tests.applications import an_application

    return an_application(tsv_line(f"{name}.example.ac.jp"))


def test_who_has_approved_and_who_is_not_in_turn_gets_no_mail(day: Day) -> None:
    day.world.change_institution(policies=policies(approvals=2))
    for number in (day.take("test1"), day.take("test2")):
        day.world.decide("承認", number)
    assert [mail.to for mail in day.wake()] == ["tanaka@example.ac.jp"]


def test_steps_are_asked_one_after_the_other(day: Day) -> None:
    suzuki, tanaka = TESTKIKAN.officers
    steps = [{"role": "first"}, {"role": "second"}]
    day.world.change_institution(
        officers=(
            suzuki.model_copy(update={"roles": ("first",)}),
            tanaka.model_copy(update={"roles": ("second",)}),
        ),
        policies=policies(steps=steps),
    )
    numbers = [day.take("test1"), day.take("test2")]
    (mail,) = day.wake()
    assert mail.to == "suzuki@example.ac.jp"
    early = day.reply(mail, "承認", "tanaka")
    assert (early.reason, early.filed) == (Reason.NOT_YOUR_STEP, Filed.REFUSED)
    handled = day.reply(mail, "承認")
    assert handled.reason is Reason.APPROVED
    assert [part.still_needed for part in answer_of(handled).done] == [1, 1]
    assert [day.world.states(number) for number in numbers] == [["waiting"], ["waiting"]]
    (mail,) = day.wake(MORNING + timedelta(days=1))
    assert mail.to == "tanaka@example.ac.jp"
    assert day.reply(mail, "承認", "tanaka").reason is Reason.APPROVED
    assert [day.world.states(number) for number in numbers] == [["approved"], ["approved"]]


def test_what_an_officer_can_not_decide_is_marked_and_alone_brings_no_mail(day: Day) -> None:
    own = day.take("test1", sender="suzuki@example.ac.jp")
    day.take("test2")
    third = day.take("test3")
    suzuki, tanaka = day.wake()
    assert isinstance(suzuki.letter, OfficerBatch)
    assert isinstance(tanaka.letter, OfficerBatch)
    marks = {part.application.number: (part.mine, part.not_now) for part in suzuki.letter.parts}
    assert marks[own] == ((), Reason.OWN_APPLICATION)
    assert (suzuki.letter.approve, tanaka.letter.approve) == ((2, 3), (1, 2, 3))
    day.world.decide("承認", third)
    assert [mail.to for mail in day.wake(MORNING + timedelta(days=1))] == ["tanaka@example.ac.jp"]


def test_urgent_ones_come_first_and_revocations_stand_together(day: Day) -> None:
    issue, revoke, urgent = day.take("test1"), day.take("test2"), day.take("test3")
    day.make_revocation(revoke)
    day.make_revocation(urgent, RevocationReason.KEY_COMPROMISE)
    letter = day.wake()[0].letter
    assert isinstance(letter, OfficerBatch)
    assert [p.application.number for p in letter.parts] == [urgent, revoke, issue]
    assert [p.is_urgent for p in letter.parts] == [True, False, False]
    assert (letter.revoke, letter.approve) == ((1, 2), (3,))


def test_more_than_fit_are_left_out_whole_the_latest_first(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.batch_mail.MOST_ROWS", 3)
    first, second, third = day.take("test1"), day.take("test2", "test3", "test4"), day.take("test5", "test6")
    letter = day.wake()[0].letter
    assert isinstance(letter, OfficerBatch)
    assert [p.application.number for p in letter.parts] == [first, third]
    assert letter.left_out == (second,)


def test_what_is_held_or_over_is_not_in_it(day: Day) -> None:
    held, done, *_ = day.take("test1"), day.take("test2"), day.take("test3"), day.take("test4", "test5")
    day.world.decide("保留: 確認中", held)
    day.world.decide("承認", done)
    sheet = sheet_of(day.wake()[0])
    assert not {held, done} & {part.number for part in sheet.parts}
    assert len(sheet.rows) == 3
    assert day.wake(MORNING + timedelta(days=40)) == []  # past every deadline


def test_what_is_past_its_deadline_is_not_in_it_before_the_lapse_is_recorded(day: Day) -> None:
    late = day.take("test1")
    day.world.now = MORNING + timedelta(days=19)
    day.take("test2")
    day.take("test3")
    sheet = sheet_of(day.wake(MORNING + timedelta(days=20))[0])
    assert len(sheet.parts) == 2
    assert late not in {part.number for part in sheet.parts}


# the reply


def test_one_line_approves_every_application_and_each_colleague_hears_once_of_each(day: Day) -> None:
    numbers = [day.take("test1", "test2"), day.take("test3")]
    handled = day.reply(day.wake()[0], "承認")
    assert (handled.reason, handled.filed, handled.number) == (
        Reason.APPROVED,
        Filed.DONE,
        "B-20261125-testkikan",
    )
    assert letters(handled) == [
        ("suzuki@example.ac.jp", "officer.batch_answer"),
        ("tanaka@example.ac.jp", "officer.decided"),
        ("tanaka@example.ac.jp", "officer.decided"),
    ]
    assert [day.world.states(number) for number in numbers] == [["approved", "approved"], ["approved"]]
    rows = [(row.index, row.seq) for part in answer_of(handled).done for row in part.rows]
    assert rows == [(1, 1), (2, 2), (3, 1)]


def test_rows_are_named_by_the_batch_s_numbers(day: Day) -> None:
    first, second = day.take("test1", "test2"), day.take("test3", "test4")
    mail = day.wake()[0]
    assert day.reply(mail, "承認 2-4 除く 3").reason is Reason.APPROVED
    assert (day.world.states(first), day.world.states(second)) == (
        ["waiting", "approved"],
        ["waiting", "approved"],
    )
    handled = day.reply(mail, "却下 3: 不要です")
    assert handled.reason is Reason.DECLINED
    assert (APPLICANT, "applicant.declined") in letters(handled)
    assert day.world.states(second) == ["declined", "approved"]
    assert day.world.states(first) == ["waiting", "approved"]


def test_revocations_take_their_own_word(day: Day) -> None:
    issue, revoke = day.take("test1"), day.take("test2")
    day.make_revocation(revoke)
    mail = day.wake()[0]  # row 1 is the revocation
    wrong = day.reply(mail, "承認 1-2")
    assert (wrong.reason, wrong.filed) == (Reason.WRONG_VERB, Filed.REFUSED)
    handled = day.reply(mail, "承認")
    assert handled.reason is Reason.APPROVED
    assert [row.index for row in answer_of(handled).revoke] == [1]
    assert (day.world.states(issue), day.world.states(revoke)) == (["approved"], ["waiting"])
    assert day.reply(mail, "失効承認").reason is Reason.APPROVED
    assert day.world.states(revoke) == ["approved"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("承認 9", Reason.ROWS_UNKNOWN),
        ("承認 除く 2-1", Reason.ROWS_UNKNOWN),
        ("失効承認", Reason.WRONG_VERB),
        ("保留: 確認中", Reason.HOLD_IN_BATCH),
        ("再開", Reason.HOLD_IN_BATCH),
        ("却下 1", Reason.REASON_MISSING),
        ("承認\n却下 1: だめ", Reason.TWO_DECISIONS),
        ("お願いします", Reason.NO_DECISION),
        ("承認\n> Row-1 0000000000000000 CN=test1.example.ac.jp", Reason.QUOTE_MISMATCH),
    ],
)
def test_each_fault_of_the_words_stops_the_whole_mail(day: Day, line: str, reason: Reason) -> None:
    numbers = [day.take("test1"), day.take("test2")]
    mail = day.wake()[0]
    handled = day.reply(mail, line)
    assert (handled.reason, handled.filed) == (reason, Filed.REFUSED)
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.batch_answer")]
    assert [row.index for row in answer_of(handled).approve] == [1, 2]
    assert [a.name for a in handled.notices[0].attachments] == ["B-20261125-testkikan.sheet"]
    assert [day.world.states(number) for number in numbers] == [["waiting"], ["waiting"]]


def test_a_row_of_an_application_s_own_mail_is_not_a_row_of_the_batch(day: Day) -> None:
    day.take("test1")
    second = day.take("test2")
    mail = day.wake()[0]
    own = f"Row-1 {row_lines(mail)[1].split()[1]} CN=test2.example.ac.jp"
    assert day.reply(mail, f"承認\n> {own}").reason is Reason.QUOTE_MISMATCH
    assert day.world.states(second) == ["waiting"]


def test_each_application_is_judged_by_itself_and_the_answer_says_what_was_not_done(day: Day) -> None:
    good, held, own, over = (
        day.take("test1"),
        day.take("test2"),
        day.take("test3", sender="suzuki@example.ac.jp"),
        day.take("test4"),
    )
    mail = day.wake()[0]
    day.world.decide("保留: 確認中", held)
    day.world.decide("却下: 不要", over, "tanaka", TANAKA)
    handled = day.reply(mail, "承認")
    assert (handled.reason, handled.filed) == (Reason.PARTLY, Filed.DONE)
    assert [part.number for part in answer_of(handled).done] == [good]
    assert refused(handled) == {
        held: Reason.ON_HOLD,
        own: Reason.OWN_APPLICATION,
        over: Reason.ALREADY_DECIDED,
    }
    states = [day.world.states(number) for number in (good, held, own, over)]
    assert states == [["approved"], ["waiting"], ["waiting"], ["declined"]]


def test_rows_decided_meanwhile_are_left_alone_and_reported(day: Day) -> None:
    first, second = day.take("test1", "test2"), day.take("test3")
    mail = day.wake()[0]
    day.world.decide("却下 1: 不要", first, "tanaka", TANAKA)
    handled = day.reply(mail, "承認")
    assert handled.reason is Reason.PARTLY
    assert refused(handled) == {first: Reason.ALREADY_DECIDED}
    assert [r.index for part in answer_of(handled).not_done for r in part.rows] == [1]
    assert day.world.states(first) == ["declined", "approved"]
    assert day.world.states(second) == ["approved"]


def test_a_named_row_that_is_decided_already_decides_nothing_of_its_neighbour(day: Day) -> None:
    first, second = day.take("test1", "test2"), day.take("test3")
    mail = day.wake()[0]
    day.world.decide("却下 1: 不要", first, "tanaka", TANAKA)
    handled = day.reply(mail, "承認 1")
    assert (handled.reason, handled.filed) == (Reason.ALREADY_DECIDED, Filed.REFUSED)
    assert (day.world.states(first), day.world.states(second)) == (["declined", "waiting"], ["waiting"])


def test_an_application_frozen_anew_is_not_decided_by_the_old_batch(day: Day) -> None:
    first, second = day.take("test1"), day.take("test2")
    mail = day.wake()[0]
    with writing(day.world.engine) as session:
        other = session.get_one(Application, second)
        session.get_one(Application, first).sheet_sha256 = other.file_sha256
    handled = day.reply(mail, "承認")
    assert (handled.reason, refused(handled)) == (Reason.PARTLY, {first: Reason.SHEET_VOID})
    assert (day.world.states(first), day.world.states(second)) == (["waiting"], ["approved"])


def test_after_the_deadline_nothing_of_it_is_approved(day: Day) -> None:
    numbers = [day.take("test1"), day.take("test2")]
    mail = day.wake()[0]
    day.world.now = MORNING + timedelta(days=30)
    handled = day.reply(mail, "承認")
    assert (handled.reason, handled.filed) == (Reason.LAPSED, Filed.REFUSED)
    assert [day.world.states(number) for number in numbers] == [["waiting"], ["waiting"]]


def test_yesterday_s_batch_may_be_answered_today(day: Day) -> None:
    numbers = [day.take("test1"), day.take("test2")]
    yesterday = day.wake()[0]
    third = day.take("test3")
    today = day.wake(MORNING + timedelta(days=1))[0]
    assert sheet_of(today).rows[:2] == sheet_of(yesterday).rows
    assert day.reply(yesterday, "承認").reason is Reason.APPROVED
    assert [day.world.states(number) for number in (*numbers, third)] == [
        ["approved"],
        ["approved"],
        ["waiting"],
    ]
    handled = day.reply(today, "承認")
    assert handled.reason is Reason.PARTLY
    assert refused(handled) == dict.fromkeys(numbers, Reason.REPEATED)
    assert day.world.states(third) == ["approved"]


def test_officers_of_another_institution_learn_nothing_of_a_batch(day: Day) -> None:
    number = day.take("test1")
    day.take("test2")
    mail = day.wake()[0]
    other = day.world.register.institutions["testkikan"].model_copy(update={"id": "other"})
    institutions = {**day.world.register.institutions, "other": other}
    day.world.register = type(day.world.register)(institutions, "f" * 64)
    assert isinstance(mail.letter, OfficerBatch)
    ours = signed(f"承認\n> {mail.letter.code}\n")
    assert ours.signature
    handled = day.world.receive(replace(ours, signature=replace(ours.signature, institution="other")))
    assert (handled.reason, handled.filed) == (Reason.FOREIGN_INSTITUTION, Filed.REFUSED)
    letter = answer_of(handled)
    assert (letter.code, letter.approve, letter.done, letter.not_done) == (None, (), (), ())
    assert day.world.states(number) == ["waiting"]


def test_AP1_one_signed_text_has_one_effect(day: Day) -> None:
    held, number = day.take("test1"), day.take("test2")
    mail = day.wake()[0]
    day.world.decide("保留: 確認中", held)
    assert isinstance(mail.letter, OfficerBatch)
    reply = signed(f"承認\n> {mail.letter.code}\n", received_at=day.world.now)
    assert day.world.receive(reply).reason is Reason.PARTLY
    day.world.decide("再開", held)
    again = replace(reply, raw=reply.raw + b" kept by somebody")
    handled = day.world.receive(again)
    assert (handled.reason, handled.filed) == (Reason.REPEATED, Filed.DONE)
    assert (day.world.states(held), day.world.states(number)) == (["waiting"], ["approved"])
    with reading(day.world.engine) as session:
        query = select(func.count()).select_from(Decision).where(Decision.number == number)
        assert session.scalar(query) == 1


@pytest.mark.parametrize(("line", "reason"), [("承認", Reason.ON_HOLD), ("承認 9", Reason.ROWS_UNKNOWN)])
def test_AP1_a_batch_of_which_nothing_was_done_stays_refused(day: Day, line: str, reason: Reason) -> None:
    numbers = [day.take("test1"), day.take("test2")]
    mail = day.wake()[0]
    for number in numbers:
        day.world.decide("保留: 確認中", number)
    assert isinstance(mail.letter, OfficerBatch)
    reply = signed(f"{line}\n> {mail.letter.code}\n", received_at=day.world.now)
    assert day.world.receive(reply).reason is reason
    for number in numbers:
        day.world.decide("再開", number)
    again = day.world.receive(replace(reply, raw=reply.raw + b" kept by somebody"))
    assert again.reason is Reason.SIGNATURE_REUSED
    assert [day.world.states(number) for number in numbers] == [["waiting"], ["waiting"]]


def test_two_codes_decide_nothing(day: Day) -> None:
    number = day.take("test1")
    day.take("test2")
    handled = day.reply(day.wake()[0], f"承認\n> {day.world.code(number)}")
    assert handled.reason is Reason.TWO_CODES
    assert day.world.states(number) == ["waiting"]


def test_a_reply_to_one_application_still_decides_that_one_alone(day: Day) -> None:
    first, second = day.take("test1"), day.take("test2")
    day.wake()
    assert day.world.decide("承認", first).reason is Reason.APPROVED
    assert (day.world.states(first), day.world.states(second)) == (["approved"], ["waiting"])


def test_sixty_applications_are_decided_by_one_signature_and_proven_row_by_row(day: Day) -> None:
    """Over 200 rows; what the store says was approved is what the signed text proves, application by application."""
    numbers = [day.take(*(f"test{n}-{row}" for row in range(1 + n % 6))) for n in range(60)]
    mail = day.wake()[0]
    sheet = sheet_of(mail)
    assert (len(sheet.parts), len(sheet.rows)) == (60, 210)
    left_out = {3, 7, *range(100, 111)}
    assert isinstance(mail.letter, OfficerBatch)
    text = f"承認 1-205 除く 3,7,100-110\n\n> {mail.letter.code}\n" + "".join(
        f"> {line}\n" for line in row_lines(mail)
    )
    handled = day.world.receive(signed(text, received_at=day.world.now))
    assert handled.reason is Reason.APPROVED
    expected = {(r.number, r.seq) for r in sheet.rows if r.index <= 205 and r.index not in left_out}
    assert len(letters(handled)) == 1 + len({number for number, _ in expected})
    with reading(day.world.engine) as session:
        approved = session.scalars(select(Entry).where(Entry.state == EntryState.APPROVED))
        assert {(entry.number, entry.seq) for entry in approved} == expected
        proven = set()
        for number in numbers:
            application = session.get_one(Application, number)
            case = case_of(session, application)
            assert case
            signed_text = SignedText(text, frozenset())
            rows = approved_rows(case, signed_text, [(code_of(sheet.render()), sheet)])
            proven |= {(number, seq) for seq in rows}
            for decision in applications.decisions_on(session, number):
                assert decision.code == code_of(sheet.render())
        assert proven == expected


def test_a_policy_that_changed_after_the_batch_voids_it_and_asks_anew(day: Day) -> None:
    numbers = [day.take("test1"), day.take("test2")]
    mail = day.wake()[0]
    day.world.change_institution(policies=policies(approvals=2))
    handled = day.reply(mail, "承認")
    assert (handled.reason, handled.filed) == (Reason.SHEET_VOID, Filed.REFUSED)
    assert refused(handled) == dict.fromkeys(numbers, Reason.SHEET_VOID)
    asked = [to for to, template in letters(handled) if template == "officer.approval_request"]
    assert sorted(asked) == ["suzuki@example.ac.jp"] * 2 + ["tanaka@example.ac.jp"] * 2
    assert [day.world.states(number) for number in numbers] == [["waiting"], ["waiting"]]
    assert day.reply(day.wake(MORNING + timedelta(days=1))[0], "承認").reason is Reason.APPROVED


def test_rows_of_one_application_that_stand_differently_are_told_apart(day: Day) -> None:
    day.world.change_institution(policies=policies(approvals=2))
    first, second = day.take("test1", "test2"), day.take("test3")
    day.world.decide("承認 1", first)
    mail = day.wake()[0]
    assert isinstance(mail.letter, OfficerBatch)
    assert (mail.letter.approve, mail.letter.parts[0].not_now) == ((2, 3), Reason.REPEATED)
    handled = day.reply(mail, "承認")
    assert (handled.reason, refused(handled)) == (Reason.PARTLY, {first: Reason.REPEATED})
    assert [row.index for part in answer_of(handled).done for row in part.rows] == [2, 3]
    assert day.reply(mail, "承認", "tanaka").reason is Reason.APPROVED
    assert (day.world.states(first), day.world.states(second)) == (["approved", "approved"], ["approved"])
