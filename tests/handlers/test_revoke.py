"""From an approved revocation to a revoked certificate: intent first, once, and only what was approved."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from handlers.frozen import open_frozen
from handlers.letters.applicant import ApplicantRevoked
from handlers.letters.officer import OfficerRevoked
from handlers.notices import Notice
from handlers.rules.order import Revoked
from handlers.rules.row_errors import RowError
from store import journal
from store.states import Kind
from store.tables import Application, Certificate, Entry, JournalEntry
from store.transaction import reading, writing
from tests.applications import APPLICANT, NOW, TANAKA, policies
from tests.revocations import RevocationDesk, open_desk, revoke_line

OFFICERS = ["suzuki@example.ac.jp", "tanaka@example.ac.jp"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RevocationDesk]:
    opened = open_desk(tmp_path)
    yield opened
    opened.world.engine.dispose()


def refusals(notices: list[Notice]) -> list[int]:
    """The codes that the officers are told."""
    letters = [n.letter for n in notices if n.letter.template == "officer.not_issued"]
    return [e.code for row in letters[0].rows for e in row.errors] if letters else []  # type: ignore[union-attr]


def codes(orders: list[tuple[int, Revoked | tuple[RowError, ...]]]) -> list[int]:
    return [e.code for _, order in orders if isinstance(order, tuple) for e in order]


def change(desk: RevocationDesk, table: type, where: object, **values: object) -> None:
    with writing(desk.world.engine) as session:
        session.execute(update(table).where(where).values(**values))  # type: ignore[arg-type]


def test_the_intent_is_written_down_before_anything_is_revoked(desk: RevocationDesk) -> None:
    serial = desk.issue()
    number = desk.ask(revoke_line(serial))
    assert desk.plan(number) == []
    assert desk.world.states(number) == ["signing"]
    assert desk.revoked() == {}
    assert [order for _, order in desk.orders(number)] == [Revoked(serial, NOW, 4)]
    with reading(desk.world.engine) as session:
        last = session.scalars(select(JournalEntry).order_by(JournalEntry.seq.desc())).first()
        assert last is not None
        facts = json.loads(last.facts)
    assert last.event == "intended"
    assert facts.pop("row")
    assert facts == {"number": number, "seq": 1, "serial": str(serial), "kind": "revoke"}


def test_a_plan_made_twice_changes_nothing(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.plan(number)
    events = desk.events()
    assert desk.plan(number) == []
    assert desk.events() == events


def test_a_crash_after_the_record_revokes_and_tells_once(desk: RevocationDesk) -> None:
    serial = desk.issue()
    number = desk.ask(revoke_line(serial))
    desk.plan(number)
    orders = desk.orders(number)
    assert desk.record(orders)
    told, when = desk.events(), desk.revoked()
    desk.wait(hours=1)
    assert desk.record(orders) == []
    assert desk.orders(number) == []
    assert (desk.events(), desk.revoked()) == (told, when)
    assert when == {serial: (NOW, 4)}
    assert desk.world.states(number) == ["revoked"]
    assert told.count("revoked") == 1


def test_officers_and_the_contact_given_at_issue_time_are_told(desk: RevocationDesk) -> None:
    serial = desk.issue(c10="first@example.ac.jp")
    number = desk.ask(revoke_line(serial, c5="1", c10="new@example.ac.jp"), sender="deputy@example.ac.jp")
    desk.plan(number)
    notices = desk.record(desk.orders(number))
    assert [n.to for n in notices] == ["first@example.ac.jp", "deputy@example.ac.jp", *OFFICERS]
    dn = ("CN=test1.example.ac.jp", "O=testkikan", "L=Chiyoda-ku", "ST=Tokyo", "C=JP")
    assert notices[0].letter == ApplicantRevoked(number, dn, serial, 1)
    assert notices[1].letter == ApplicantRevoked(number, dn, serial, 1)
    assert notices[2].letter == OfficerRevoked(number, dn, serial, 1)
    assert notices[2].sign is not None
    assert notices[0].thread == ()
    assert len(notices[1].thread) == 1


def test_a_sender_who_is_the_contact_is_told_once(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.plan(number)
    assert [n.to for n in desk.record(desk.orders(number))] == [APPLICANT, *OFFICERS]


TAMPERINGS = {
    "raw_line": b"other",
    "subject_dn": "CN=evil.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP",
    "old_serial": "2" * 29,
    "reason": 0,
    "comment": "Evil",
    "contact_mail": "evil@example.ac.jp",
}


@pytest.mark.parametrize("column", TAMPERINGS)
def test_a_changed_row_revokes_nothing(desk: RevocationDesk, column: str) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    change(desk, Entry, Entry.number == number, **{column: TAMPERINGS[column]})
    notices = desk.plan(number)
    assert desk.world.states(number) == ["failed"]
    assert refusals(notices) == [931]
    assert "monitor.alarm" in [n.letter.template for n in notices]


@pytest.mark.parametrize("column", TAMPERINGS)
def test_a_row_changed_after_the_intent_is_on_no_list(desk: RevocationDesk, column: str) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.plan(number)
    change(desk, Entry, Entry.number == number, **{column: TAMPERINGS[column]})
    assert codes(desk.orders(number)) == [931]


def test_the_word_that_approves_an_issue_proves_no_revocation(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()), line=None)
    change(desk, Application, Application.number == number, kind="issue")
    desk.decide("承認", number)
    change(desk, Application, Application.number == number, kind="revoke")
    desk.round()
    assert desk.world.states(number) == ["failed"]
    assert refusals(desk.notices) == [930]


@pytest.mark.parametrize("kind", ["issue", "renew"])
def test_a_row_moved_to_another_kind_of_application_revokes_nothing(desk: RevocationDesk, kind: str) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.plan(number)
    change(desk, Application, Application.number == number, kind=kind)
    assert desk.orders(number) == []
    desk.round()
    assert desk.revoked() == {}


def test_a_sheet_of_one_kind_proves_no_row_of_another(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    with reading(desk.world.engine) as session:
        application, ctx = session.get_one(Application, number), desk.world.context(session)
        frozen = open_frozen(ctx, application)
        assert frozen is not None
        assert frozen.row(application.entries[0]) is not None
        application.kind = Kind.ISSUE
        assert open_frozen(ctx, application) is None


def test_PGP5_an_approval_that_verifies_no_longer_revokes_nothing(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    assert refusals(desk.plan(number, proven={})) == [930]
    assert desk.world.states(number) == ["failed"]


def test_one_of_two_officers_is_not_enough(desk: RevocationDesk) -> None:
    desk.world.change_institution(policies=policies(approvals=2))
    serial = _issued_by_two(desk)
    number = desk.ask(revoke_line(serial))
    desk.decide("失効承認", number, "tanaka", TANAKA)
    assert desk.world.states(number) == ["approved"]
    first = min(desk.proven(number))
    assert refusals(desk.plan(number, proven={first: frozenset({1})})) == [930]


def _issued_by_two(desk: RevocationDesk) -> int:
    two = desk.world.register
    desk.world.change_institution(policies=policies(approvals=1))
    serial = desk.issue()
    desk.world.register = two
    return serial


def revoke_first(desk: RevocationDesk, serial: int) -> None:
    change(desk, Certificate, Certificate.serial == str(serial), revoked_at=NOW, revocation_reason=0)


def expire(desk: RevocationDesk, serial: int) -> None:
    desk.wait(days=397)


def give_to_another_ca(desk: RevocationDesk, serial: int) -> None:
    change(desk, Certificate, Certificate.serial == str(serial), issuer="0" * 64)


def give_to_another_institution(desk: RevocationDesk, serial: int) -> None:
    with writing(desk.world.engine) as session:
        certificate = session.scalars(select(Certificate).where(Certificate.serial == str(serial))).one()
        certificate.entry.application.institution = "other"


def exchange_names(desk: RevocationDesk, serial: int) -> None:
    """The store says that the serial of another name's certificate is this one's."""
    other = desk.issue("test9.example.ac.jp")
    change(desk, Certificate, Certificate.serial == str(serial), der=desk.leaf(other))


@pytest.mark.parametrize(
    "happen", [revoke_first, expire, give_to_another_ca, give_to_another_institution, exchange_names]
)
@pytest.mark.parametrize("is_planned", [False, True])
def test_OWN1_what_is_no_longer_revocable_is_902(
    desk: RevocationDesk, happen: object, is_planned: bool
) -> None:
    serial = desk.issue()
    number = desk.ask(revoke_line(serial))
    if is_planned:
        desk.plan(number)
    happen(desk, serial)  # type: ignore[operator]
    assert (codes(desk.orders(number)) if is_planned else refusals(desk.plan(number))) == [902]


def test_the_last_second_of_a_certificate_is_in_time(desk: RevocationDesk) -> None:
    serial = desk.issue()
    number = desk.ask(revoke_line(serial))
    desk.world.now = _not_after(desk, serial)
    assert desk.plan(number) == []


def _not_after(desk: RevocationDesk, serial: int) -> datetime:
    with reading(desk.world.engine) as session:
        return session.scalars(select(Certificate.not_after).where(Certificate.serial == str(serial))).one()


def test_one_failing_row_stops_all_unless_the_officer_said_otherwise(desk: RevocationDesk) -> None:
    names = [f"test{i}.example.ac.jp" for i in range(1, 5)]
    lines = [revoke_line(desk.issue(name), name) for name in names]
    stopped, chosen = desk.ask(*lines[:2]), desk.ask(*lines[2:], line="失効承認 有効分のみ")
    change(desk, Entry, (Entry.seq == 2) & Entry.number.in_([stopped, chosen]), comment="changed")
    desk.plan(stopped)
    desk.plan(chosen)
    assert desk.world.states(stopped) == ["failed", "failed"]
    assert desk.world.states(chosen) == ["signing", "failed"]


def test_of_two_rows_for_one_certificate_the_oldest_has_it(desk: RevocationDesk) -> None:
    serial = desk.issue()
    first = desk.ask(revoke_line(serial, c5="1"))
    # as two applications that were judged at the same moment
    change(desk, Entry, Entry.number == first, old_serial=None)
    second = desk.ask(revoke_line(serial, c5="5"))
    change(desk, Entry, Entry.number == first, old_serial=str(serial))
    for number in (first, second):
        desk.plan(number)
    orders = desk.orders(first, second)
    assert orders[0][1] == Revoked(serial, NOW, 1)
    assert codes(orders[1:]) == [902]


def test_an_institution_that_is_no_longer_active_may_still_revoke(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.world.change_institution(active=False)
    assert desk.plan(number) == []
    assert desk.world.states(number) == ["signing"]


def test_the_journal_holds_after_all_this(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.plan(number)
    desk.record(desk.orders(number))
    with reading(desk.world.engine) as session:
        assert journal.first_fault(session) is None
