"""Officers who upload TSVs in signed mails, and the revocation TSV that comes back (manual 1-1-4, 1-2-7, 1-3-3)."""

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import select

from handlers.incoming import Attachment, IncomingMail
from handlers.proof import case_of, proven_rows
from handlers.rules.reasons import Reason
from handlers.rules.revocation_tsv import revocation_tsv
from store import applications, certificates, returned_tsvs
from store.states import Filed
from store.tables import Application
from store.transaction import reading, writing
from tests.applications import APPLICANT, DeskWorld, codes, letters, policies, signed, tsv, tsv_line
from tests.handlers.test_kinds import issued, revocation


def uploaded(text: str, *files: bytes) -> IncomingMail:
    """A good signature over `text` and over the files."""
    mail = signed(text)
    assert mail.signature
    attachments = tuple(
        Attachment(f"{n}.tsv", "text/tab-separated-values", data) for n, data in enumerate(files)
    )
    signed_bytes = mail.signature.content.signed_bytes + b"".join(files)
    content = replace(
        mail.signature.content,
        attachments=attachments,
        signed_bytes=signed_bytes,
        signed_sha256=hashlib.sha256(signed_bytes).hexdigest(),
    )
    return replace(mail, attachments=attachments, signature=replace(mail.signature, content=content))


def proven(world: DeskWorld, number: str, mail: IncomingMail) -> set[int]:
    with reading(world.engine) as session:
        application = session.get_one(Application, number)
        (decision,) = applications.decisions_on(session, number)
        case = case_of(session, application)
        assert case is not None
        return set(proven_rows(case, decision, mail))


@pytest.mark.parametrize("line", ["申請承認 発行", "APPLY AND APPROVE ISSUE", "申請承認　発行。"])
def test_uploaded_and_approved_in_one_mail(world: DeskWorld, line: str) -> None:
    mail = uploaded(f"お疲れさまです。\n{line}\n", tsv(tsv_line(), tsv_line("test2.example.ac.jp")))
    handled = world.receive(mail)
    assert (handled.reason, handled.filed) == (Reason.APPROVED, Filed.DONE)
    assert handled.number
    assert world.states(handled.number) == ["approved", "approved"]
    assert ("tanaka@example.ac.jp", "officer.decided") in letters(handled)
    assert "officer.approval_request" not in [template for _, template in letters(handled)]
    assert proven(world, handled.number, mail) == {1, 2}


def test_uploaded_only_asks_the_officers(world: DeskWorld) -> None:
    handled = world.receive(uploaded("申請 発行\n", tsv(tsv_line())))
    assert handled.reason is Reason.TAKEN
    assert handled.number
    assert world.states(handled.number) == ["waiting"]


def test_a_signed_tsv_without_the_line_is_an_application_and_no_approval(world: DeskWorld) -> None:
    handled = world.receive(uploaded("よろしくお願いします\n", tsv(tsv_line())))
    assert handled.reason is Reason.TAKEN
    assert handled.number
    assert world.states(handled.number) == ["waiting"]


@pytest.mark.parametrize(
    "text", ["> 申請承認 発行\n", "申請承認 発行\n申請承認 更新\n", "申請承認 発行 お願いします\n"]
)
def test_a_line_that_is_not_the_officers_own_approves_nothing(world: DeskWorld, text: str) -> None:
    handled = world.receive(uploaded(text, tsv(tsv_line())))
    assert handled.number
    assert world.states(handled.number) == ["waiting"]


def test_errors_come_back_as_the_manuals_table(world: DeskWorld) -> None:
    handled = world.receive(uploaded("申請承認 発行\n", tsv(tsv_line(c8=""))))
    assert (handled.reason, letters(handled)) == (
        Reason.ROW_FAULT,
        [("suzuki@example.ac.jp", "applicant.refused")],
    )
    assert codes(handled.notices[0].letter.rows) == [201]  # type: ignore[union-attr]


def test_faultless_rows_only_where_the_officer_says_so(world: DeskWorld) -> None:
    rows = tsv(tsv_line(), tsv_line("test2.example.ac.jp", c8=""))
    assert world.receive(uploaded("申請承認 発行\n", rows)).reason is Reason.ROW_FAULT
    handled = world.receive(uploaded("申請承認 発行 有効分のみ\n", rows))
    assert handled.reason is Reason.APPROVED
    assert handled.number
    assert world.states(handled.number) == ["approved"]


