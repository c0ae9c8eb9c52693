"""Applications: taken or refused, all faults at once, nothing kept of what was not taken."""

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import func, select

from handlers.incoming import Attachment
from handlers.letters.applicant import ApplicantReceived, ApplicantRefused
from handlers.letters.officer import OfficerApprovalRequest
from handlers.rules.reasons import Reason
from handlers.rules.sheet import code_of, parse_sheet
from store.states import ErrorMode, Filed
from store.tables import Application, Blob
from store.transaction import writing
from tests.applications import (
    APPLICANT,
    TESTKIKAN,
    DeskWorld,
    a_mail,
    an_application,
    codes,
    csr_text,
    letters,
    rsa_key,
    tsv,
    tsv_line,
)


def kept(world: DeskWorld) -> int:
    with writing(world.engine) as session:
        return session.scalar(select(func.count()).select_from(Application)) or 0


def test_a_good_application_is_taken_and_every_officer_is_asked(world: DeskWorld) -> None:
    handled = world.receive(an_application(tsv_line()))
    assert (handled.reason, handled.filed, handled.number) == (Reason.TAKEN, Filed.DONE, "A-20261124-0001")
    assert letters(handled) == [
        (APPLICANT, "applicant.received"),
        ("suzuki@example.ac.jp", "officer.approval_request"),
        ("tanaka@example.ac.jp", "officer.approval_request"),
    ]


def test_the_sheet_names_the_bytes_as_they_came(world: DeskWorld) -> None:
    mail = an_application(tsv_line(), tsv_line("test2.example.ac.jp"))
    handled = world.receive(mail)
    request = handled.notices[1]
    file, sheet = request.attachments
    assert file.data == mail.attachments[0].data
    letter = request.letter
    assert isinstance(letter, OfficerApprovalRequest)
    assert letter.code.replace("-", "") == code_of(sheet.data)
    rows = parse_sheet(sheet.data).rows
    assert [row.name for row in rows] == ["CN=test1.example.ac.jp", "CN=test2.example.ac.jp"]
    assert [row.line() for row in rows] == [entry.row_line for entry in letter.application.entries]


def test_one_wrong_row_stops_all_by_default_and_every_row_is_answered(world: DeskWorld) -> None:
    wrong = tsv_line("test2.example.ac.jp", c1="CN=test2.example.ac.jp,O=other,L=Chiyoda-ku,ST=Tokyo,C=JP")
    handled = world.receive(an_application(tsv_line(), wrong))
    assert (handled.reason, handled.filed) == (Reason.ROW_FAULT, Filed.REFUSED)
    assert letters(handled) == [(APPLICANT, "applicant.refused")]
    letter = handled.notices[0].letter
    assert isinstance(letter, ApplicantRefused)
    assert [(row.seq, row.result) for row in letter.rows] == [(1, "OK"), (2, "NG")]
    assert 241 in codes(letter.rows)
    assert kept(world) == 0


def test_faultless_rows_go_on_where_the_institution_says_so(world: DeskWorld) -> None:
    world.change_institution(error_mode=ErrorMode.FAULTLESS_ONLY)
    wrong = tsv_line("test2.example.ac.jp", c8="")
    handled = world.receive(an_application(tsv_line(), wrong))
    assert handled.reason is Reason.TAKEN
    letter = handled.notices[0].letter
    assert isinstance(letter, ApplicantReceived)
    assert [(row.seq, row.result) for row in letter.rows] == [(1, "OK"), (2, "NG")]
    assert [entry.seq for entry in letter.application.entries] == [1]


def test_faultless_only_with_no_good_row_is_refused(world: DeskWorld) -> None:
    world.change_institution(error_mode=ErrorMode.FAULTLESS_ONLY)
    assert world.receive(an_application(tsv_line(c8=""))).reason is Reason.ROW_FAULT


