"""An officer's signed mail that carries a TSV: uploaded with `申請 …`, uploaded and approved with `申請承認 …`, or the
revocation TSV that we attached to a renewal, sent back byte for byte (manual 1-1-4, 1-2-7, 1-3-3)."""

from dataclasses import replace
from hashlib import sha256

from handlers import apply
from handlers.context import Context
from handlers.decide import carry_out
from handlers.decision_faults import signature_fault
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.judge_rows import judge_rows
from handlers.letters.applicant import ApplicantRefused
from handlers.notices import to_officer
from handlers.officer_answer import Officered, answer_officer
from handlers.rules.approval import DecisionLine
from handlers.rules.identity import is_one_of
from handlers.rules.policy import progress, turn_fault
from handlers.rules.reasons import Reason
from handlers.rules.row_errors import RowError
from handlers.rules.tsv import read_tsv
from handlers.rules.upload import UploadLine, read_upload, returns_file
from handlers.take import Taken, outcomes, take, thread_of
from store import applications, returned_tsvs
from store.states import ErrorMode, Filed, Kind, Verb
from store.tables import Application


def takes(mail: IncomingMail) -> bool:
    """A good signature that covers a TSV. Whether it is an upload, `upload` sees: signing alone does nothing."""
    return mail.signature is not None and mail.signature.content.text is not None and bool(signed_tsvs(mail))


def upload(mail: IncomingMail, ctx: Context) -> Handled:
    """Take what the officer uploads, and approve it if the line, or the file itself, says so."""
    signature = mail.signature
    assert signature is not None
    assert signature.content.text is not None
    who = Officered.of(mail, signature, ctx)
    files = signed_tsvs(mail)
    text = signature.content.text
    line = read_upload(text) or (_returned_line(ctx, files) if returns_file(text) else None)
    if line is None:
        return apply.apply(mail, ctx)
    if len(files) > 1:
        return answer_officer(who, Reason.SEVERAL_TSV, None)
    if fault := signature_fault(who):
        return answer_officer(who, fault, None)
    handled = _upload(who, files[0], line)
    if line.approves and handled.reason is not Reason.APPROVED:
        _refuse_for_good(who, handled)
    return handled


def _refuse_for_good(who: Officered, handled: Handled) -> None:
    """An upload names no code that lapses: a copy must not count when its rows are good one day."""
    signed = (who.signature.content.signed_sha256, who.signature.fingerprint)
    applications.refuse_signature(who.ctx.session, signed, handled.number, handled.reason, who.ctx.now)


def signed_tsvs(mail: IncomingMail) -> list[Attachment]:
    """The TSVs that the signature covers."""
    assert mail.signature is not None
    named = (a for a in mail.signature.content.attachments if a.name.lower().endswith((".tsv", ".txt")))
    return [a for a in named if b"\t" in a.data]


def _returned_line(ctx: Context, files: list[Attachment]) -> UploadLine | None:
    """The bytes are the approval: we made them for this one revocation and sent them to the officers."""
    if len(files) == 1 and returned_tsvs.find(ctx.session, sha256(files[0].data).hexdigest()):
        return UploadLine(Kind.REVOKE, approves=True, faultless_only=False)
    return None


def _upload(who: Officered, attachment: Attachment, line: UploadLine) -> Handled:
    ctx, institution = who.ctx, who.institution
    file = read_tsv(attachment.data, attachment.name, max_rows=ctx.desk.max_rows)
    if file.errors:
        return _refuse(who, attachment, line, file.errors, ())
    rows = judge_rows(ctx, institution, line.kind, file)
    mode = ErrorMode.FAULTLESS_ONLY if line.faultless_only else institution.error_mode
    if apply.must_stop(mode, rows):
        return _refuse(who, attachment, line, (), rows)
    policy = institution.policy_for(line.kind)
    if line.approves and policy and not policy.self_approval and _is_own(who, rows):
        return answer_officer(who, Reason.OWN_APPLICATION, None)
    taken = Taken(who.mail, institution, line.kind, attachment, file.encoding, rows)
    fault = _approval_fault(who, line) if line.approves else None
    if fault is not None:
        return _take_unapproved(who, take(taken, ctx), fault)
    if not line.approves:
        return take(taken, ctx)
    # one approval may not be all: the others are asked, unless this one is enough
    others = [officer for officer in institution.officers if officer.id != who.officer.id]
    is_enough = policy is not None and progress(policy, [who.officer]).is_done
    handled = take(taken, ctx, () if is_enough else others)
    application = ctx.session.get_one(Application, handled.number)
    decision = DecisionLine(Verb.APPROVE, line.kind is Kind.REVOKE, None, (), line.faultless_only, "")
    approved = carry_out(who, application, decision, application.entries)
    return replace(approved, kind="upload", notices=handled.notices + approved.notices)


def _approval_fault(who: Officered, line: UploadLine) -> Reason | None:
    """Why the officer's own approval does not count; what was uploaded waits for those who may."""
    policy = who.institution.policy_for(line.kind)
    return Reason.NO_POLICY if policy is None else turn_fault(policy, who.officer, ())


def _take_unapproved(who: Officered, handled: Handled, fault: Reason) -> Handled:
    application = who.ctx.session.get_one(Application, handled.number)
    answer = answer_officer(who, fault, application)
    return replace(answer, kind="upload", filed=Filed.DONE, notices=handled.notices + answer.notices)


def _is_own(who: Officered, rows: apply.Rows) -> bool:
    return is_one_of(who.officer, (row.request.contact_mail.lower() for row in rows if row.request))


def _refuse(
    who: Officered,
    attachment: Attachment,
    line: UploadLine,
    file_errors: tuple[RowError, ...],
    rows: apply.Rows,
) -> Handled:
    """The manual's table (1-1-4 step 7), to the officer who uploaded."""
    letter = ApplicantRefused(line.kind, attachment.name, file_errors, outcomes(rows), dry_run=False)
    notice = to_officer(who.institution, who.officer, letter, thread=thread_of(who.mail))
    reason = Reason.FILE_FAULT if file_errors else Reason.ROW_FAULT
    return Handled("upload", reason, Filed.REFUSED, (notice,))
