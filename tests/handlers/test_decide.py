"""Decisions: who may, in which words, when; and that each has one effect."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from handlers.letters.applicant import ApplicantDeclined
from handlers.rules.reasons import Reason
from store.states import ApplicationState, ErrorMode, Filed
from store.tables import Application, Decision
from store.transaction import writing
from tests.applications import (
    APPLICANT,
    NOW,
    TANAKA,
    DeskWorld,
    a_mail,
    an_application,
    letters,
    policies,
    signed,
    tsv_line,
)


@pytest.fixture
def number(world: DeskWorld) -> str:
    return world.take(tsv_line(), tsv_line("test2.example.ac.jp"))


def test_an_approval_moves_every_row_and_tells_the_colleague(world: DeskWorld, number: str) -> None:
    handled = world.decide("承認", number)
    assert (handled.reason, handled.filed, handled.decision) == (Reason.APPROVED, Filed.DONE, "approve")
    assert letters(handled) == [
        ("suzuki@example.ac.jp", "officer.answer"),
        ("tanaka@example.ac.jp", "officer.decided"),
    ]
    assert world.states(number) == ["approved", "approved"]


def test_named_rows_only_and_the_others_stay_open(world: DeskWorld, number: str) -> None:
    handled = world.decide("承認 2", number)
    assert handled.reason is Reason.APPROVED
    assert [notice.letter.still_needed for notice in handled.notices] == [0, 0]  # type: ignore[union-attr]
    assert world.states(number) == ["waiting", "approved"]
    assert world.decide("却下 1: 不要です", number).reason is Reason.DECLINED
    assert world.states(number) == ["declined", "approved"]


@pytest.mark.parametrize("line", ["承認 除く 2-1", "APPROVE EXCEPT 2-1", "承認 1,2-1", "却下 2-1: 不要です"])
def test_AP3_a_range_that_runs_backwards_decides_nothing(world: DeskWorld, number: str, line: str) -> None:
    assert world.decide(line, number).reason is Reason.ROWS_UNKNOWN
    assert world.states(number) == ["waiting", "waiting"]


def test_a_decline_reaches_the_applicant_with_its_reason(world: DeskWorld, number: str) -> None:
    handled = world.decide("却下: 所属が違います", number)
    told = next(n for n in handled.notices if n.to == APPLICANT)
    assert isinstance(told.letter, ApplicantDeclined)
    assert (told.letter.reason, told.letter.seqs) == ("所属が違います", (1, 2))
    assert world.states(number) == ["declined", "declined"]


def test_SM6_an_unsigned_approval_changes_nothing(world: DeskWorld, number: str) -> None:
    text = f"承認\n\n> コード: {world.code(number)}\n"
    handled = world.receive(a_mail(sender="suzuki@example.ac.jp", subject="Re:", text=text))
    assert (handled.reason, handled.filed) == (Reason.UNSIGNED, Filed.REFUSED)
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]
    assert [a.name for a in handled.notices[0].attachments] == [f"{number}.sheet"]
    assert world.states(number) == ["waiting", "waiting"]


def test_SM6_an_applicant_who_writes_an_approval_learns_nothing_of_it(world: DeskWorld, number: str) -> None:
    handled = world.receive(a_mail(text=f"承認\n\n> コード: {world.code(number)}\n"))
    assert (handled.reason, letters(handled)) == (Reason.UNSIGNED, [(APPLICANT, "applicant.help")])
    assert world.states(number) == ["waiting", "waiting"]


def test_AP1_a_replay_has_no_second_effect_and_the_same_answer(world: DeskWorld, number: str) -> None:
    mail = signed(f"承認\n> {world.code(number)}\n")
    assert world.receive(mail).reason is Reason.APPROVED
    again = replace(mail, key=replace(mail.key, uid=999_999), raw=mail.raw + b" resent")
    assert world.receive(again).reason is Reason.REPEATED
    assert world.decide("承認", number).reason is Reason.REPEATED
    with writing(world.engine) as session:
        assert session.scalar(select(func.count()).select_from(Decision)) == 1


def test_a_different_decision_after_the_end_is_refused(world: DeskWorld, number: str) -> None:
    world.decide("承認", number)
    assert world.decide("却下: やはり不要", number).reason is Reason.ALREADY_DECIDED
    assert world.decide("却下: だめです", number, "tanaka", TANAKA).reason is Reason.ALREADY_DECIDED
    assert world.states(number) == ["approved", "approved"]


def test_an_approval_of_another_application_is_another_code(world: DeskWorld, number: str) -> None:
    other = world.take(tsv_line("test3.example.ac.jp"))
    text = f"承認\n> {world.code(other)}\n"
    assert world.receive(signed(text)).number == other
    assert world.states(number) == ["waiting", "waiting"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("承認\n", Reason.NO_CODE),
        ("承認\n> 00000000-00000000-00000000-00000000\n", Reason.UNKNOWN_CODE),
        ("承認\n> {code}\n> 00000000-00000000-00000000-00000000\n", Reason.TWO_CODES),
        ("承認\n却下: x\n> {code}\n", Reason.TWO_DECISIONS),
        ("よろしく\n> {code}\n", Reason.NO_DECISION),
        ("却下\n> {code}\n", Reason.REASON_MISSING),
        ("失効承認\n> {code}\n", Reason.WRONG_VERB),
        ("承認 1-9\n> {code}\n", Reason.ROWS_UNKNOWN),
        ("承認\n> {code}\n> Row-1 0000000000000000 CN=test1.example.ac.jp\n", Reason.QUOTE_MISMATCH),
        ("再開\n> {code}\n", Reason.NOT_ON_HOLD),
    ],
)
def test_each_fault_has_its_own_reason_and_no_effect(
    world: DeskWorld, number: str, text: str, reason: Reason
) -> None:
    handled = world.receive(signed(text.replace("{code}", world.code(number))))
    assert (handled.reason, handled.filed) == (reason, Filed.REFUSED)
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]
    assert world.states(number) == ["waiting", "waiting"]


def test_a_refused_decision_brings_the_sheet_again(world: DeskWorld, number: str) -> None:
    handled = world.receive(signed(f"承認\n却下: x\n> {world.code(number)}\n"))
    assert [a.name for a in handled.notices[0].attachments] == [f"{number}.sheet"]


def test_officers_act_for_their_own_institution_only(world: DeskWorld, number: str) -> None:
    other = world.register.institutions["testkikan"].model_copy(update={"id": "other"})
    world.register = type(world.register)({**world.register.institutions, "other": other}, "f" * 64)
    mail = signed(f"承認\n> {world.code(number)}\n")
    assert mail.signature
    foreign = replace(mail, signature=replace(mail.signature, institution="other"))
    handled = world.receive(foreign)
    assert handled.reason is Reason.FOREIGN_INSTITUTION
    assert handled.number is None
    assert world.states(number) == ["waiting", "waiting"]


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "suzuki@example.ac.jp"},
        {"sender": "suzuki+web@example.ac.jp"},
        {"lines": [tsv_line(c10="Suzuki@example.ac.jp")]},
    ],
)
def test_ID3_nobody_approves_an_own_application(world: DeskWorld, change: dict) -> None:  # type: ignore[type-arg]
    lines = change.pop("lines", [tsv_line()])
    number = world.take(*lines, **change)
    assert world.decide("承認", number).reason is Reason.OWN_APPLICATION
    assert world.decide("承認", number, "tanaka", TANAKA).reason is Reason.APPROVED


def test_self_approval_must_be_said_aloud(world: DeskWorld) -> None:
    world.change_institution(policies=policies(self_approval=True))
    number = world.take(tsv_line(), sender="suzuki@example.ac.jp")
    assert world.decide("承認", number).reason is Reason.APPROVED


def test_two_approvals_mean_two_people(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    number = world.take(tsv_line())
    first = world.decide("承認", number)
    assert first.reason is Reason.APPROVED
    assert [notice.letter.still_needed for notice in first.notices] == [1, 1]  # type: ignore[union-attr]
    assert world.states(number) == ["waiting"]
    assert world.decide("承認します", number).reason is Reason.REPEATED
    assert world.states(number) == ["waiting"]
    assert world.decide("承認", number, "tanaka", TANAKA).reason is Reason.APPROVED
    assert world.states(number) == ["approved"]


def test_a_hold_stops_the_clock_and_resuming_starts_it(world: DeskWorld, number: str) -> None:
    def deadline() -> object:
        with writing(world.engine) as session:
            return session.get_one(Application, number).deadline

    before = deadline()
    assert world.decide("保留: 電話で確認中", number).reason is Reason.HELD
    assert world.decide("承認", number).reason is Reason.ON_HOLD
    assert world.decide("保留: まだ確認中", number).reason is Reason.REPEATED
    world.now += timedelta(days=7)
    assert world.decide("再開", number).reason is Reason.RESUMED
    assert deadline() == before + timedelta(days=7)  # type: ignore[operator]
    assert world.decide("承認", number).reason is Reason.APPROVED


def test_AP1_an_approval_that_was_refused_does_not_count_when_it_comes_again(
    world: DeskWorld, number: str
) -> None:
    world.decide("保留: 電話で確認中", number)
    mail = signed(f"承認\n> {world.code(number)}\n")
    assert world.receive(mail).reason is Reason.ON_HOLD
    world.decide("再開", number)
    again = replace(mail, raw=mail.raw + b" kept by somebody")
    assert world.receive(again).reason is Reason.SIGNATURE_REUSED
    assert world.states(number) == ["waiting", "waiting"]
    assert world.decide("承認", number).reason is Reason.APPROVED


def test_a_held_application_may_be_declined(world: DeskWorld, number: str) -> None:
    world.decide("保留: 電話で確認中", number)
    assert world.decide("却下: 取りやめ", number).reason is Reason.DECLINED
    with writing(world.engine) as session:
        assert session.get_one(Application, number).state is ApplicationState.CLOSED


def test_the_deadline_counts_by_when_our_server_received_it(world: DeskWorld, number: str) -> None:
    with writing(world.engine) as session:
        deadline = session.get_one(Application, number).deadline
    text = f"承認\n> {world.code(number)}\n"
    assert world.receive(signed(text, received_at=deadline + timedelta(seconds=1))).reason is Reason.LAPSED
    world.now = deadline + timedelta(hours=5)
    assert world.receive(signed(text, received_at=deadline)).reason is Reason.APPROVED


def test_the_officer_chooses_the_error_mode_at_issuing(world: DeskWorld, number: str) -> None:
    world.decide("承認 有効分のみ", number)
    with writing(world.engine) as session:
        assert session.get_one(Application, number).error_mode is ErrorMode.FAULTLESS_ONLY


def test_a_signed_mail_that_carries_a_tsv_is_an_application_and_nothing_more(world: DeskWorld) -> None:
    mail = an_application(tsv_line(), sender="suzuki@example.ac.jp")
    signature = signed("申請します").signature
    handled = world.receive(replace(mail, signature=signature))
    assert handled.reason is Reason.TAKEN
    assert handled.number
    assert world.states(handled.number) == ["waiting"]


def test_a_signed_mail_without_a_decision_gets_help(world: DeskWorld) -> None:
    handled = world.receive(signed("よろしくお願いします"))
    assert (handled.reason, letters(handled)) == (
        Reason.NO_DECISION,
        [("suzuki@example.ac.jp", "officer.answer")],
    )


def test_automatic_looking_headers_do_not_stop_a_signed_decision(world: DeskWorld, number: str) -> None:
    mail = signed(f"承認\n> {world.code(number)}\n", automatic="precedence")
    assert world.receive(mail).reason is Reason.APPROVED


def test_a_signed_text_nobody_can_read_is_answered(world: DeskWorld) -> None:
    mail = signed("x")
    assert mail.signature
    content = replace(mail.signature.content, text=None, text_fault=Reason.HTML_ONLY)
    handled = world.receive(replace(mail, signature=replace(mail.signature, content=content)))
    assert handled.reason is Reason.HTML_ONLY


def test_lapsed_applications_take_no_decision(world: DeskWorld, number: str) -> None:
    from handlers.lapse import lapse_overdue

    world.now = NOW + timedelta(days=30)
    with writing(world.engine) as session:
        notices = lapse_overdue(world.context(session))
    assert sorted({n.letter.template for n in notices}) == ["applicant.lapsed", "officer.lapsed"]
    assert world.states(number) == ["lapsed", "lapsed"]
    assert world.decide("承認", number).reason is Reason.LAPSED
    with writing(world.engine) as session:
        assert lapse_overdue(world.context(session)) == []


def test_a_hold_ends_by_itself(world: DeskWorld, number: str) -> None:
    from handlers.lapse import end_holds

    world.decide("保留: 電話で確認中", number)
    world.now = NOW + timedelta(days=31)
    with writing(world.engine) as session:
        notices = end_holds(world.context(session))
    assert {n.to for n in notices} == {APPLICANT, "suzuki@example.ac.jp", "tanaka@example.ac.jp"}
    assert world.decide("承認", number).reason is Reason.APPROVED