def test_a_name_that_was_applied_for_must_be_renewed(world: DeskWorld) -> None:
    world.take(tsv_line())
    handled = world.receive(an_application(tsv_line()))
    assert codes(handled.notices[0].letter.rows) == [212]  # type: ignore[union-attr]


def test_all_errors_of_a_row_come_at_once_also_those_from_the_store(world: DeskWorld) -> None:
    line = tsv_line()
    world.take(line)
    world.change_institution(domains=(TESTKIKAN.domains[0].model_copy(update={"vetted_until": None}),))
    again = line.split("\t")
    again[7] = ""
    handled = world.receive(an_application("\t".join(again)))
    assert sorted(codes(handled.notices[0].letter.rows)) == [201, 212, 906, 920]  # type: ignore[union-attr]


def test_a_utf8_file_is_taken_with_a_warning(world: DeskWorld) -> None:
    data = ("\ufeff" + tsv_line() + "\n").encode("utf-8")
    handled = world.receive(a_mail(Attachment("a.tsv", "text/plain", data)))
    assert handled.reason is Reason.TAKEN
    letter = handled.notices[0].letter
    assert isinstance(letter, ApplicantReceived)
    assert [w.code for w in letter.rows[0].warnings] == [950]


def test_a_declined_name_and_key_are_free_again(world: DeskWorld) -> None:
    line = tsv_line()
    number = world.take(line)
    assert world.decide("却下: 所属が違います", number).reason is Reason.DECLINED
    assert world.take(line) == "A-20261124-0002"


def test_CSR3_a_reused_key_is_refused(world: DeskWorld) -> None:
    def line(fqdn: str) -> str:
        return tsv_line(fqdn, c2="3", c7=csr_text(fqdn, rsa_key()))

    world.take(line("test1.example.ac.jp"))
    handled = world.receive(an_application(line("test2.example.ac.jp")))
    assert codes(handled.notices[0].letter.rows) == [906]  # type: ignore[union-attr]


def test_CSR3_each_new_key_is_taken(world: DeskWorld) -> None:
    world.take(tsv_line("test1.example.ac.jp"))
    assert world.take(tsv_line("test2.example.ac.jp"))


def test_CSR2_a_key_on_the_operator_s_list_is_refused_and_any_other_is_taken(world: DeskWorld) -> None:
    spki = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    world.blocked_keys = frozenset({hashlib.sha256(spki).hexdigest()})
    blocked = tsv_line("test1.example.ac.jp", c2="3", c7=csr_text("test1.example.ac.jp", rsa_key()))
    handled = world.receive(an_application(blocked))
    assert codes(handled.notices[0].letter.rows) == [919]  # type: ignore[union-attr]
    assert world.take(tsv_line("test1.example.ac.jp"))


def test_CSR5_a_private_key_is_refused_and_not_kept(world: DeskWorld) -> None:
    secret = b"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
    mail = a_mail(
        Attachment("a.tsv", "text/plain", tsv(tsv_line())), Attachment("key.pem", "text/plain", secret)
    )
    handled = world.receive(mail)
    assert handled.reason is Reason.PRIVATE_KEY
    assert not handled.keep_raw
    with writing(world.engine) as session:
        assert session.scalar(select(func.count()).select_from(Blob)) == 0


@pytest.mark.parametrize("subject", ["確認 発行", "Fwd: DRY-RUN 発行", "【確認】サーバ証明書発行"])
def test_a_dry_run_is_answered_and_keeps_nothing(world: DeskWorld, subject: str) -> None:
    handled = world.receive(an_application(tsv_line(), subject=subject))
    assert (handled.reason, letters(handled)) == (Reason.CHECKED, [(APPLICANT, "applicant.received")])
    assert kept(world) == 0