def test_ID3_nobody_uploads_and_approves_for_themselves(world: DeskWorld) -> None:
    own = tsv(tsv_line(c10="suzuki@example.ac.jp"))
    assert world.receive(uploaded("申請承認 発行\n", own)).reason is Reason.OWN_APPLICATION
    world.change_institution(policies=policies(self_approval=True))
    assert world.receive(uploaded("申請承認 発行\n", own)).reason is Reason.APPROVED


def test_an_upload_counts_as_one_of_two_approvals(world: DeskWorld) -> None:
    world.change_institution(policies=policies(approvals=2))
    handled = world.receive(uploaded("申請承認 発行\n", tsv(tsv_line())))
    assert handled.number
    assert world.states(handled.number) == ["waiting"]
    assert ("tanaka@example.ac.jp", "officer.approval_request") in letters(handled)


def test_AP1_the_same_upload_again_does_nothing(world: DeskWorld) -> None:
    mail = uploaded("申請承認 発行\n", tsv(tsv_line()))
    world.receive(mail)
    again = world.receive(replace(mail, raw=mail.raw + b"again"))
    assert (again.reason, again.number) == (Reason.REPEATED, None)


def test_AP1_a_refused_upload_does_not_count_when_a_copy_comes_again(world: DeskWorld) -> None:
    """Whoever has a copy waits until nothing stands against its rows any more."""
    domains = world.register.institutions["testkikan"].domains
    world.change_institution(domains=(domains[0].model_copy(update={"name": "example.jp"}),))
    mail = uploaded("申請承認 発行\n", tsv(tsv_line()))
    assert world.receive(mail).reason is Reason.ROW_FAULT
    world.change_institution(domains=domains)
    again = world.receive(replace(mail, raw=mail.raw + b"again"))
    assert (again.reason, again.number) == (Reason.SIGNATURE_REUSED, None)
    assert world.receive(uploaded("申請承認 発行\n", tsv(tsv_line()))).reason is Reason.APPROVED


def test_an_upload_proves_nothing_about_another_file(world: DeskWorld) -> None:
    handled = world.receive(uploaded("申請承認 発行\n", tsv(tsv_line())))
    assert handled.number
    other = uploaded("申請承認 発行\n", tsv(tsv_line()))
    assert proven(world, handled.number, other) == set()


def test_the_revocation_tsv_comes_back_and_is_the_approval(world: DeskWorld) -> None:
    serial = issued(world)
    attached = _offer(world, serial)
    mail = uploaded("置き換えが終わりました。\n", attached)
    handled = world.receive(mail)
    assert handled.reason is Reason.APPROVED
    assert handled.number
    assert world.states(handled.number) == ["approved"]
    assert proven(world, handled.number, mail) == {1}
    again = world.receive(replace(mail, raw=mail.raw + b"again"))
    assert again.reason is Reason.REPEATED


def test_one_byte_more_is_no_returned_tsv(world: DeskWorld) -> None:
    serial = issued(world)
    attached = _offer(world, serial)
    handled = world.receive(uploaded("失効\n", attached + b"\r\n"))
    assert handled.number
    assert world.states(handled.number) == ["waiting"]


def test_an_unsigned_returned_tsv_revokes_nothing(world: DeskWorld) -> None:
    serial = issued(world)
    mail = replace(uploaded("失効\n", _offer(world, serial)), signature=None)
    handled = world.receive(mail)
    assert handled.number
    assert world.states(handled.number) == ["waiting"]


def test_a_revocation_may_be_uploaded_and_approved(world: DeskWorld) -> None:
    serial = issued(world)
    handled = world.receive(uploaded("申請承認 失効\n", tsv(revocation(serial))))
    assert handled.reason is Reason.APPROVED
    assert handled.number
    assert world.states(handled.number) == ["approved"]


def _offer(world: DeskWorld, serial: int) -> bytes:
    """What the renewal's download attaches for the officers."""
    with writing(world.engine) as session:
        old = certificates.by_serials(session, [str(serial)])[str(serial)]
        number = session.scalars(select(Application.number)).first()
        assert number
        data = revocation_tsv(old.entry.subject_dn, serial, APPLICANT)
        returned_tsvs.offer(session, data, old, number)
    return data
