"""From approval to certificate: intent first, once, and only for what was approved."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from handlers import issue
from handlers.issue import Issuer
from handlers.letters.applicant import ApplicantDownload
from handlers.notices import Notice
from handlers.proof import Proven, case_of, proven_rows
from store import applications, certificates, journal
from store.states import Verb
from store.tables import Application, Blob, Certificate, Decision, Entry, JournalEntry
from store.transaction import reading, writing
from tests.applications import APPLICANT, NOW, TANAKA, DeskWorld, policies, signed, tsv_line
from tests.issued import a_certificate
from tests.reserved import an_issuer


def all_proven(world: DeskWorld, number: str) -> Proven:
    """As if every stored decision had verified again."""
    with reading(world.engine) as session:
        return {
            d.id: frozenset(json.loads(d.rows))
            for d in applications.decisions_on(session, number)
            if d.verb is Verb.APPROVE
        }


def plan(world: DeskWorld, number: str, proven: Proven | None = None) -> list[Notice]:
    proven = all_proven(world, number) if proven is None else proven
    with writing(world.engine) as session:
        application = session.get_one(Application, number)
        return issue.plan(world.context(session), application, proven, an_issuer())


def intents(world: DeskWorld) -> list[Certificate]:
    with reading(world.engine) as session:
        return list(certificates.unsigned(session, 100))


def faults(world: DeskWorld, der: bytes | None = None) -> list[int]:
    with reading(world.engine) as session:
        ctx = world.context(session)
        pending = certificates.unsigned(session, 100)
        found = list(issue.find_faults(ctx, [(c, der) for c in pending]).values())
        return [error.code for errors in found for error in errors]


def approved(world: DeskWorld, *lines: str, line: str = "承認") -> str:
    number = world.take(*lines or (tsv_line(), tsv_line("test2.example.ac.jp")))
    world.decide(line, number)
    return number


def events(world: DeskWorld) -> list[str]:
    with reading(world.engine) as session:
        return list(session.scalars(select(JournalEntry.event).order_by(JournalEntry.seq)))


def test_the_intent_is_written_down_before_anything_is_signed(world: DeskWorld) -> None:
    number = approved(world)
    assert plan(world, number) == []
    assert world.states(number) == ["signing", "signing"]
    first, second = intents(world)
    assert first.serial != second.serial
    assert (first.not_before, first.not_after) == (NOW, NOW + timedelta(days=396, seconds=-1))
    assert events(world)[-2:] == ["intended", "intended"]


def test_a_plan_made_twice_reserves_one_serial(world: DeskWorld) -> None:
    number = approved(world)
    plan(world, number)
    before = [intent.serial for intent in intents(world)]
    plan(world, number)
    assert [intent.serial for intent in intents(world)] == before


def test_without_enough_serials_rows_wait_for_the_next_round(world: DeskWorld) -> None:
    number = approved(world)
    proven = all_proven(world, number)
    with writing(world.engine) as session:
        few = Issuer("c" * 64, NOW + timedelta(days=900), an_issuer().reserved[:1])
        assert issue.plan(world.context(session), session.get_one(Application, number), proven, few) == []
    assert world.states(number) == ["approved", "approved"]


def test_CSR2_a_key_that_was_listed_after_its_approval_is_not_issued(world: DeskWorld) -> None:
    number = approved(world)
    with reading(world.engine) as session:
        first = session.scalars(select(Entry).order_by(Entry.seq)).first()
        assert first is not None
        world.blocked_keys = frozenset({first.public_key_sha256})
    notices = plan(world, number)
    assert world.states(number) == ["failed", "failed"]  # STOP_ALL
    errors = [error for row in notices[0].letter.rows for error in row.errors]  # type: ignore[union-attr]
    assert [(error.code, error.values) for error in errors] == [(919, ("blocked",))]


def test_a_second_certificate_for_a_row_is_refused_by_the_table(world: DeskWorld) -> None:
    number = approved(world, tsv_line())
    plan(world, number)

    def intend_again() -> None:
        with writing(world.engine) as session:
            entry = session.scalars(select(Entry)).one()
            certificates.intend(session, entry, issuer="c" * 64, serial=2**95, not_before=NOW, not_after=NOW)

    with pytest.raises(IntegrityError, match="(?i)unique"):
        intend_again()


def test_validity_never_outlives_the_ca(world: DeskWorld) -> None:
    number = approved(world, tsv_line())
    proven = all_proven(world, number)
    with writing(world.engine) as session:
        application = session.get_one(Application, number)
        issue.plan(world.context(session), application, proven, an_issuer(NOW + timedelta(days=5)))
    assert intents(world)[0].not_after == NOW + timedelta(days=5)


def test_each_contact_gets_one_mail_with_a_url_a_row(world: DeskWorld) -> None:
    number = approved(
        world,
        tsv_line(),
        tsv_line("test2.example.ac.jp"),
        tsv_line("test3.example.ac.jp", c10="b@example.ac.jp"),
    )
    plan(world, number)
    with writing(world.engine) as session:
        pending = certificates.unsigned(session, 10)
        notices = issue.record(world.context(session), [(c, b"DER") for c in pending])
    assert [n.to for n in notices] == [APPLICANT, "b@example.ac.jp"]
    letter = notices[0].letter
    assert isinstance(letter, ApplicantDownload)
    assert [d.seq for d in letter.downloads] == [1, 2]
    assert len({d.url for d in letter.downloads}) == 2
    assert all(d.url.startswith("https://ra.example.ac.jp/d/") for d in letter.downloads)
    assert world.states(number) == ["issued"] * 3


TAMPERINGS = {
    "raw_line": b"other",
    "subject_dn": "CN=evil.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP",
    "fqdn": "evil.example.ac.jp",
    "dns_names": "test1.example.ac.jp\nevil.example.ac.jp",
    "profile_id": 3,
    "csr": b"other",
    "public_key_sha256": "0" * 64,
    "contact_mail": "evil@example.ac.jp",
    "contact_name": "Evil",
    "contact_department": "Evil",
    "software": "Evil",
}


@pytest.mark.parametrize("column", TAMPERINGS)
def test_a_changed_row_is_never_issued(world: DeskWorld, column: str) -> None:
    number = approved(world, tsv_line())
    with writing(world.engine) as session:
        session.execute(update(Entry).values({column: TAMPERINGS[column]}))
    templates = [n.letter.template for n in plan(world, number)]
    assert world.states(number) == ["failed"]
    assert "monitor.alarm" in templates
    assert "applicant.not_issued" in templates
    with reading(world.engine) as session:
        assert session.scalars(select(Certificate)).all() == []


@pytest.mark.parametrize("column", TAMPERINGS)
def test_a_row_changed_after_the_intent_is_not_asked_for(world: DeskWorld, column: str) -> None:
    number = approved(world, tsv_line())
    plan(world, number)
    assert faults(world) == []
    with writing(world.engine) as session:
        session.execute(update(Entry).values({column: TAMPERINGS[column]}))
    assert faults(world) == [931]


def test_a_certificate_of_another_key_is_not_handed_over(world: DeskWorld) -> None:
    plan(world, approved(world, tsv_line()))
    assert faults(world, a_certificate("test1.example.ac.jp", 5)) == [931]


@pytest.mark.parametrize("column", ["code", "institution", "file_sha256", "encoding"])
def test_a_changed_application_is_never_issued(world: DeskWorld, column: str) -> None:
    number = approved(world, tsv_line())
    with writing(world.engine) as session:
        other = session.scalars(
            select(Blob.sha256).where(Blob.sha256 != session.get_one(Application, number).file_sha256)
        ).first()
        value = {"code": "0" * 32, "institution": "gone", "file_sha256": other, "encoding": "latin-1"}[column]
        session.execute(update(Application).values({column: value}))
    plan(world, number)
    assert world.states(number) == ["failed"]


def test_a_changed_sheet_is_never_issued(world: DeskWorld) -> None:
    number = approved(world, tsv_line())
    with writing(world.engine) as session:
        application = session.get_one(Application, number)
        sheet = session.get_one(Blob, application.sheet_sha256)
        session.execute(
            update(Blob)
            .where(Blob.sha256 == sheet.sha256)
            .values(data=sheet.data.replace(b"Rows: 1", b"Rows: 2"))
        )
    plan(world, number)
    assert world.states(number) == ["failed"]


def test_PGP5_an_approval_that_verifies_no_longer_issues_nothing(world: DeskWorld) -> None:
    number = approved(world, tsv_line())
    plan(world, number, proven={})
    assert world.states(number) == ["failed"]


def test_an_approval_row_without_a_proven_signature_does_not_count(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    number = approved(world, tsv_line())
    world.decide("承認", number, "tanaka", TANAKA)
    assert world.states(number) == ["approved"]
    first = min(all_proven(world, number))
    plan(world, number, proven={first: frozenset({1})})
    assert world.states(number) == ["failed"]


def test_one_failing_row_stops_all_unless_the_officer_said_otherwise(world: DeskWorld) -> None:
    stopped = approved(world)
    chosen = approved(
        world, tsv_line("test3.example.ac.jp"), tsv_line("test4.example.ac.jp"), line="承認 有効分のみ"
    )
    with writing(world.engine) as session:
        session.execute(update(Entry).where(Entry.seq == 2).values(software="changed"))
    plan(world, stopped)
    plan(world, chosen)
    assert world.states(stopped) == ["failed", "failed"]
    assert world.states(chosen) == ["signing", "failed"]


def test_a_domain_whose_vetting_ended_meanwhile_is_not_issued(world: DeskWorld) -> None:
    number = approved(world, tsv_line())
    world.now = datetime(2030, 5, 1, tzinfo=UTC)
    notices = plan(world, number)
    assert world.states(number) == ["failed"]
    rows = next(n.letter.rows for n in notices if n.letter.template == "officer.not_issued")  # type: ignore[union-attr]
    assert [error.code for row in rows for error in row.errors] == [921]


def test_the_journal_holds_after_all_this(world: DeskWorld) -> None:
    plan(world, approved(world))
    with reading(world.engine) as session:
        assert journal.first_fault(session) is None


@pytest.mark.parametrize(
    ("text", "proves"),
    [
        ("承認\n> {code}", {1, 2}),
        ("承認 2\n> {code}", {2}),
        ("却下: x\n> {code}", set()),
        ("承認\n> 00000000-00000000-00000000-00000000", set()),
        ("よろしく\n> {code}", set()),
    ],
)
def test_a_decision_proves_exactly_what_its_signed_text_says(
    world: DeskWorld, text: str, proves: set[int]
) -> None:
    number = world.take(tsv_line(), tsv_line("test2.example.ac.jp"))
    mail = signed(text.replace("{code}", world.code(number)))
    assert mail.signature
    with reading(world.engine) as session:
        application = session.get_one(Application, number)
        decision = Decision(
            code=application.code,
            officer="suzuki",
            fingerprint=mail.signature.fingerprint,
            signed_sha256=mail.signature.content.signed_sha256,
        )
        case = case_of(session, application)
        assert case is not None
        assert proven_rows(case, decision, mail) == proves
        decision.fingerprint = TANAKA
        assert proven_rows(case, decision, mail) == set()
