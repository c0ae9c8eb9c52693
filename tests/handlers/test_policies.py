"""Policies as the desk enforces them: n of m, steps in order, none at all, one that changes (threats ID3, AP1)."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from bot.compose.words import Words
from handlers.handled import Handled
from handlers.lapse import end_holds, lapse_overdue
from handlers.letters.officer import OfficerAnswer, OfficerApprovalRequest, OfficerDecided
from handlers.notices import Notice
from handlers.refreeze import refreeze_changed
from handlers.remind import remind
from handlers.rules.reasons import Reason
from handlers.rules.register import Officer, Policy, Step
from handlers.rules.sheet import parse_sheet, policy_digest
from store import inbox
from store.states import ApplicationState
from store.tables import Application, Approval, JournalEntry, VoidSheet
from store.transaction import reading, writing
from tests.applications import (
    APPLICANT,
    SUZUKI,
    TANAKA,
    DeskWorld,
    an_application,
    an_officer,
    letters,
    policies,
    signed,
    tsv,
    tsv_line,
)
from tests.handlers.test_issue import plan
from tests.handlers.test_upload import uploaded

SATO, MORI = "9" * 40, "A" * 40
KEYS = {"suzuki": SUZUKI, "tanaka": TANAKA, "sato": SATO, "mori": MORI}
REQUEST, DECIDED = "officer.approval_request", "officer.decided"


def with_roles(name: str, *roles: str) -> Officer:
    return an_officer(name, KEYS[name]).model_copy(update={"roles": roles})


OFFICERS = (
    with_roles("suzuki", "reviewer"),
    with_roles("tanaka", "manager"),
    with_roles("sato", "reviewer", "manager"),
    with_roles("mori"),
)
STEPS = Policy(name="two-steps", steps=(Step(role="reviewer"), Step(role="manager")))


@pytest.fixture
def steps(world: DeskWorld) -> DeskWorld:
    world.change_institution(officers=OFFICERS, policies=(STEPS,))
    return world


def decide(world: DeskWorld, line: str, number: str, officer: str) -> Handled:
    return world.decide(line, number, officer, KEYS[officer])


def asked(notices: tuple[Notice, ...] | list[Notice]) -> list[str]:
    """Who gets an approval request."""
    return [n.to.partition("@")[0] for n in notices if n.letter.template == REQUEST]


def sweep(world: DeskWorld) -> list[Notice]:
    """What the daily sweep and a reload do."""
    with writing(world.engine) as session:
        ctx = world.context(session)
        return [*end_holds(ctx), *lapse_overdue(ctx), *refreeze_changed(ctx)]


def stored(world: DeskWorld, number: str) -> Application:
    with reading(world.engine) as session:
        found = session.get_one(Application, number)
        session.expunge_all()
        return found


def approvals(world: DeskWorld) -> list[str]:
    with reading(world.engine) as session:
        return list(session.scalars(select(Approval.officer).order_by(Approval.officer)))


def facts(world: DeskWorld, name: str) -> list[dict[str, object]]:
    with reading(world.engine) as session:
        found = session.scalars(select(JournalEntry.facts).where(JournalEntry.event == name))
        return [json.loads(text) for text in found]


# --- n of m, steps


def test_those_whose_turn_it_is_are_asked_and_then_the_next(steps: DeskWorld) -> None:
    taken = steps.receive(an_application(tsv_line()))
    assert asked(taken.notices) == ["suzuki", "sato"]
    assert taken.number
    first = decide(steps, "承認", taken.number, "suzuki")
    assert first.reason is Reason.APPROVED
    assert asked(first.notices) == ["tanaka"]
    sheets = {
        a.data for n in (*taken.notices, *first.notices) for a in n.attachments if a.name.endswith("sheet")
    }
    assert len(sheets) == 1
    told = {n.to.partition("@")[0]: n.letter for n in first.notices if isinstance(n.letter, OfficerDecided)}
    assert {name: (letter.still_needed, letter.role) for name, letter in told.items()} == {
        "tanaka": (1, "manager"),
        "sato": (1, "manager"),
        "mori": (1, "manager"),
    }
    assert [name for name, letter in told.items() if letter.is_your_turn] == ["tanaka", "sato"]
    assert steps.states(taken.number) == ["waiting"]
    last = decide(steps, "承認", taken.number, "tanaka")
    assert (last.reason, asked(last.notices), steps.states(taken.number)) == (
        Reason.APPROVED,
        [],
        ["approved"],
    )


@pytest.mark.parametrize(
    ("officer", "reason"), [("tanaka", Reason.NOT_YOUR_STEP), ("mori", Reason.ROLE_MISSING)]
)
def test_an_approval_out_of_turn_does_not_count_and_never_will(
    steps: DeskWorld, officer: str, reason: Reason
) -> None:
    number = steps.take(tsv_line())
    mail = signed(f"承認\n> {steps.code(number)}\n", officer, KEYS[officer])
    assert steps.receive(mail).reason is reason
    assert approvals(steps) == []
    decide(steps, "承認", number, "suzuki")
    assert steps.receive(replace(mail, raw=mail.raw + b"kept")).reason is Reason.SIGNATURE_REUSED
    assert steps.states(number) == ["waiting"]


def test_ID3_one_person_with_both_roles_does_one_step(steps: DeskWorld) -> None:
    number = steps.take(tsv_line())
    assert decide(steps, "承認", number, "sato").reason is Reason.APPROVED
    assert decide(steps, "承認します", number, "sato").reason is Reason.REPEATED
    assert steps.states(number) == ["waiting"]
    assert decide(steps, "承認", number, "tanaka").reason is Reason.APPROVED
    assert steps.states(number) == ["approved"]


@pytest.mark.parametrize("officer", ["suzuki", "tanaka", "mori"])
def test_any_officer_may_decline_or_hold_and_a_decline_ends_the_row(steps: DeskWorld, officer: str) -> None:
    number = steps.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    decide(steps, "承認", number, "sato")
    assert decide(steps, "保留: 確認中です", number, officer).reason is Reason.HELD
    assert decide(steps, "再開", number, officer).reason is Reason.RESUMED
    assert decide(steps, "却下 2: 不要です", number, officer).reason is Reason.DECLINED
    assert decide(steps, "承認", number, "tanaka").reason is Reason.APPROVED
    assert steps.states(number) == ["approved", "declined"]


def test_rows_at_different_steps_are_counted_each_at_its_own(steps: DeskWorld) -> None:
    number = steps.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    decide(steps, "承認 1", number, "suzuki")
    handled = decide(steps, "承認", number, "tanaka")
    assert handled.reason is Reason.APPROVED
    letter = handled.notices[0].letter
    assert isinstance(letter, OfficerAnswer)
    assert letter.seqs == (1,)
    assert steps.states(number) == ["approved", "waiting"]
    assert decide(steps, "承認 2", number, "tanaka").reason is Reason.NOT_YOUR_STEP
    decide(steps, "承認", number, "suzuki")
    decide(steps, "承認", number, "tanaka")
    assert steps.states(number) == ["approved", "approved"]


def test_only_those_whose_turn_it_is_are_reminded(steps: DeskWorld) -> None:
    number = steps.take(tsv_line())
    decide(steps, "承認", number, "suzuki")
    steps.now += timedelta(days=9)
    with writing(steps.engine) as session:
        notices = remind(steps.context(session))
    assert [n.to.partition("@")[0] for n in notices] == ["tanaka", "sato"]


# --- never the applicant


def test_ID3_the_key_that_uploaded_an_application_does_not_approve_it(world: DeskWorld) -> None:
    number = world.receive(uploaded("申請 発行\n", tsv(tsv_line()))).number
    assert number
    # the address it was mailed from is theirs no more: the key still is
    suzuki, tanaka = world.register.institutions["testkikan"].officers
    moved = suzuki.model_copy(update={"addresses": ("new@example.ac.jp",), "notify": "new@example.ac.jp"})
    world.change_institution(officers=(moved, tanaka))
    assert world.decide("承認", number).reason is Reason.OWN_APPLICATION
    assert world.decide("承認", number, "tanaka", TANAKA).reason is Reason.APPROVED


def test_ID3_no_role_is_exempt(steps: DeskWorld) -> None:
    number = steps.take(tsv_line(c10="sato@example.ac.jp"))
    assert decide(steps, "承認", number, "sato").reason is Reason.OWN_APPLICATION
    assert decide(steps, "却下: 取りやめます", number, "sato").reason is Reason.DECLINED


def test_what_is_uploaded_and_approved_out_of_turn_waits_for_those_whose_turn_it_is(steps: DeskWorld) -> None:
    mail = uploaded("申請承認 発行\n", tsv(tsv_line()))
    assert mail.signature
    mail = replace(mail, sender="tanaka@example.ac.jp", signature=replace(mail.signature, officer="tanaka"))
    handled = steps.receive(mail)
    assert handled.reason is Reason.NOT_YOUR_STEP
    assert handled.number
    assert (asked(handled.notices), steps.states(handled.number)) == (["suzuki", "sato"], ["waiting"])
    assert approvals(steps) == []


# --- no policy


def no_policy(world: DeskWorld) -> None:
    world.change_institution(policies=policies(kinds=("renew",)))


def test_without_a_policy_an_application_is_taken_and_waits(world: DeskWorld) -> None:
    no_policy(world)
    handled = world.receive(an_application(tsv_line()))
    assert handled.reason is Reason.TAKEN
    assert letters(handled) == [
        (APPLICANT, "applicant.received"),
        ("suzuki@example.ac.jp", "officer.waiting"),
        ("tanaka@example.ac.jp", "officer.waiting"),
        ("monitor@example.ac.jp", "monitor.alarm"),
    ]
    assert handled.notices[0].letter.deadline is None  # type: ignore[union-attr]
    assert [a.name for n in handled.notices for a in n.attachments] == []
    assert handled.number
    application = stored(world, handled.number)
    assert (application.state, application.policy) == (ApplicationState.HELD, None)
    assert world.decide("承認", handled.number).reason is Reason.NO_POLICY
    assert world.decide("再開", handled.number).reason is Reason.NO_POLICY
    assert world.states(handled.number) == ["waiting"]


def test_when_a_policy_comes_the_sheet_is_frozen_and_the_clock_starts(world: DeskWorld) -> None:
    no_policy(world)
    number = world.take(tsv_line())
    assert sweep(world) == []
    world.now += timedelta(days=20)
    world.change_institution(policies=policies(name="late"))
    notices = sweep(world)
    assert [(n.to.partition("@")[0], n.letter.template) for n in notices] == [
        ("applicant", "applicant.review_anew"),
        ("suzuki", REQUEST),
        ("tanaka", REQUEST),
    ]
    application = stored(world, number)
    assert (application.state, application.policy, application.held_at) == (
        ApplicationState.OPEN,
        "late",
        None,
    )
    # ten working days after Monday, 14 December 2026
    assert application.deadline.isoformat() == "2026-12-28T14:59:59+00:00"
    assert not any(n.letter.is_anew for n in notices if isinstance(n.letter, OfficerApprovalRequest))
    assert sweep(world) == []
    assert world.decide("承認", number).reason is Reason.APPROVED


def test_without_a_policy_for_all_the_days_of_a_hold_it_lapses(world: DeskWorld) -> None:
    no_policy(world)
    number = world.take(tsv_line())
    world.now += timedelta(days=30)
    assert sweep(world) == []
    world.now += timedelta(seconds=1)
    assert [n.letter.template for n in sweep(world)] == ["applicant.lapsed", *["officer.lapsed"] * 2]
    assert world.states(number) == ["lapsed"]
    assert sweep(world) == []


def test_an_upload_that_nobody_may_approve_is_taken_and_waits(world: DeskWorld) -> None:
    no_policy(world)
    handled = world.receive(uploaded("申請承認 発行\n", tsv(tsv_line())))
    assert handled.reason is Reason.NO_POLICY
    assert handled.number
    assert world.states(handled.number) == ["waiting"]
    assert approvals(world) == []


def test_a_sheet_of_an_application_that_waits_for_a_policy_is_not_sent_again(world: DeskWorld) -> None:
    no_policy(world)
    number = world.take(tsv_line())
    handled = world.receive(signed(f"再送 {number}\n"))
    assert handled.reason is Reason.NO_POLICY
    assert [a.name for n in handled.notices for a in n.attachments] == []


# --- a policy that changes


def test_AP1_a_changed_policy_voids_the_sheet_and_what_was_approved_on_it(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    number = world.take(tsv_line())
    world.decide("承認", number)
    old = stored(world, number)
    world.change_institution(policies=policies(approvals=2, checklist=("印鑑を確かめた",)))
    notices = sweep(world)
    assert [(n.to.partition("@")[0], n.letter.template) for n in notices] == [
        ("applicant", "applicant.review_anew"),
        ("suzuki", REQUEST),
        ("tanaka", REQUEST),
    ]
    assert all(n.letter.is_anew for n in notices[1:])  # type: ignore[union-attr]
    assert approvals(world) == []
    new = stored(world, number)
    with reading(world.engine) as session:
        before, after = (parse_sheet(inbox.blob(session, a.sheet_sha256)) for a in (old, new))
        assert session.get_one(VoidSheet, old.code).number == number
    assert before.nonce != after.nonce
    assert after.policy_sha256 == policy_digest(world.register.institutions["testkikan"].policies[0])
    (voided,) = facts(world, "voided")
    assert (voided["code"], voided["cause"], voided["rows"]) == (old.code, "policy", [1])
    assert len(voided["decisions"]) == 1  # type: ignore[arg-type]
    assert sweep(world) == []
    assert world.decide("承認", number).reason is Reason.APPROVED
    assert world.states(number) == ["waiting"]
    assert world.decide("承認", number, "tanaka", TANAKA).reason is Reason.APPROVED
    assert world.states(number) == ["approved"]


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize("line", ["承認", "却下: 不要です"])
def test_AP1_an_answer_to_the_old_code_brings_the_new_sheet(world: DeskWorld, line: str, swept: bool) -> None:
    number = world.take(tsv_line())
    mail = signed(f"{line}\n> {world.code(number)}\n")
    world.change_institution(policies=policies(name="other"))
    if swept:
        sweep(world)
    handled = world.receive(mail)
    assert handled.reason is Reason.SHEET_VOID
    answer = handled.notices[0]
    assert isinstance(answer.letter, OfficerAnswer)
    assert answer.letter.code == world.code(number)
    assert [a.name for a in answer.attachments] == [f"{number}.sheet"]
    with reading(world.engine) as session:
        sheet = inbox.blob(session, session.get_one(Application, number).sheet_sha256)
    assert answer.attachments[0].data == sheet
    assert asked(handled.notices) == ([] if swept else ["suzuki", "tanaka"])
    assert world.states(number) == ["waiting"]


def test_a_policy_that_goes_away_holds_what_is_open(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    mail = signed(f"承認\n> {world.code(number)}\n")
    no_policy(world)
    templates = [n.letter.template for n in sweep(world)]
    assert templates == ["applicant.review_anew", *["officer.waiting"] * 2, "monitor.alarm"]
    assert stored(world, number).state is ApplicationState.HELD
    handled = world.receive(mail)
    assert handled.reason is Reason.NO_POLICY
    assert handled.notices[0].attachments == ()
    assert world.states(number) == ["waiting"]


def test_a_hold_outlives_a_changed_policy(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    world.decide("保留: 電話で確認中", number)
    world.change_institution(policies=policies(name="other"))
    notices = sweep(world)
    assert asked(notices) == ["suzuki", "tanaka"]
    assert all(n.letter.is_held for n in notices)  # type: ignore[union-attr]
    assert world.decide("承認", number).reason is Reason.ON_HOLD
    assert world.decide("再開", number).reason is Reason.RESUMED
    assert world.decide("承認", number).reason is Reason.APPROVED


def test_officers_who_are_not_in_turn_under_the_new_policy_learn_that_their_code_is_void(
    world: DeskWorld,
) -> None:
    world.change_institution(officers=OFFICERS)
    world.take(tsv_line())
    world.change_institution(policies=(STEPS,))
    found = [(n.to.partition("@")[0], n.letter.template) for n in sweep(world)]
    assert found == [
        ("applicant", "applicant.review_anew"),
        ("suzuki", REQUEST),
        ("sato", REQUEST),
        ("tanaka", "officer.waiting"),
        ("mori", "officer.waiting"),
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_between_approval_and_issuing_a_changed_policy_stops_the_row_and_fails_nothing(
    world: DeskWorld, gone: bool
) -> None:
    number = world.take(tsv_line())
    world.decide("承認", number)
    assert stored(world, number).state is ApplicationState.CLOSED
    no_policy(world) if gone else world.change_institution(policies=policies(approvals=2))
    notices = plan(world, number)
    assert asked(notices) == ([] if gone else ["suzuki", "tanaka"])
    assert world.states(number) == ["waiting"]
    assert approvals(world) == []
    state = ApplicationState.HELD if gone else ApplicationState.OPEN
    assert stored(world, number).state is state
    assert plan(world, number) == []


# --- rows


def test_two_hundred_rows_by_one_signature(world: DeskWorld) -> None:
    world.desk = replace(world.desk, max_rows=10_000)
    taken = {count: world.receive(an_application(*_rows(count))) for count in (50, 200)}
    statements = {count: _count(world, "承認 1-40 除く 3,7", handled) for count, handled in taken.items()}
    # 38 rows in both: what the other rows cost is a few statements at most
    assert statements[200] <= statements[50] + 40, statements
    number = taken[200].number
    assert number
    states = world.states(number)
    assert [n for n, state in enumerate(states, 1) if state == "approved"] == [
        n for n in range(1, 41) if n not in (3, 7)
    ]
    assert world.decide("却下 3,7: 不要です", number).reason is Reason.DECLINED
    rest = {count: _count(world, "承認", handled) for count, handled in taken.items()}
    # 12 (3, 7 and 41-50) and 160 rows: the same for each
    assert rest[200] <= rest[50] + 4 * (160 - 12), rest
    assert set(world.states(number)) == {"approved", "declined"}
    written = Words(world.desk).write(taken[200].notices[1].letter, "ja")
    assert " 他199件 [" in written.subject
    assert len(written.body.encode()) < 300_000


def _rows(count: int) -> list[str]:
    return [tsv_line(f"test{n}.n{count}.example.ac.jp") for n in range(1, count + 1)]


def _count(world: DeskWorld, line: str, handled: Handled) -> int:
    """How many SQL statements it takes."""
    assert handled.number
    statements: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(world.engine, "before_cursor_execute", note)
    assert world.decide(line, handled.number).reason is Reason.APPROVED
    event.remove(world.engine, "before_cursor_execute", note)
    return len(statements)
