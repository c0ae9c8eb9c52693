"""What comes due by time, on a clock that moves: each thing once, and nothing that is over."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from handlers import issue
from handlers.context import Context
from handlers.download import download
from handlers.letters.applicant import ApplicantDownloaded, ApplicantNotDownloaded
from handlers.letters.officer import OfficerNotDownloaded, OfficerReminder, OfficerRevocationReminder
from handlers.notices import Notice
from handlers.plan import plan_decision, plan_fetching, stop_asking_applicant
from handlers.remind import is_anything_due, remind
from store import applications, certificates, dues, inbox, reply_tokens
from store.dues import DueKind
from store.states import Kind, RevocationReason
from store.tables import Application, Due
from store.transaction import reading, writing
from tests.applications import NOW as DESK_NOW
from tests.applications import DeskWorld, policies, tsv_line
from tests.issued import NOW, Issued
from tests.reserved import an_issuer

SERIAL = 1_000_000_000_000_000_000_001
OFFICERS = ["suzuki@testkikan.example.ac.jp", "tanaka@testkikan.example.ac.jp"]


@pytest.fixture
def issued(tmp_path: Path) -> Iterator[Issued]:
    world = Issued(tmp_path)
    yield world
    world.close()


def renewed(issued: Issued) -> None:
    """Row 2 renews row 1 and was fetched at NOW."""
    issued.issue()
    token = issued.issue(replaces=1)
    with issued.writing() as ctx:
        download(ctx, token)


def forgotten(issued: Issued, expires_at: datetime | None = None) -> str:
    """Row 1, issued at NOW; the token of its URL."""
    token = issued.issue(expires_at=expires_at)
    with issued.writing() as ctx:
        plan_fetching(ctx, issued.certificate(ctx, 1))
    return token


def after(issued: Issued, **time: float) -> list[Notice]:
    """What is written when the clock stands at NOW plus `time`."""
    issued.now = NOW + timedelta(**time)
    with issued.writing() as ctx:
        notices = remind(ctx)
        assert not is_anything_due(ctx)
        return notices


def kinds(notices: list[Notice]) -> list[str]:
    return [notice.letter.template for notice in notices]


def test_the_applicant_is_asked_on_days_7_and_13_and_the_officers_on_day_14(issued: Issued) -> None:
    renewed(issued)
    assert after(issued, days=7, seconds=-1) == []
    (seventh,) = after(issued, days=7)
    assert (seventh.to, seventh.sign) == ("yamada@example.ac.jp", None)
    letter = seventh.letter
    assert isinstance(letter, ApplicantDownloaded)
    assert (letter.days, letter.new_serial, letter.old_serial) == (7, SERIAL + 1, SERIAL)
    (thirteenth,) = after(issued, days=13)
    assert isinstance(thirteenth.letter, ApplicantDownloaded)
    assert thirteenth.letter.days == 13
    assert after(issued, days=14, seconds=-1) == []
    notices = after(issued, days=14)
    assert [n.to for n in notices] == OFFICERS
    dn = ("CN=test1.example.ac.jp", "O=testkikan", "L=Chiyoda-ku", "ST=Tokyo", "C=JP")
    for notice in notices:
        assert notice.letter == OfficerRevocationReminder("A-20261122-0001", dn, SERIAL)
        assert notice.attachments == ()  # manual 1-2-9
    assert after(issued, days=300) == []


def test_every_letter_to_the_applicant_holds_a_token_of_its_own(issued: Issued) -> None:
    renewed(issued)
    letters = [after(issued, days=days)[0].letter for days in (7, 13)]
    tokens = [letter.token for letter in letters if isinstance(letter, ApplicantDownloaded)]
    assert len(set(tokens)) == 2
    with issued.reading() as ctx:
        assert all(reply_tokens.find(ctx.session, token) for token in tokens)


@pytest.mark.parametrize("field", ["revoked_at", "not_after"])
def test_nobody_is_asked_about_an_old_certificate_that_is_revoked_or_expired(
    issued: Issued, field: str
) -> None:
    renewed(issued)
    issued.change_certificate(1, **{field: NOW + timedelta(days=1)})
    assert [after(issued, days=days) for days in (7, 13, 14, 60)] == [[]] * 4


def test_who_reported_is_not_asked_again_but_the_officers_are(issued: Issued) -> None:
    renewed(issued)
    with issued.writing() as ctx:
        stop_asking_applicant(ctx, issued.certificate(ctx, 2))
    assert kinds(after(issued, days=13)) == []
    assert kinds(after(issued, days=14)) == ["officer.revocation_reminder"] * 2


def test_a_clock_that_jumps_sixty_days_sends_each_kind_once_and_back_nothing(issued: Issued) -> None:
    renewed(issued)
    notices = after(issued, days=60)
    assert kinds(notices) == ["applicant.downloaded", *["officer.revocation_reminder"] * 2]
    assert isinstance(notices[0].letter, ApplicantDownloaded)
    assert notices[0].letter.days == 13
    for days in (0, 7, 13, 14, 60, 90):
        assert after(issued, days=days) == []


def test_a_forgotten_certificate_is_told_to_its_applicant_then_to_the_officers(issued: Issued) -> None:
    forgotten(issued)
    assert after(issued, days=7, seconds=-1) == []
    (notice,) = after(issued, days=7)
    letter = notice.letter
    assert isinstance(letter, ApplicantNotDownloaded)
    assert (notice.to, letter.serial) == ("yamada@example.ac.jp", SERIAL)
    assert letter.expires_at == NOW + timedelta(days=30)
    notices = after(issued, days=14)
    assert [n.to for n in notices] == OFFICERS
    assert isinstance(notices[0].letter, OfficerNotDownloaded)
    assert (notices[0].letter.contact_name, notices[0].letter.contact_mail) == (
        "山田 太郎",
        "yamada@example.ac.jp",
    )
    assert after(issued, days=60) == []


def test_after_the_url_ended_only_the_officers_hear_of_it(issued: Issued) -> None:
    """The applicant could do nothing with it; an officer can order a new one."""
    forgotten(issued)
    assert kinds(after(issued, days=60)) == ["officer.not_downloaded"] * 2
    for days in (7, 14, 60):
        assert after(issued, days=days) == []


def test_the_days_are_the_desk_s(issued: Issued) -> None:
    issued.desk = replace(issued.desk, not_downloaded_days=(2, 3))
    forgotten(issued)
    assert kinds(after(issued, days=2)) == ["applicant.not_downloaded"]
    assert kinds(after(issued, days=3)) == ["officer.not_downloaded"] * 2


def test_a_certificate_that_was_fetched_is_not_asked_about(issued: Issued) -> None:
    token = forgotten(issued)
    with issued.writing() as ctx:
        download(ctx, token)
        assert ctx.session.query(Due).count() == 0
    assert after(issued, days=60) == []


def test_a_certificate_that_was_revoked_unfetched_is_not_asked_about(issued: Issued) -> None:
    forgotten(issued)
    issued.change_certificate(1, revoked_at=NOW)
    assert after(issued, days=60) == []


def remind_at(world: DeskWorld, now: datetime) -> list[Notice]:
    world.now = now
    with writing(world.engine) as session:
        return remind(world.context(session))


# applied for on Tuesday, November 24; the fifth of ten working days is Tuesday, December 1
HALF = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)  # nine o'clock in Japan


def test_officers_are_reminded_after_half_of_their_working_days_with_the_sheet(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    assert remind_at(world, HALF - timedelta(seconds=1)) == []
    notices = remind_at(world, HALF)
    assert [n.to for n in notices] == ["suzuki@example.ac.jp", "tanaka@example.ac.jp"]
    letter = notices[0].letter
    assert isinstance(letter, OfficerReminder)
    assert (letter.code, letter.officer_name, letter.is_urgent) == (world.code(number), "Suzuki", False)
    with reading(world.engine) as session:
        application = session.get_one(Application, number)
        (sheet,) = notices[0].attachments
        assert (sheet.name, sheet.data) == (f"{number}.sheet", _blob(world.context(session), application))
    assert remind_at(world, HALF + timedelta(days=60)) == []
    assert remind_at(world, HALF) == []


def _blob(ctx: Context, application: Application) -> bytes:
    return inbox.blob(ctx.session, application.sheet_sha256)


def test_holidays_and_weekends_are_not_counted(world: DeskWorld) -> None:
    world.desk = replace(world.desk, holidays=frozenset({datetime(2026, 11, 25, tzinfo=UTC).date()}))
    world.take(tsv_line())
    assert remind_at(world, HALF) == []
    assert len(remind_at(world, HALF + timedelta(days=1))) == 2


def test_who_has_approved_every_waiting_row_is_not_reminded(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    number = world.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    world.decide("承認", number)
    assert [n.to for n in remind_at(world, HALF)] == ["tanaka@example.ac.jp"]


def test_who_has_approved_some_rows_only_is_reminded(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    number = world.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    world.decide("承認 1", number)
    assert len(remind_at(world, HALF)) == 2


@pytest.mark.parametrize("line", ["承認", "却下: 不要"])
def test_nobody_is_reminded_of_what_is_decided(world: DeskWorld, line: str) -> None:
    world.decide(line, world.take(tsv_line()))
    assert remind_at(world, HALF) == []


def test_after_the_deadline_nobody_is_reminded_even_before_the_lapse_is_recorded(world: DeskWorld) -> None:
    world.take(tsv_line())
    assert remind_at(world, DESK_NOW + timedelta(days=60)) == []


def test_on_hold_nobody_is_reminded_and_after_it_the_question_comes_up_again(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    world.decide("保留: 確認中", number)
    assert remind_at(world, HALF) == []
    assert remind_at(world, HALF + timedelta(days=1)) == []
    world.decide("再開", number)
    assert remind_at(world, HALF + timedelta(days=1)) == []
    assert len(remind_at(world, HALF + timedelta(days=2))) == 2


def urgent(world: DeskWorld) -> None:
    """An application as if it asked for a revocation because of a compromised key."""
    number = world.take(tsv_line())
    with writing(world.engine) as session:
        application = session.get_one(Application, number)
        application.kind = Kind.REVOKE
        application.entries[0].reason = RevocationReason.KEY_COMPROMISE
        dues.drop_dues(session, number, (DueKind.DECIDE,))
        plan_decision(world.context(session), application)


def test_a_compromised_key_is_asked_about_after_2_4_and_8_hours(world: DeskWorld) -> None:
    urgent(world)
    counts = [len(remind_at(world, DESK_NOW + timedelta(hours=h))) for h in (1.99, 2, 3, 4, 5, 8, 9, 100)]
    assert counts == [0, 2, 0, 2, 0, 2, 0, 0]


def test_missed_hours_are_made_up_for_by_one_urgent_mail(world: DeskWorld) -> None:
    urgent(world)
    notices = remind_at(world, DESK_NOW + timedelta(hours=5))
    assert kinds(notices) == ["officer.reminder"] * 2
    assert isinstance(notices[0].letter, OfficerReminder)
    assert notices[0].letter.is_urgent
    assert len(remind_at(world, DESK_NOW + timedelta(hours=8))) == 2


def test_what_is_planned_twice_is_there_once_and_what_is_done_does_not_come_back(issued: Issued) -> None:
    with issued.writing() as ctx:
        for _ in range(2):
            dues.plan_due(ctx.session, DueKind.FETCH, "1", NOW)
        (due,) = dues.open_dues(ctx.session, NOW, 10)
        dues.done(ctx.session, due, NOW)
        dues.plan_due(ctx.session, DueKind.FETCH, "1", NOW)
        assert dues.open_dues(ctx.session, NOW, 10) == []
        assert ctx.session.scalars(select(Due.done_at)).all() == [NOW]


def test_more_than_one_round_can_take_is_done_in_the_next_and_none_twice(issued: Issued) -> None:
    for number in range(60):
        issued.issue(f"test{number}.example.ac.jp")
    with issued.writing() as ctx:
        for seq in range(1, 61):
            plan_fetching(ctx, issued.certificate(ctx, seq))
    issued.now = NOW + timedelta(days=14)
    told = []
    while True:
        with issued.writing() as ctx:
            if not is_anything_due(ctx):
                break
            told += remind(ctx)
    assert len(told) == 60 * 3


def test_a_due_that_outlived_the_download_says_nothing(issued: Issued) -> None:
    token = forgotten(issued)
    with issued.writing() as ctx:
        download(ctx, token)
        plan_fetching(ctx, issued.certificate(ctx, 1))
    assert after(issued, days=60) == []


def test_issuing_plans_both_questions_about_the_download(world: DeskWorld) -> None:
    number = world.take(tsv_line())
    world.decide("承認", number)
    with writing(world.engine) as session:
        ctx = world.context(session)
        application = session.get_one(Application, number)
        (decision,) = applications.decisions_on(session, number)
        issuer = an_issuer()
        issue.plan(ctx, application, {decision.id: frozenset({1})}, issuer)
        (certificate,) = certificates.unsigned(session, 10)
        issue.record(ctx, [(certificate, b"DER")])
        fetching = (DueKind.FETCH, DueKind.TELEPHONE)
        planned = session.query(Due).filter(Due.what == certificate.serial, Due.kind.in_(fetching))
        assert [(due.kind, (due.due_at - DESK_NOW).days) for due in planned.order_by(Due.due_at)] == [
            ("not-downloaded", 7),
            ("telephone", 14),
        ]