def test_politeness_is_no_dry_run(world: DeskWorld) -> None:
    assert world.receive(an_application(tsv_line(), subject="ご確認ください")).reason is Reason.TAKEN


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (a_mail(Attachment("shinsei.xlsx", "application/vnd.ms-excel", b"PK\x03\x04")), Reason.FILE_FAULT),
        (a_mail(Attachment("shinsei.zip", "application/zip", b"PK\x03\x04")), Reason.ARCHIVE),
        (a_mail(Attachment("winmail.dat", "application/ms-tnef", b"\x78\x9f")), Reason.ARCHIVE),
        (
            a_mail(Attachment("a.tsv", "text/plain", b"a\tb"), Attachment("b.tsv", "text/plain", b"a\tb")),
            Reason.SEVERAL_TSV,
        ),
        (a_mail(Attachment("a.tsv", "text/plain", b"\xff\xfe\tx")), Reason.FILE_FAULT),
        (a_mail(Attachment("a.tsv", "text/plain", b"\tx" * 3), subject="失効申請"), Reason.ROW_FAULT),
        (a_mail(subject="お尋ね"), Reason.HELP),
        (a_mail(Attachment("photo.jpg", "image/jpeg", b"x"), subject="写真"), Reason.NO_TSV),
    ],
)
def test_what_is_no_application_gets_a_clear_answer(world: DeskWorld, mail, reason: Reason) -> None:
    handled = world.receive(mail)
    assert handled.reason is reason
    assert [to for to, _ in letters(handled)] == [APPLICANT]
    assert kept(world) == 0


def test_too_many_rows_are_refused_as_a_file(world: DeskWorld) -> None:
    world.desk = type(world.desk)(**{**vars(world.desk), "max_rows": 1})
    handled = world.receive(an_application(tsv_line(), tsv_line("test2.example.ac.jp")))
    assert handled.reason is Reason.FILE_FAULT
    assert [e.code for e in handled.notices[0].letter.file_errors] == [214]  # type: ignore[union-attr]


def test_names_of_nobody_are_refused_by_the_senders_own_institution(world: DeskWorld) -> None:
    handled = world.receive(an_application(tsv_line("www.example.org")))
    assert 908 in codes(handled.notices[0].letter.rows)  # type: ignore[union-attr]


def test_a_stranger_gets_no_answer(world: DeskWorld) -> None:
    handled = world.receive(an_application(tsv_line(), sender="evil@example.org"))
    assert (handled.reason, handled.notices) == (Reason.SENDER_OUTSIDE, ())


def test_nothing_is_mailed_outside_before_approval(world: DeskWorld) -> None:
    handled = world.receive(an_application(tsv_line(c10="victim@example.org")))
    assert handled.reason is Reason.TAKEN
    assert "victim@example.org" not in [to for to, _ in letters(handled)]


def test_the_contact_gets_a_receipt_too_and_only_one(world: DeskWorld) -> None:
    other = "webmaster@example.ac.jp"
    handled = world.receive(an_application(tsv_line(c10=other), tsv_line("test2.example.ac.jp", c10=other)))
    receipts = [to for to, template in letters(handled) if template == "applicant.received"]
    assert receipts == [APPLICANT, other]


def test_an_inactive_institution_is_refused(world: DeskWorld) -> None:
    world.change_institution(active=False)
    handled = world.receive(an_application(tsv_line()))
    assert [e.code for e in handled.notices[0].letter.file_errors] == [215]  # type: ignore[union-attr]


@pytest.mark.parametrize(("vetted_until", "code"), [(None, 920), ("2026-11-23", 921)])
def test_an_unvetted_domain_is_refused(world: DeskWorld, vetted_until: str | None, code: int) -> None:
    domain = type(TESTKIKAN.domains[0])(name="example.ac.jp", vetted_until=vetted_until)
    world.change_institution(domains=(domain,))
    handled = world.receive(an_application(tsv_line()))
    assert codes(handled.notices[0].letter.rows) == [code]  # type: ignore[union-attr]


def test_numbers_count_within_the_day_of_the_people(world: DeskWorld) -> None:
    assert world.take(tsv_line()) == "A-20261124-0001"
    assert world.take(tsv_line("test2.example.ac.jp")) == "A-20261124-0002"
