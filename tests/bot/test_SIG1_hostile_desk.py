"""SIG1: a desk that is taken over lies to the real signer in every way we know, and gets no signature for it.

Every lie ends with its refusal code and leaves the signer's ledger as it was; the truths beside them are signed, so
that a signer that refuses everything would fail here too.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.ca.protocol import CaFault
from bot.signer.core import Malformed
from handlers.rules.batch_sheet import BatchPart, BatchRow
from handlers.rules.register import Domain
from handlers.rules.revocation_tsv import revocation_tsv
from handlers.rules.row_errors import Code
from handlers.rules.sheet import SheetRow
from store.states import Kind
from tests.applications import csr_text, tsv, tsv_line
from tests.hostile_desk import HostileDesk, People, a_key, open_hostile_desk, open_people
from tests.revocations import revoke_line

DN = "CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
Tell = Callable[[HostileDesk], list[int]]
LIES: dict[str, tuple[Code, Tell]] = {}
TRUTHS: dict[str, Tell] = {}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[People]:
    need("gpg")
    with open_people(tmp_path_factory.mktemp("keys")) as opened:
        yield opened


@pytest.fixture
def desk(people: People, tmp_path: Path) -> Iterator[HostileDesk]:
    with open_hostile_desk(people, tmp_path) as opened:
        yield opened


def lie(code: Code) -> Callable[[Tell], Tell]:
    def keep(tell: Tell) -> Tell:
        LIES[tell.__name__] = (code, tell)
        return tell

    return keep


def truth(tell: Tell) -> Tell:
    TRUTHS[tell.__name__] = tell
    return tell


def forged(code: Code, name: str, make: Callable[[HostileDesk], object]) -> None:
    """An issue that `make` forges the evidence of."""
    LIES[name] = (code, lambda desk: desk.issue(make(desk)))  # type: ignore[arg-type]


def sheet_lie(name: str, code: Code = Code.UNPROVEN, **changes: object) -> None:
    """A sheet changed after it was signed: its code is another one."""

    def tell(desk: HostileDesk) -> list[int]:
        papers = desk.approved()
        return desk.issue(replace(papers, sheet=replace(papers.sheet, **changes)).evidence())  # type: ignore[arg-type]

    LIES[f"sheet_{name}_changed_after_signing"] = (code, tell)


def signed_sheet_lie(name: str, code: Code, **changes: object) -> None:
    """A sheet that was wrong from the start, and signed."""

    def tell(desk: HostileDesk) -> list[int]:
        papers = desk.papers()
        papers = replace(papers, sheet=replace(papers.sheet, **changes))  # type: ignore[arg-type]
        return desk.issue(replace(papers, mails=(desk.reply(papers),)).evidence())

    LIES[f"sheet_with_wrong_{name}_signed"] = (code, tell)


sheet_lie("nonce", nonce="0" * 32)
sheet_lie("number", number="A-20261122-0001")
sheet_lie("journal", journal_head="1" * 64)
sheet_lie("institution", institution="other")
sheet_lie("kind", Code.TAMPERED, kind=Kind.REVOKE)
sheet_lie("instance", Code.TAMPERED, instance="evil.example.ac.jp")
sheet_lie("file", Code.TAMPERED, file_sha256="0" * 64)
sheet_lie("policy", policy="easy")
signed_sheet_lie("instance", Code.TAMPERED, instance="elsewhere.example.ac.jp")
signed_sheet_lie("institution", Code.INSTITUTION_INACTIVE, institution="nobody")
signed_sheet_lie("file", Code.TAMPERED, file_sha256="0" * 64)
signed_sheet_lie("policy", Code.UNPROVEN, policy="easy")
signed_sheet_lie("policy_digest", Code.UNPROVEN, policy_sha256="0" * 64)
signed_sheet_lie("row_digest", Code.TAMPERED, rows=(SheetRow(1, "0" * 64, "CN=test1.example.ac.jp"),))


@lie(Code.TAMPERED)
def a_name_shown_to_officers_that_is_not_the_rows(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    (row,) = papers.sheet.rows
    shown = replace(papers.sheet, rows=(replace(row, name="CN=harmless.example.ac.jp"),))
    papers = replace(papers, sheet=shown)
    return desk.issue(replace(papers, mails=(desk.reply(papers),)).evidence())


@lie(Code.TAMPERED)
def a_sheet_with_one_seq_twice(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    papers = replace(papers, sheet=replace(papers.sheet, rows=papers.sheet.rows * 2))
    return desk.issue(replace(papers, mails=(desk.reply(papers),)).evidence())


@lie(Code.TAMPERED)
def another_file_behind_the_sheet(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved().evidence(file=tsv(tsv_line("evil.example.ac.jp"))))


@lie(Code.TAMPERED)
def one_byte_of_the_file(desk: HostileDesk) -> list[int]:
    papers = desk.approved()
    return desk.issue(papers.evidence(file=papers.file.replace(b"Apache 2.4", b"Apache 2.5")))


@lie(Code.TAMPERED)
def rows_exchanged(desk: HostileDesk) -> list[int]:
    first, second = tsv_line(), tsv_line("test2.example.ac.jp")
    papers = desk.approved(first, second, line="承認 1")
    return desk.issue(papers.evidence(file=tsv(second, first)))


@lie(Code.TAMPERED)
def no_sheet_at_all(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved().evidence(sheet=b"please sign"))


@lie(Code.TAMPERED)
def a_sheet_with_a_line_more(desk: HostileDesk) -> list[int]:
    papers = desk.approved()
    return desk.issue(papers.evidence(sheet=papers.sheet.render() + b"Note: trust me\n"))


@lie(Code.UNPROVEN)
def a_row_that_the_sheet_does_not_have(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved().evidence(), {2: desk.serials()[0]})


forged(Code.UNPROVEN, "no_approval", lambda d: d.papers().evidence())
forged(Code.UNPROVEN, "another_institutions_officer", lambda d: d.approved(by=("yamada",)).evidence())
forged(Code.UNPROVEN, "an_unregistered_key", lambda d: d.approved(by=("stranger",)).evidence())
forged(Code.UNPROVEN, "a_decline", lambda d: d.approved(line="却下: だめ").evidence())
forged(Code.UNPROVEN, "a_hold", lambda d: d.approved(line="保留: 確認中").evidence())
forged(Code.UNPROVEN, "a_resume", lambda d: d.approved(line="再開").evidence())
forged(Code.UNPROVEN, "two_decisions_in_one_mail", lambda d: d.approved(line="承認\r\n却下: だめ").evidence())
forged(Code.UNPROVEN, "a_question", lambda d: d.approved(line="承認してよいですか").evidence())
forged(Code.UNPROVEN, "a_quoted_approval", lambda d: d.approved(line="> 承認").evidence())
forged(Code.UNPROVEN, "the_word_for_revocations", lambda d: d.approved(line="失効承認").evidence())
forged(Code.UNPROVEN, "rows_that_run_backwards", lambda d: d.approved(line="承認 2-1").evidence())
forged(Code.UNPROVEN, "rows_that_do_not_exist", lambda d: d.approved(line="承認 1-9").evidence())
forged(Code.UNPROVEN, "all_but_this_row", lambda d: d.approved(line="承認 除く 1").evidence())


@lie(Code.UNPROVEN)
def a_dry_run(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    return desk.issue(
        replace(papers, mails=(desk.mail("確認\r\n", files={"a.tsv": papers.file}),)).evidence()
    )


@lie(Code.UNPROVEN)
def the_approval_of_other_rows(desk: HostileDesk) -> list[int]:
    papers = desk.approved(tsv_line(), tsv_line("test2.example.ac.jp"), line="承認 2")
    return desk.issue(papers.evidence())


@lie(Code.UNPROVEN)
def an_old_code(desk: HostileDesk) -> list[int]:
    old = desk.approved()
    return desk.issue(replace(old, sheet=replace(old.sheet, nonce="1" * 32)).evidence())


@lie(Code.UNPROVEN)
def the_codes_of_two_sheets(desk: HostileDesk) -> list[int]:
    papers, other = desk.papers(), desk.papers()
    mail = desk.mail(f"承認\r\n> {papers.code}\r\n> {other.code}\r\n")
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def a_quoted_row_that_the_sheet_does_not_have(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    mail = desk.reply(papers, line="承認\r\n\r\n> Row-1 0123456789abcdef CN=test1.example.ac.jp")
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def a_quoted_row_under_another_name(desk: HostileDesk) -> list[int]:
    """The officer read another name beside the digest of the row."""
    papers = desk.papers()
    shown = papers.sheet.rows[0].line().replace("CN=test1", "CN=harmless")
    mail = desk.reply(papers, line=f"承認\r\n\r\n> {shown}")
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def an_approval_stripped_of_its_signature(desk: HostileDesk) -> list[int]:
    papers = desk.approved()
    raw = f"From: suzuki@example.ac.jp\r\nMIME-Version: 1.0\r\n\r\n承認\r\n> {papers.code}\r\n".encode()
    mail = papers.mails[0].model_copy(update={"raw": raw})
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def signed_words_altered(desk: HostileDesk) -> list[int]:
    papers = desk.approved(line="却下: だめ")
    raw = papers.mails[0].raw.replace("却下: だめ".encode(), "承認".encode())
    mail = papers.mails[0].model_copy(update={"raw": raw})
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def words_put_before_the_signed_ones(desk: HostileDesk) -> list[int]:
    papers = desk.approved(line="よろしく")
    raw = papers.mails[0].raw.replace(b"--outer\r\n", f"承認\r\n{papers.code}\r\n--outer\r\n".encode(), 1)
    mail = papers.mails[0].model_copy(update={"raw": raw})
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def the_key_of_one_and_the_address_of_another(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    mail = desk.reply(papers, "suzuki", sender="tanaka@example.ac.jp")
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def a_weak_digest(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    return desk.issue(replace(papers, mails=(desk.reply(papers, digest="SHA1"),)).evidence())


@lie(Code.UNPROVEN)
def a_signature_of_the_future_received_in_the_future(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    moment = datetime.now(UTC) + timedelta(days=400)
    mail = desk.reply(papers, at=f"{moment:%Y%m%dT%H%M%S}", received_at=moment + timedelta(days=1))
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def a_key_that_begins_to_serve_tomorrow_received_in_the_future(desk: HostileDesk) -> list[int]:
    tomorrow = (desk.now() + timedelta(days=2)).date()
    _pin_days(desk, since=tomorrow)
    papers = desk.papers()
    mail = desk.reply(papers, received_at=desk.now() + timedelta(days=30))
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.UNPROVEN)
def a_retired_key(desk: HostileDesk) -> list[int]:
    _pin_days(desk, until=(desk.now() - timedelta(days=2)).date())
    return desk.issue(desk.approved().evidence())


@lie(Code.UNPROVEN)
def the_applicants_own_approval(desk: HostileDesk) -> list[int]:
    papers = desk.approved(tsv_line(c10="Suzuki@example.ac.jp"))
    return desk.issue(papers.evidence())


@lie(Code.UNPROVEN)
def own_rows_beside_others(desk: HostileDesk) -> list[int]:
    lines = tsv_line(), tsv_line("test2.example.ac.jp", c10="suzuki@example.ac.jp")
    return desk.issue(desk.approved(*lines, line="承認 1").evidence())


@lie(Code.UNPROVEN)
def one_approval_where_two_are_needed(desk: HostileDesk) -> list[int]:
    desk.policy(approvals=2)
    return desk.issue(desk.approved().evidence())


@lie(Code.UNPROVEN)
def one_officer_twice(desk: HostileDesk) -> list[int]:
    desk.policy(approvals=2)
    return desk.issue(desk.approved(by=("suzuki", "suzuki")).evidence())


@lie(Code.UNPROVEN)
def one_mail_twice(desk: HostileDesk) -> list[int]:
    desk.policy(approvals=2)
    papers = desk.approved()
    return desk.issue(replace(papers, mails=papers.mails * 2).evidence())


@lie(Code.UNPROVEN)
def two_officers_for_different_rows(desk: HostileDesk) -> list[int]:
    desk.policy(approvals=2)
    papers = desk.papers(tsv_line(), tsv_line("test2.example.ac.jp"))
    mails = desk.reply(papers, "suzuki", "承認 1"), desk.reply(papers, "tanaka", "承認 2")
    return desk.issue(replace(papers, mails=mails).evidence())


@lie(Code.UNPROVEN)
def a_policy_that_was_in_force_before(desk: HostileDesk) -> list[int]:
    papers = desk.approved()
    desk.policy(approvals=2)
    return desk.issue(papers.evidence())


@lie(Code.UNPROVEN)
def steps_in_the_wrong_order(desk: HostileDesk) -> list[int]:
    """The desk says the manager's came last; the officers' own clocks say otherwise."""
    _with_steps(desk)
    papers = desk.papers()
    early = datetime.now(UTC) - timedelta(hours=3)
    second = desk.reply(papers, "tanaka", at=f"{early:%Y%m%dT%H%M%S}")
    return desk.issue(replace(papers, mails=(desk.reply(papers, "suzuki"), second)).evidence())


@lie(Code.UNPROVEN)
def steps_in_the_wrong_order_of_arrival(desk: HostileDesk) -> list[int]:
    _with_steps(desk)
    return desk.issue(desk.approved(by=("tanaka", "suzuki")).evidence())


@lie(Code.UNPROVEN)
def a_step_without_its_role(desk: HostileDesk) -> list[int]:
    _with_steps(desk)
    return desk.issue(desk.approved(by=("suzuki", "suzuki")).evidence())


@lie(Code.UNPROVEN)
def an_upload_line_that_does_not_approve(desk: HostileDesk) -> list[int]:
    return desk.issue(_uploaded(desk, "申請 発行"))


@lie(Code.UNPROVEN)
def an_upload_line_of_another_kind(desk: HostileDesk) -> list[int]:
    return desk.issue(_uploaded(desk, "申請承認 更新"))


@lie(Code.UNPROVEN)
def an_upload_of_another_file(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    mail = desk.mail("申請承認 発行\r\n", files={"a.tsv": tsv(tsv_line("test9.example.ac.jp"))})
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@lie(Code.TAMPERED)
def an_approved_revocation_used_to_issue(desk: HostileDesk) -> list[int]:
    papers = desk.approved(tsv_line(), line="失効承認", kind=Kind.REVOKE)
    return desk.issue(papers.evidence())


@lie(Code.TAMPERED)
def an_approved_issue_used_to_revoke(desk: HostileDesk) -> list[int]:
    return desk.revoke(desk.approved().evidence())


@lie(Code.TAMPERED)
def a_name_outside_the_domains(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved(tsv_line("www.example.com")).evidence())


@lie(Code.TAMPERED)
def a_name_of_another_institution(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved(tsv_line("www.example.jp")).evidence())


@lie(Code.TAMPERED)
def a_csr_that_is_none(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved(tsv_line(c7="MIIB")).evidence())


@lie(Code.INSTITUTION_INACTIVE)
def an_institution_that_is_no_longer_active(desk: HostileDesk) -> list[int]:
    desk.institution["active"] = False
    return desk.issue(desk.approved().evidence())


@lie(Code.APPROVAL_EXPIRED)
def a_domain_whose_vetting_ended(desk: HostileDesk) -> list[int]:
    desk.institution["domains"] = (Domain(name="example.ac.jp", vetted_until="2020-01-01"),)
    return desk.issue(desk.approved().evidence())


@lie(Code.NOT_VETTED)
def a_domain_that_was_never_vetted(desk: HostileDesk) -> list[int]:
    desk.institution["domains"] = (Domain(name="example.ac.jp"),)
    return desk.issue(desk.approved().evidence())


@lie(Code.CA_REFUSED)
def a_serial_of_the_desks_own(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved().evidence(), {1: 2**95 + 12345})


@lie(Code.CA_REFUSED)
def a_serial_that_another_row_has(desk: HostileDesk) -> list[int]:
    serial = desk.certificate()
    return desk.issue(desk.approved(tsv_line("test2.example.ac.jp")).evidence(), {1: serial})


@lie(Code.CA_REFUSED)
def one_serial_for_two_rows(desk: HostileDesk) -> list[int]:
    (serial,) = desk.serials()
    papers = desk.approved(tsv_line(), tsv_line("test2.example.ac.jp"))
    desk.issue(papers.evidence(), {1: serial})
    return desk.issue(papers.evidence(), {2: serial})


@lie(Code.KEY_USED)
def a_public_key_that_was_signed_before(desk: HostileDesk) -> list[int]:
    key = a_key()
    desk.certificate(c7=csr_text("test1.example.ac.jp", key))
    again = tsv_line("test2.example.ac.jp", c7=csr_text("test2.example.ac.jp", key))
    return desk.issue(desk.approved(again).evidence())


@lie(Code.KEY_USED)
def a_public_key_that_was_revoked_as_compromised(desk: HostileDesk) -> list[int]:
    key = a_key()
    serial = desk.certificate(c7=csr_text("test1.example.ac.jp", key))
    assert desk.revoke(desk.revocation(serial, c5="1").evidence()) == []
    return desk.issue(desk.approved(tsv_line(c7=csr_text("test1.example.ac.jp", key))).evidence())


@lie(Code.KEY_USED)
def one_public_key_in_two_rows(desk: HostileDesk) -> list[int]:
    key = a_key()
    lines = [tsv_line(f, c7=csr_text(f, key)) for f in ("test1.example.ac.jp", "test2.example.ac.jp")]
    papers = desk.approved(*lines, line="承認 有効分のみ")
    desk.issue(papers.evidence())
    return desk.issue(papers.evidence(), {2: desk.serials()[0]})


@lie(Code.CA_REFUSED)
def the_cas_own_public_key(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved(tsv_line(c7=csr_text("test1.example.ac.jp", desk.ca._key))).evidence())


@lie(Code.WEAK_KEY)
def a_public_key_on_the_operators_list(desk: HostileDesk) -> list[int]:
    key = a_key()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    desk.blocked_keys = frozenset({sha256(spki).hexdigest()})
    return desk.issue(desk.approved(tsv_line(c7=csr_text("test1.example.ac.jp", key))).evidence())


BATCH_FIELDS: dict[str, dict[str, object]] = {
    "instance": {"instance": "evil.example.ac.jp"},
    "institution": {"institution": "other"},
    "sheet": {"parts": "0" * 64},
    "kind": {"parts": Kind.RENEW},
    "row_digest": {"digest": "0" * 64},
    "row_name": {"name": "CN=harmless.example.ac.jp"},
    "row_seq": {"seq": 2},
    "row_index": {"index": 7},
    "row_number": {"number": "A-20261122-0001"},
}


@pytest.mark.parametrize("place", BATCH_FIELDS)
def test_SIG1_a_forged_batch_approves_nothing(desk: HostileDesk, place: str) -> None:
    papers = desk.papers()
    sheet, changes = desk.batch(papers), BATCH_FIELDS[place]
    if "parts" in changes:
        (part,) = sheet.parts
        value = changes["parts"]
        new = replace(part, kind=value) if isinstance(value, Kind) else replace(part, sheet_sha256=value)  # type: ignore[arg-type]
        sheet = replace(sheet, parts=(new,))
        assert isinstance(sheet.parts[0], BatchPart)
    elif place.startswith("row_"):
        (row,) = sheet.rows
        sheet = replace(sheet, rows=(replace(row, **changes),))  # type: ignore[arg-type]
        assert isinstance(sheet.rows[0], BatchRow)
    else:
        sheet = replace(sheet, **changes)  # type: ignore[arg-type]
    assert desk.issue(desk.in_batch(papers, sheet).evidence()) == [Code.UNPROVEN]
    assert desk.memory() == ([], [])


@lie(Code.UNPROVEN)
def a_batch_that_was_changed_after_signing(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    signed = desk.in_batch(papers, desk.batch(papers))
    other = desk.batch(papers, desk.papers(tsv_line("test2.example.ac.jp")))
    return desk.issue(replace(signed, batches=(other.render(),)).evidence())


@lie(Code.UNPROVEN)
def a_batch_without_its_sheet(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    return desk.issue(replace(desk.in_batch(papers, desk.batch(papers)), batches=()).evidence())


@lie(Code.NOT_REVOCABLE)
def a_revocation_of_what_was_never_issued(desk: HostileDesk) -> list[int]:
    return desk.revoke(desk.revocation(2**95 + 1).evidence())


@lie(Code.NOT_REVOCABLE)
def a_revocation_under_another_name(desk: HostileDesk) -> list[int]:
    serial = desk.certificate()
    return desk.revoke(desk.revocation(serial, "test2.example.ac.jp").evidence())


@lie(Code.NOT_REVOCABLE)
def a_revocation_of_another_institutions_certificate(desk: HostileDesk) -> list[int]:
    serial = desk.certificate()
    papers = desk.papers(revoke_line(serial), kind=Kind.REVOKE, institution="other")
    return desk.revoke(replace(papers, mails=(desk.reply(papers, "yamada", "失効承認"),)).evidence())


@lie(Code.NOT_REVOCABLE)
def a_revocation_of_what_is_revoked(desk: HostileDesk) -> list[int]:
    serial = desk.certificate()
    assert desk.revoke(desk.revocation(serial).evidence()) == []
    return desk.revoke(desk.revocation(serial, c5="1").evidence())


@lie(Code.UNPROVEN)
def a_revocation_by_the_word_for_issuing(desk: HostileDesk) -> list[int]:
    return desk.revoke(desk.revocation(desk.certificate(), line="承認").evidence())


@lie(Code.UNPROVEN)
def a_returned_tsv_of_the_desks_own_making(desk: HostileDesk) -> list[int]:
    """Nothing was renewed: we never sent such a file."""
    return desk.revoke(_returned(desk, desk.certificate()))


@lie(Code.UNPROVEN)
def a_returned_tsv_with_another_reason(desk: HostileDesk) -> list[int]:
    old = _renewed(desk)
    return desk.revoke(_returned(desk, old, lambda data: data.replace(b"\t0\t", b"\t1\t")))


@lie(Code.UNPROVEN)
def a_returned_tsv_nobody_signed(desk: HostileDesk) -> list[int]:
    evidence = _returned(desk, _renewed(desk))
    return desk.revoke(evidence.model_copy(update={"mails": ()}))  # type: ignore[attr-defined]


@lie(Code.UNPROVEN)
def a_returned_tsv_beside_the_word_against_it(desk: HostileDesk) -> list[int]:
    """The officer sent the file back to say no."""
    evidence = _returned(desk, _renewed(desk), text="却下: まだ使っています\r\n")
    return desk.revoke(evidence)


@lie(Code.UNPROVEN)
def a_returned_tsv_under_two_upload_lines(desk: HostileDesk) -> list[int]:
    return desk.revoke(_returned(desk, _renewed(desk), text="申請 失効\r\n申請承認 失効\r\n"))


@lie(Code.UNPROVEN)
def an_uploaded_file_beside_the_word_against_it(desk: HostileDesk) -> list[int]:
    """The desk must refuse a mail that says both; so must we."""
    return desk.issue(_uploaded(desk, "申請承認 発行\r\n却下: 取り消します"))


@lie(Code.UNPROVEN)
def an_uploaded_file_without_its_bad_row(desk: HostileDesk) -> list[int]:
    """The officer did not say that good rows may go on alone."""
    return desk.issue(_part_of_upload(desk, "申請承認 発行"))


@lie(Code.UNPROVEN)
def an_uploaded_file_beside_a_command(desk: HostileDesk) -> list[int]:
    return desk.issue(_uploaded(desk, "申請承認 発行\r\nヘルプ"))


@lie(Code.UNPROVEN)
def an_uploaded_file_beside_another_sheets_code(desk: HostileDesk) -> list[int]:
    return desk.issue(_uploaded(desk, f"申請承認 発行\r\n> {desk.papers().code}"))


@pytest.mark.parametrize("name", LIES)
def test_SIG1_a_lie_gets_no_signature(desk: HostileDesk, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, tell = LIES[name]
    before: list[object] = []
    # what is honestly done on the way to the lie stays: the memory is looked at right before the last question
    for question in ("issue", "revoke"):
        ask = getattr(HostileDesk, question)

        def watched(self: HostileDesk, *rest: object, _ask: Tell = ask) -> list[int]:
            before.append(self.memory())
            return _ask(self, *rest)  # type: ignore[call-arg]

        monkeypatch.setattr(HostileDesk, question, watched)
    assert tell(desk) == [code]
    assert desk.memory() == before[-1]


def test_SIG1_there_are_many_lies() -> None:
    assert len(LIES) + len(BATCH_FIELDS) > 80


def test_SIG1_with_stop_all_a_good_row_is_not_picked_from_among_bad_ones(desk: HostileDesk) -> None:
    lines = tsv_line(), tsv_line("www.example.com")
    assert desk.issue(desk.approved(*lines).evidence()) == []
    assert desk.memory() == ([], [])
    assert desk.issue(desk.approved(*lines, line="承認 有効分のみ").evidence()) == []
    assert len(desk.memory()[0]) == 1


def test_SIG1_with_stop_all_a_public_key_that_was_signed_before_stops_the_other_rows(
    desk: HostileDesk,
) -> None:
    key = a_key()
    desk.certificate(c7=csr_text("test1.example.ac.jp", key))
    before = desk.memory()
    again = tsv_line("test2.example.ac.jp", c7=csr_text("test2.example.ac.jp", key))
    assert desk.issue(desk.approved(tsv_line("test3.example.ac.jp"), again).evidence()) == []
    assert desk.memory() == before


def test_SIG1_the_same_question_has_the_same_answer_for_ever(desk: HostileDesk) -> None:
    papers, (first, second) = desk.approved(), desk.serials(2)
    answers = [desk.client.issue(papers.evidence(), {1: serial})[1] for serial in (first, first, second)]
    assert len(set(answers)) == 1
    # also without any evidence but the sheet: nothing is signed for it
    answers.append(desk.client.issue(papers.evidence(mails=()), {1: second})[1])
    assert len(set(answers)) == 1
    assert isinstance(answers[0], bytes)
    assert x509.load_der_x509_certificate(answers[0]).serial_number == first
    assert len(desk.memory()[0]) == 1


def test_SIG1_another_register_is_a_fault_and_signs_nothing(desk: HostileDesk) -> None:
    with pytest.raises(CaFault, match="different registers") as caught:
        desk.issue(desk.approved().evidence(register_sha256="0" * 64))
    assert caught.value.temporary
    assert desk.memory() == ([], [])


def test_SIG1_the_dates_are_the_signers_own(desk: HostileDesk) -> None:
    (serial,) = desk.serials()
    desk.later = timedelta(days=3)
    der = desk.client.issue(desk.approved().evidence(), {1: serial})[1]
    assert isinstance(der, bytes)
    begin = x509.load_der_x509_certificate(der).not_valid_before_utc
    assert abs(begin - datetime.now(UTC)) < timedelta(minutes=5)


JUNK = {
    "empty": b"",
    "text": b"sign this",
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep_object": b'{"ask":' * 50_000,
    "unknown_question": b'{"ask": "sign", "data": "eA=="}',
    "unknown_field": b'{"ask": "who", "order": {}}',
    "too_many_serials": b'{"ask": "serials", "count": 99999999}',
    "negative": b'{"ask": "serials", "count": -1}',
    "number_as_text": b'{"ask": "serials", "count": "5"}',
    "no_evidence": b'{"ask": "issue", "rows": [{"seq": 1, "serial": "12345678901234567890"}]}',
    "not_base64": b'{"ask": "issue", "evidence": {"sheet": "***"}, "rows": []}',
    "huge_number": b'{"ask": "list", "known": ' + b"9" * 100_000 + b"}",
    "not_utf8": b"\xff\xfe{}",
    "twice": b'{"ask": "who"}{"ask": "who"}',
    "nan": b'{"ask": "list", "known": NaN}',
}


@pytest.mark.parametrize("name", JUNK)
def test_SIG1_junk_is_no_question(desk: HostileDesk, name: str) -> None:
    with pytest.raises(Malformed):
        desk.core.answer(JUNK[name])
    assert desk.memory() == ([], [])


@truth
def one_approval(desk: HostileDesk) -> list[int]:
    return desk.issue(desk.approved().evidence())


@truth
def one_approval_that_quotes_its_row(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    mail = desk.reply(papers, line=f"承認\r\n\r\n> {papers.sheet.rows[0].line()}")
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@truth
def two_officers(desk: HostileDesk) -> list[int]:
    desk.policy(approvals=2)
    return desk.issue(desk.approved(by=("suzuki", "tanaka")).evidence())


@truth
def steps_in_their_order(desk: HostileDesk) -> list[int]:
    _with_steps(desk)
    return desk.issue(desk.approved(by=("suzuki", "tanaka")).evidence())


@truth
def an_approval_among_things_that_are_none(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    mails = desk.reply(papers, line="保留: 待つ"), desk.reply(papers, "stranger"), desk.reply(papers)
    return desk.issue(replace(papers, mails=mails).evidence())


@truth
def own_application_where_the_policy_allows_it(desk: HostileDesk) -> list[int]:
    desk.policy(self_approval=True)
    return desk.issue(desk.approved(tsv_line(c10="suzuki@example.ac.jp")).evidence())


@truth
def an_upload_that_approves(desk: HostileDesk) -> list[int]:
    return desk.issue(_uploaded(desk, "申請承認 発行"))


@truth
def a_batch(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    sheet = desk.batch(desk.papers(tsv_line("test2.example.ac.jp")), papers)
    return desk.issue(desk.in_batch(papers, sheet).evidence())


@truth
def received_in_the_future_but_signed_now(desk: HostileDesk) -> list[int]:
    papers = desk.papers()
    mail = desk.reply(papers, received_at=desk.now() + timedelta(days=9))
    return desk.issue(replace(papers, mails=(mail,)).evidence())


@truth
def a_revocation(desk: HostileDesk) -> list[int]:
    return desk.revoke(desk.revocation(desk.certificate()).evidence())


@truth
def a_revocation_of_an_inactive_institution(desk: HostileDesk) -> list[int]:
    serial = desk.certificate()
    desk.institution["active"] = False
    return desk.revoke(desk.revocation(serial).evidence())


@truth
def an_uploaded_file_without_its_bad_row_where_the_officer_says_so(desk: HostileDesk) -> list[int]:
    return desk.issue(_part_of_upload(desk, "申請承認 発行 有効分のみ"))


@truth
def our_revocation_tsv_returned(desk: HostileDesk) -> list[int]:
    return desk.revoke(_returned(desk, _renewed(desk)))


@pytest.mark.parametrize("name", TRUTHS)
def test_SIG1_the_truth_is_signed(desk: HostileDesk, name: str) -> None:
    assert TRUTHS[name](desk) == []
    signed, revoked = desk.memory()
    assert all(der for _, _, der in signed)
    assert bool(revoked) == ("revo" in name)
    assert signed


def _uploaded(desk: HostileDesk, line: str) -> object:
    papers = desk.papers()
    mail = desk.mail(f"{line}\r\n", files={"a.tsv": papers.file})
    return replace(papers, mails=(mail,)).evidence()


def _part_of_upload(desk: HostileDesk, line: str) -> object:
    """Of two rows the sheet names the first only; the second lacks a name."""
    papers = desk.papers(tsv_line(), tsv_line("test2.example.ac.jp", c8=""))
    mail = desk.mail(f"{line}\r\n", files={"a.tsv": papers.file})
    return replace(papers, sheet=replace(papers.sheet, rows=papers.sheet.rows[:1]), mails=(mail,)).evidence()


def _returned(
    desk: HostileDesk,
    serial: int,
    change: Callable[[bytes], bytes] = lambda data: data,
    text: str = "お願いします\r\n",
) -> object:
    data = change(revocation_tsv(DN, serial, "applicant@example.ac.jp"))
    line = data.decode("cp932").removesuffix("\r\n")
    papers = desk.papers(line, kind=Kind.REVOKE)
    assert papers.sheet.file_sha256 == sha256(data).hexdigest()
    return replace(papers, mails=(desk.mail(text, files={"a.tsv": data}),)).evidence()


def _renewed(desk: HostileDesk) -> int:
    """A certificate with a renewal; the old serial."""
    old = desk.certificate()
    desk.certificate(c4=str(old))
    return old


def _with_steps(desk: HostileDesk) -> None:
    suzuki, tanaka = desk.home.officers
    desk.institution["officers"] = (
        suzuki.model_copy(update={"roles": ("clerk",)}),
        tanaka.model_copy(update={"roles": ("head",)}),
    )
    desk.policy(steps=[{"role": "clerk"}, {"role": "head"}])


def _pin_days(desk: HostileDesk, **days: object) -> None:
    suzuki, tanaka = desk.home.officers
    pins = tuple(pin.model_copy(update=days) for pin in suzuki.openpgp)
    desk.institution["officers"] = (suzuki.model_copy(update={"openpgp": pins}), tanaka)
