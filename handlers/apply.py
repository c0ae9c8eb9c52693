"""A mailed application: every row is checked, all faults are answered at once, and what is good is put before the
officers (manual 1-1-2 to 1-1-4)."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.judge_rows import AnyRow, foreign_certificates, judge_rows, serials_in
from handlers.letters.applicant import ApplicantHelp, ApplicantRefused
from handlers.letters.officer import OfficerForeignSerial
from handlers.notices import Notice, to_officer
from handlers.rules.checks import names_in
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.tsv import TsvFile, guess_kind, read_tsv
from handlers.self_help import find_token, tell_of_withdrawal, withdraw
from handlers.take import RECEIVED, Taken, answer_dry_run, outcomes, take, thread_of
from handlers.views import dn_lines
from store import certificates
from store.states import ErrorMode, Filed, Kind
from store.tables import Application

_KIND_WORDS = {
    "発行": Kind.ISSUE,
    "更新": Kind.RENEW,
    "失効": Kind.REVOKE,
    "ISSUE": Kind.ISSUE,
    "RENEW": Kind.RENEW,
    "REVOKE": Kind.REVOKE,
}
# 確認 by itself asks for a dry run; the politeness ご確認 does not
Rows = Sequence[AnyRow]

_DRY_RUN = re.compile(r"(?<![ご御])確認(?!書)|\bDRY-RUN\b", re.I)
_ARCHIVES = (".zip", ".lzh", ".7z", ".rar", ".tar", ".gz", "winmail.dat")


def takes(mail: IncomingMail) -> bool:
    """A .tsv or .txt attachment that holds TABs, or any attachment under a subject that names a kind."""
    if any(_is_tsv(a) for a in mail.attachments):
        return True
    return bool(_documents(mail)) and _kind_of_subject(mail) is not None


def apply(mail: IncomingMail, ctx: Context) -> Handled:
    """Take or refuse. Nothing is kept of a dry run but a journal line."""
    sender = mail.sender
    if sender is None or not ctx.register.may_be_answered(sender):
        return Handled("application", Reason.SENDER_OUTSIDE, Filed.REFUSED)
    attachment = _find_document(mail)
    if isinstance(attachment, Reason):
        return _help(mail, ctx, attachment)
    file = read_tsv(attachment.data, attachment.name, max_rows=ctx.desk.max_rows)
    kind = _kind_of(mail, file)
    if file.errors:
        return _refuse(mail, ctx, kind, attachment, file.errors, ())
    institution = find_institution(ctx, sender, kind, file)
    if isinstance(institution, Reason):
        return _help(mail, ctx, institution)
    if not institution.may_apply(sender):
        return _help(mail, ctx, Reason.SENDER_OUTSIDE)
    if not institution.active:
        return _refuse(mail, ctx, kind, attachment, (row_error(Code.INSTITUTION_INACTIVE),), ())
    return _judge(Found(mail, institution, kind, attachment, file), ctx)


@dataclass(frozen=True)
class Found:
    """An application that can be read, and whose it is."""

    mail: IncomingMail
    institution: Institution
    kind: Kind
    attachment: Attachment
    file: TsvFile


def _judge(found: Found, ctx: Context) -> Handled:
    """Every row judged: refused with all errors, answered as a dry run, or taken in place of what it corrects."""
    mail, institution = found.mail, found.institution
    is_dry_run = bool(_DRY_RUN.search(mail.subject))
    before = _corrected(found, ctx)
    is_correction = False
    # the rows it corrects must not stand in its way, and must stay if it is refused itself
    with ctx.session.begin_nested() if before else nullcontext() as correction:
        if before:
            is_correction = withdraw(ctx, before)
        rows = judge_rows(ctx, institution, found.kind, found.file)
        is_refused = must_stop(institution.error_mode, rows)
        if correction and (is_refused or is_dry_run):
            correction.rollback()
    if is_refused:
        refused = _refuse(mail, ctx, found.kind, found.attachment, (), rows)
        return replace(refused, notices=(*refused.notices, *_tell_owners(mail, ctx, institution, rows)))
    taken = Taken(mail, institution, found.kind, found.attachment, found.file.encoding, rows)
    if is_dry_run:
        return answer_dry_run(taken, ctx)
    handled = take(taken, ctx)
    if before is None or not is_correction:
        return handled
    told = tell_of_withdrawal(ctx, before, institution, before.sender, handled.number)
    return replace(handled, notices=handled.notices + told)


def _corrected(found: Found, ctx: Context) -> Application | None:
    """The open application that this one replaces: its receipt's token stands in the mail."""
    token = find_token(found.mail, ctx, RECEIVED)
    application = ctx.session.get(Application, token.number) if token else None
    if application is None or (application.institution, application.kind) != (
        found.institution.id,
        found.kind,
    ):
        return None
    return application


def _find_document(mail: IncomingMail) -> Attachment | Reason:
    """The one attachment that is the application."""
    candidates = [a for a in mail.attachments if _is_tsv(a)] or _documents(mail)
    if len(candidates) > 1:
        return Reason.SEVERAL_TSV
    return Reason.ARCHIVE if candidates[0].name.lower().endswith(_ARCHIVES) else candidates[0]


