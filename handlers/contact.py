"""利用管理者情報更新: an officer changes whom certificates belong to; the old and the new address are told (manual 1-4,
menu 利用管理者情報)."""

from collections.abc import Sequence
from dataclasses import replace

from handlers.audience import to_contact
from handlers.context import Context
from handlers.decision_faults import signature_fault
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.letters.applicant import ApplicantContactChanged, ApplicantRefused
from handlers.letters.officer import OfficerContactChanged
from handlers.letters.views import RowOutcome
from handlers.notices import Notice, to_officer
from handlers.officer_answer import Officered, answer_officer
from handlers.rules.approval import own_lines
from handlers.rules.columns import CONTACT_COLUMNS
from handlers.rules.contact_update import CheckedContact, ContactRequest, check_contact_rows
from handlers.rules.reasons import Reason
from handlers.rules.row_errors import Code, row_error
from handlers.rules.tsv import read_tsv
from handlers.take import thread_of
from handlers.upload import signed_tsvs
from handlers.views import dn_lines
from store import applications, certificates, inbox, journal
from store.states import Filed, Kind
from store.tables import Certificate

_WORDS = frozenset({"利用管理者情報更新", "UPDATE CONTACT"})
_SERIAL = 4


def takes(mail: IncomingMail) -> bool:
    """A good signature that covers a TSV, and the one word among the officer's own lines."""
    if mail.signature is None or mail.signature.content.text is None or not signed_tsvs(mail):
        return False
    return any(line.rstrip("。.").upper() in _WORDS for line in own_lines(mail.signature.content.text))


def update_contacts(mail: IncomingMail, ctx: Context) -> Handled:
    """All rows or none: a half-changed list would be believed whole."""
    assert mail.signature is not None
    who = Officered.of(mail, mail.signature, ctx)
    files = signed_tsvs(mail)
    if len(files) > 1:
        return answer_officer(who, Reason.SEVERAL_TSV, None)
    if fault := signature_fault(who):
        return answer_officer(who, fault, None)
    handled = _update(who, files[0])
    # done or not: a copy of this mail must not bring an old contact back (threats AP1)
    signed = (who.signature.content.signed_sha256, who.signature.fingerprint)
    applications.refuse_signature(ctx.session, signed, None, handled.reason, ctx.now)
    return handled


def _update(who: Officered, attachment: Attachment) -> Handled:
    mail, ctx = who.mail, who.ctx
    file = read_tsv(attachment.data, attachment.name, max_rows=ctx.desk.max_rows)
    rows = () if file.errors else _judge(who, check_contact_rows(file.rows))
    if file.errors or any(row.errors for row in rows):
        outcomes = tuple(RowOutcome(row.row.seq, row.errors, row.warnings) for row in rows)
        letter = ApplicantRefused(Kind.ISSUE, attachment.name, file.errors, outcomes, dry_run=False)
        notice = to_officer(who.institution, who.officer, letter, thread=thread_of(mail))
        reason = Reason.FILE_FAULT if file.errors else Reason.ROW_FAULT
        return Handled("contact", reason, Filed.REFUSED, (notice,))
    found = certificates.by_serials(ctx.session, [str(r.request.serial) for r in rows if r.request])
    notices: list[Notice] = []
    for row in rows:
        assert row.request is not None
        notices += _change(who, found[str(row.request.serial)], row.request)
    serials = tuple(row.request.serial for row in rows if row.request)
    changed = OfficerContactChanged(who.officer.name, serials)
    done = to_officer(who.institution, who.officer, changed, thread=thread_of(mail))
    return Handled("contact", Reason.ANSWERED, Filed.DONE, (done, *notices))


def _judge(who: Officered, rows: Sequence[CheckedContact]) -> tuple[CheckedContact, ...]:
    """The certificate must be this institution's, valid now, and the one that the DN says."""
    serials = [str(row.request.serial) for row in rows if row.request]
    found = certificates.by_serials(who.ctx.session, serials)
    return tuple(
        _judge_row(who, row, found.get(str(row.request.serial)) if row.request else None) for row in rows
    )


def _judge_row(who: Officered, row: CheckedContact, certificate: Certificate | None) -> CheckedContact:
    request = row.request
    if request is None:
        return row
    is_ours = (
        certificate is not None
        and certificate.entry.application.institution == who.institution.id
        and certificate.entry.match_key == request.subject_dn.match_key()
        and certificates.is_valid(certificate, who.ctx.now)
    )
    if is_ours:
        return row
    return replace(row, request=None, errors=(row_error(Code.NOT_VALID, _SERIAL, columns=CONTACT_COLUMNS),))


def _change(who: Officered, certificate: Certificate, request: ContactRequest) -> list[Notice]:
    """The row as it was mailed stays what it was; the journal says who changed what, without the names themselves."""
    ctx, entry = who.ctx, certificate.entry
    before = entry.contact_mail
    entry.contact_name, entry.contact_department = request.contact_name, request.contact_department
    entry.contact_mail, entry.software = request.contact_mail, request.software or entry.software
    facts = {
        "serial": certificate.serial,
        "officer": who.officer.id,
        "fingerprint": who.signature.fingerprint,
        "mail": inbox.keep_blob(ctx.session, who.mail.raw),
    }
    journal.append(ctx.session, ctx.now, "contact", facts)
    letter = ApplicantContactChanged(
        dn_lines(entry.subject_dn), int(certificate.serial), before, entry.contact_mail
    )
    told = to_contact(ctx, entry, letter)
    if before.lower() == entry.contact_mail.lower():
        return [told]
    return [told, replace(told, to=before.lower())]
