"""Renewals and revocations as applications (manual 1-2, 1-3): what they must name, and what officers see of it."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from handlers import issue
from handlers.letters.officer import OfficerApprovalRequest
from handlers.rules.reasons import Reason
from handlers.rules.sheet import parse_sheet
from store import applications, certificates
from store.states import Kind, Verb
from store.tables import Application, Certificate
from store.transaction import reading, writing
from tests.applications import (
    APPLICANT,
    TESTKIKAN,
    DeskWorld,
    an_application,
    an_officer,
    codes,
    csr_text,
    letters,
    rsa_key,
    tsv_line,
)
from tests.reserved import an_issuer


def issued(world: DeskWorld, line: str | None = None) -> int:
    """A certificate that went the whole way; its serial."""
    number = world.take(line or tsv_line())
    world.decide("承認", number)
    return issue_all(world, number)


def issue_all(world: DeskWorld, number: str) -> int:
    with reading(world.engine) as session:
        decisions = applications.decisions_on(session, number)
        proven = {d.id: frozenset(json.loads(d.rows)) for d in decisions if d.verb is Verb.APPROVE}
    with writing(world.engine) as session:
        ctx = world.context(session)
        issue.plan(ctx, session.get_one(Application, number), proven, an_issuer())
        issue.record(ctx, [(c, b"DER of " + c.serial.encode()) for c in certificates.unsigned(session, 100)])
        found = session.scalars(select(Certificate.serial).order_by(Certificate.id.desc())).first()
    assert found
    return int(found)


def revocation(serial: int, *, reason: str = "4", comment: str = "", **changes: str) -> str:
    columns = [
        "CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP",
        "",
        "",
        str(serial),
        reason,
        comment,
    ]
    columns += ["", "", "", APPLICANT]
    for name, value in changes.items():
        columns[int(name[1:]) - 1] = value
    return "\t".join(columns)


def refused_codes(world: DeskWorld, line: str, subject: str) -> list[int]:
    handled = world.receive(an_application(line, subject=subject))
    assert handled.reason is Reason.ROW_FAULT, handled
    return codes(handled.notices[0].letter.rows)  # type: ignore[union-attr]


def test_a_renewal_is_taken_and_the_officer_sees_what_changes(world: DeskWorld) -> None:
    serial = issued(world)
    line = tsv_line(c4=str(serial), c12="nginx 1.28", c13="dNSName=www.example.ac.jp")
    handled = world.receive(an_application(line, subject="サーバ証明書更新申請"))
    assert handled.reason is Reason.TAKEN
    letter = handled.notices[1].letter
    assert isinstance(letter, OfficerApprovalRequest)
    assert letter.application.kind is Kind.RENEW
    old = letter.application.entries[0].old
    assert old is not None
    assert (old.serial, old.is_valid) == (serial, True)
    assert [change[0] for change in old.changes] == ["dNSName", "利用管理者ソフトウェア名等"]
    sheet = parse_sheet(handled.notices[1].attachments[1].data)
    assert sheet.kind is Kind.RENEW


def test_the_columns_tell_the_kind_where_the_subject_does_not(world: DeskWorld) -> None:
    serial = issued(world)
    handled = world.receive(an_application(tsv_line(c4=str(serial)), subject="お願い"))
    letter = handled.notices[1].letter
    assert isinstance(letter, OfficerApprovalRequest)
    assert letter.application.kind is Kind.RENEW


def test_a_renewed_certificate_knows_what_it_replaces(world: DeskWorld) -> None:
    serial = issued(world)
    number = world.take(tsv_line(c4=str(serial)), subject="更新")
    world.decide("承認", number)
    new = issue_all(world, number)
    with reading(world.engine) as session:
        certificate = certificates.by_serials(session, [str(new)])[str(new)]
        assert certificate.replaces is not None
        assert certificate.replaces.serial == str(serial)


def test_a_renewal_must_name_a_certificate_of_ours_with_the_same_cn(world: DeskWorld) -> None:
    serial = issued(world)
    assert refused_codes(world, tsv_line(c4="12345678901234567890"), "更新") == [907]
    assert refused_codes(world, tsv_line("test2.example.ac.jp", c4=str(serial)), "更新") == [907]
    assert 201 in refused_codes(world, tsv_line(), "更新")


def test_an_expired_or_revoked_certificate_may_be_renewed(world: DeskWorld) -> None:
    serial = issued(world)
    world.now += timedelta(days=700)
    handled = world.receive(an_application(tsv_line(c4=str(serial)), subject="更新"))
    assert handled.reason is Reason.TAKEN
    letter = handled.notices[1].letter
    assert isinstance(letter, OfficerApprovalRequest)
    assert letter.application.entries[0].old is not None
    assert not letter.application.entries[0].old.is_valid


def test_CSR3_the_old_key_is_refused_on_renewal(world: DeskWorld) -> None:
    csr = csr_text("test1.example.ac.jp", rsa_key())
    serial = issued(world, tsv_line(c2="3", c7=csr))
    assert refused_codes(world, tsv_line(c2="3", c7=csr, c4=str(serial)), "更新") == [906]


def test_a_second_renewal_waits_for_the_first(world: DeskWorld) -> None:
    serial = issued(world)
    world.take(tsv_line(c4=str(serial)), subject="更新")
    assert refused_codes(world, tsv_line(c4=str(serial)), "更新") == [212]


def test_an_issue_that_should_have_been_a_renewal_is_refused(world: DeskWorld) -> None:
    issued(world)
    assert refused_codes(world, tsv_line(), "発行") == [212]


def test_OWN1_somebody_elses_serial_is_refused_and_its_owner_told(world: DeskWorld) -> None:
    serial = issued(world)
    stranger = TESTKIKAN.model_copy(
        update={
            "id": "other",
            "applicant_domains": ("other.ac.jp",),
            "domains": (TESTKIKAN.domains[0].model_copy(update={"name": "other.ac.jp"}),),
            "officers": (an_officer("sato", "9" * 40),),
        }
    )
    world.register = type(world.register)({**world.register.institutions, "other": stranger}, "f" * 64)
    line = tsv_line("test1.other.ac.jp", c4=str(serial), c10="a@other.ac.jp")
    handled = world.receive(an_application(line, subject="更新", sender="a@other.ac.jp"))
    assert codes(handled.notices[0].letter.rows) == [907]  # type: ignore[union-attr]
    assert ("suzuki@example.ac.jp", "officer.foreign_serial") in letters(handled)
    theft = revocation(serial, c10="a@other.ac.jp")
    handled = world.receive(an_application(theft, subject="失効", sender="a@other.ac.jp"))
    assert codes(handled.notices[0].letter.rows) == [902]  # type: ignore[union-attr]
    assert ("suzuki@example.ac.jp", "officer.foreign_serial") in letters(handled)


def test_a_revocation_is_taken_and_needs_its_own_word(world: DeskWorld) -> None:
    serial = issued(world)
    number = world.take(revocation(serial), subject="サーバ証明書失効申請")
    assert world.decide("承認", number).reason is Reason.WRONG_VERB
    assert world.states(number) == ["waiting"]
    handled = world.decide("失効承認", number)
    assert handled.reason is Reason.APPROVED
    assert world.states(number) == ["approved"]


def test_key_compromise_is_urgent(world: DeskWorld) -> None:
    serial = issued(world)
    handled = world.receive(an_application(revocation(serial, reason="1"), subject="失効"))
    letter = next(n.letter for n in handled.notices if n.letter.template == "officer.approval_request")
    assert isinstance(letter, OfficerApprovalRequest)
    assert letter.is_urgent
    assert ("monitor@example.ac.jp", "monitor.alarm") in letters(handled)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"c4": "99999999999999999999"}, 902),
        ({"c1": "CN=test2.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"}, 902),
        ({"c5": "6"}, 914),
        ({"c5": "0"}, 915),
        ({"c10": ""}, 201),
    ],
)
def test_a_wrong_revocation_says_what_is_wrong(world: DeskWorld, changes: dict[str, str], code: int) -> None:
    serial = issued(world)
    assert refused_codes(world, revocation(serial, **changes), "失効") == [code]


@pytest.mark.parametrize(("contact", "warned"), [(APPLICANT, []), ("other@example.ac.jp", [958])])
def test_another_contact_of_a_revocation_is_a_warning(
    world: DeskWorld, contact: str, warned: list[int]
) -> None:
    serial = issued(world)
    handled = world.receive(an_application(revocation(serial, c10=contact), subject="失効"))
    letter = next(n.letter for n in handled.notices if isinstance(n.letter, OfficerApprovalRequest))
    assert [w.code for w in letter.application.entries[0].warnings] == warned


@pytest.mark.parametrize(("contact", "warned"), [(APPLICANT, []), ("other@example.ac.jp", [959])])
def test_another_applicant_of_the_same_institution_is_a_warning(
    world: DeskWorld, contact: str, warned: list[int]
) -> None:
    """OWN1: people leave; the officer decides."""
    serial = issued(world)
    handled = world.receive(an_application(tsv_line(c4=str(serial), c10=contact), subject="更新"))
    letter = next(n.letter for n in handled.notices if isinstance(n.letter, OfficerApprovalRequest))
    assert [w.code for w in letter.application.entries[0].warnings] == warned


def test_what_is_expired_or_under_way_is_not_revoked_again(world: DeskWorld) -> None:
    serial = issued(world)
    world.take(revocation(serial), subject="失効")
    assert refused_codes(world, revocation(serial), "失効") == [902]
    world.now += timedelta(days=700)
    assert refused_codes(world, revocation(serial), "失効") == [902]