def must_stop(mode: ErrorMode, rows: Rows) -> bool:
    """処理中にエラーが発生した場合: all stop at one error, unless the institution lets the good rows go on."""
    bad = [row for row in rows if row.errors]
    return bool(bad) and (mode is ErrorMode.STOP_ALL or len(bad) == len(rows))


def find_institution(ctx: Context, sender: str, kind: Kind, file: TsvFile) -> Institution | Reason:
    """The one institution whose domains cover every row's names; for a revocation, the one that holds the serials.
    Where none does, the sender's own: its rules then say what is wrong, which is more use than "unknown"."""
    if kind is Kind.REVOKE:
        held = certificates.by_serials(ctx.session, serials_in(file.rows)).values()
        owners = {certificate.entry.application.institution for certificate in held}
        covering = [i for i in ctx.register.institutions.values() if i.id in owners]
    else:
        covering = ctx.register.covering(tuple(dict.fromkeys(n for row in file.rows for n in names_in(row))))
    found = covering if len(covering) == 1 else [i for i in covering if i.may_apply(sender)]
    if not covering or (kind is Kind.REVOKE and not any(i.may_apply(sender) for i in covering)):
        found = [i for i in ctx.register.institutions.values() if i.may_apply(sender)]
    if len(found) == 1:
        return found[0]
    return Reason.INSTITUTION_SEVERAL if len(found) > 1 else Reason.INSTITUTION_UNKNOWN


def _tell_owners(
    mail: IncomingMail, ctx: Context, institution: Institution, rows: Sequence[AnyRow]
) -> tuple[Notice, ...]:
    """Somebody named another institution's certificate: its officers hear of it (threats OWN1)."""
    notices = []
    for certificate in foreign_certificates(ctx, institution, rows):
        owner = ctx.register.institutions.get(certificate.entry.application.institution)
        letter = OfficerForeignSerial(
            dn_lines(certificate.entry.subject_dn),
            int(certificate.serial),
            mail.sender or "",
            institution.name,
        )
        notices += [to_officer(owner, officer, letter) for officer in owner.officers] if owner else []
    return tuple(notices)


def _is_tsv(attachment: Attachment) -> bool:
    return attachment.name.lower().endswith((".tsv", ".txt")) and b"\t" in attachment.data


def _documents(mail: IncomingMail) -> list[Attachment]:
    """Attachments that a person may have meant as the application: not signatures, keys or cards."""
    skipped = (
        "application/pgp-",
        "application/pkcs7-",
        "application/x-pkcs7-",
        "message/",
        "text/vcard",
        "text/html",
    )
    return [a for a in mail.attachments if a.name and not a.content_type.startswith(skipped)]


def _kind_of(mail: IncomingMail, file: TsvFile) -> Kind:
    """The subject's word before the columns; in a reply the columns first: its subject is ours, and says 更新 or 失効
    for reasons of our own."""
    by_subject, by_columns = _kind_of_subject(mail), guess_kind(file.rows)
    is_reply = mail.subject.lower().startswith("re:")
    found = (by_columns or by_subject) if is_reply else (by_subject or by_columns)
    return found or Kind.ISSUE


def _kind_of_subject(mail: IncomingMail) -> Kind | None:
    """The kind that the `+issue` address part or one word of the subject names; None if there are two."""
    if mail.to_detail and mail.to_detail.upper() in _KIND_WORDS:
        return _KIND_WORDS[mail.to_detail.upper()]
    subject = mail.subject.upper()
    kinds = {kind for word, kind in _KIND_WORDS.items() if word in subject}
    return kinds.pop() if len(kinds) == 1 else None


def _help(mail: IncomingMail, ctx: Context, reason: Reason) -> Handled:
    assert mail.sender is not None
    officers = ctx.register.officers_at(mail.sender)
    language = next(
        (i.language for i in ctx.register.institutions.values() if i.may_apply(mail.sender)),
        officers[0][0].language if officers else "ja",
    )
    letter = ApplicantHelp(reason, mail.subject)
    notice = Notice(mail.sender, language, letter, thread=thread_of(mail))
    return Handled("application", reason, Filed.REFUSED, (notice,))


def _refuse(
    mail: IncomingMail,
    ctx: Context,
    kind: Kind,
    attachment: Attachment,
    file_errors: tuple[RowError, ...],
    rows: Sequence[AnyRow],
) -> Handled:
    assert mail.sender is not None
    institutions = [i for i in ctx.register.institutions.values() if i.may_apply(mail.sender)]
    letter = ApplicantRefused(
        kind=kind,
        file_name=attachment.name,
        file_errors=file_errors,
        rows=outcomes(rows),
        dry_run=bool(_DRY_RUN.search(mail.subject)),
    )
    language = institutions[0].language if institutions else "ja"
    reason = Reason.FILE_FAULT if file_errors else Reason.ROW_FAULT
    notice = Notice(mail.sender, language, letter, thread=thread_of(mail))
    return Handled("application", reason, Filed.REFUSED, (notice,))
