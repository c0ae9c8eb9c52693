"""A checked application is put before the officers: numbered, frozen as a sheet, and asked about (manual 1-1-3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.alarm import alarm
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.judge_rows import AnyRow
from handlers.letters.applicant import ApplicantReceived
from handlers.letters.officer import OfficerApprovalRequest, OfficerReplaced
from handlers.letters.views import ApplicationView, RowOutcome, SenderEvidence
from handlers.notices import Notice, to_officer
from handlers.plan import plan_decision
from handlers.rules.checks import ServerRequest
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer
from handlers.rules.reply_token import RANDOM_BYTES, reply_token
from handlers.rules.revocation import RevocationRequest
from handlers.rules.sheet import Sheet, code_of, policy_digest, show_code
from handlers.rules.tsv import Row
from handlers.rules.working_days import add_working_days, end_of_day, local_day
from handlers.views import is_urgent, old_certificates, sheet_row, view_application
from store import applications, inbox, journal, reply_tokens
from store.states import ApplicationState, EntryState, Filed, Kind
from store.tables import Application, Entry

RECEIVED = "received"  # the purpose of the token in ApplicantReceived


@dataclass(frozen=True)
class Taken:
    """An application whose good rows may go on; rows with errors are in `rows` for the answer only."""

    mail: IncomingMail
    institution: Institution
    kind: Kind
    file: Attachment
    encoding: str
    rows: Sequence[AnyRow]
    is_replacement: bool = False  # the applicant reported a replacement: a revocation of our own making

    @property
    def warnings(self) -> dict[int, tuple]:  # type: ignore[type-arg]
        return {r.row.seq: r.warnings for r in self.rows}


def take(taken: Taken, ctx: Context, asked: Sequence[Officer] | None = None) -> Handled:
    """Keep it, freeze the sheet, tell the applicant, ask the officers: all of them unless `asked` says which."""
    number = applications.next_number(
        ctx.session, local_day(ctx.now, ctx.desk.utc_offset_hours).strftime("%Y%m%d")
    )
    application = _build(taken, ctx, number)
    sheet = _freeze(taken, ctx, application)
    _store(taken, ctx, application, sheet)
    plan_decision(ctx, application)
    journal.append(
        ctx.session,
        ctx.now,
        "taken",
        {
            "number": number,
            "institution": taken.institution.id,
            "kind": taken.kind,
            "rows": [entry.seq for entry in application.entries],
            "file": application.file_sha256,
            "sheet": application.sheet_sha256,
            "mail": application.mail_sha256,
        },
    )
    view = view_application(
        application, taken.institution, taken.warnings, old_certificates(ctx, application)
    )
    notices = [*_tell_applicants(taken, ctx, application, view, dry_run=False)]
    officers = taken.institution.officers if asked is None else asked
    notices += [ask_officer(taken, ctx, application, view, officer, sheet) for officer in officers]
    if is_urgent(application):
        notices += alarm(
            ctx, "key_compromise", f"{number}: {taken.institution.id} asks to revoke a compromised key"
        )
    return Handled("application", Reason.TAKEN, Filed.DONE, tuple(notices), number=number)


def answer_dry_run(taken: Taken, ctx: Context) -> Handled:
    """The answer a real application would get; nothing is numbered, kept or shown to officers."""
    application = _build(taken, ctx, "DRY-RUN")
    view = view_application(application, taken.institution, taken.warnings)
    return Handled(
        "application",
        Reason.CHECKED,
        Filed.DONE,
        _tell_applicants(taken, ctx, application, view, dry_run=True)[:1],
    )


def _build(taken: Taken, ctx: Context, number: str) -> Application:
    """The stored form, not yet in the session."""
    day = local_day(ctx.now, ctx.desk.utc_offset_hours)
    last_day = add_working_days(day, ctx.desk.lapse_working_days, ctx.desk.holidays)
    assert taken.mail.sender is not None
    application = Application(
        number=number,
        institution=taken.institution.id,
        kind=taken.kind,
        error_mode=taken.institution.error_mode,
        state=ApplicationState.OPEN,
        message_id=taken.mail.message_id,
        file_name=taken.file.name[:255],
        encoding=taken.encoding,
        sender=taken.mail.sender,
        received_at=taken.mail.received_at,
        deadline=end_of_day(last_day, ctx.desk.utc_offset_hours),
    )
    application.entries = [_entry(row.row, row.request) for row in taken.rows if row.request]
    return application


def _entry(row: Row, request: ServerRequest | RevocationRequest) -> Entry:
    entry = Entry(
        seq=row.seq,
        state=EntryState.WAITING,
        raw_line=row.raw,
        subject_dn=request.subject_dn.text(),
        match_key=request.subject_dn.match_key(),
        contact_mail=request.contact_mail,
        contact_name="",
        contact_department="",
        software="",
        comment="",
        public_key="",
    )
    if isinstance(request, RevocationRequest):
        entry.old_serial, entry.reason, entry.comment = (
            str(request.serial),
            request.reason.value,
            request.comment,
        )
        entry.fqdn = entry.dns_names = request.subject_dn.cn.lower()
        return entry
    entry.old_serial = None if request.old_serial is None else str(request.old_serial)
    entry.fqdn, entry.dns_names = request.fqdn, "\n".join(request.dns_names)
    entry.profile_id, entry.csr = request.profile.id, request.csr_der
    entry.public_key_sha256, entry.public_key = request.public_key_sha256, request.public_key
    entry.contact_name, entry.contact_department = request.contact_name, request.contact_department
    entry.software = request.software
    return entry


def _freeze(taken: Taken, ctx: Context, application: Application) -> bytes:
    application.mail_sha256 = inbox.keep_blob(ctx.session, taken.mail.raw)
    application.file_sha256 = inbox.keep_blob(ctx.session, taken.file.data)
    policy = taken.institution.policy
    return Sheet(
        instance=ctx.desk.instance,
        number=application.number,
        institution=taken.institution.id,
        kind=taken.kind,
        file_sha256=application.file_sha256,
        rows=tuple(sheet_row(e.seq, e.raw_line, e.fqdn) for e in application.entries),
        policy=policy.name,
        policy_sha256=policy_digest(policy),
        register_sha256=taken.institution.digest,
        journal_head=journal.head(ctx.session),
        nonce=ctx.random(16).hex(),
    ).render()


def _store(taken: Taken, ctx: Context, application: Application, sheet: bytes) -> None:
    application.sheet_sha256 = inbox.keep_blob(ctx.session, sheet)
    application.code = code_of(sheet)
    ctx.session.add(application)
    ctx.session.flush()
    applications.hold_keys(ctx.session, application.entries)


def _tell_applicants(
    taken: Taken, ctx: Context, application: Application, view: ApplicationView, *, dry_run: bool
) -> tuple[Notice, ...]:
    """One receipt to the sender, and one to each contact (column 10) that may be written to before approval."""
    letter = ApplicantReceived(
        application=view,
        rows=outcomes(taken.rows),
        deadline=local_day(application.deadline, ctx.desk.utc_offset_hours),
        dry_run=dry_run,
        encoding=taken.encoding,
        token="" if dry_run else _token(ctx, application),
    )
    contacts = (entry.contact_mail.lower() for entry in application.entries)
    addresses = dict.fromkeys((application.sender, *filter(taken.institution.may_apply, contacts)))
    number = None if dry_run else application.number
    return tuple(
        Notice(to, taken.institution.language, letter, number=number, thread=thread_of(taken.mail))
        for to in addresses
    )


def _token(ctx: Context, application: Application) -> str:
    """What an answer must hold to withdraw or to correct this application: only its hash is kept."""
    token = reply_token(ctx.random(RANDOM_BYTES))
    reply_tokens.create(ctx.session, RECEIVED, application.number, None, token, ctx.now)
    return token


def ask_officer(
    taken: Taken,
    ctx: Context,
    application: Application,
    view: ApplicationView,
    officer: Officer,
    sheet: bytes,
) -> Notice:
    """The approval request to one officer, with the TSV as received and the sheet."""
    attachments = (
        Attachment(taken.file.name, "text/tab-separated-values", taken.file.data),
        sheet_attachment(application.number, sheet),
    )
    write = _replaced if taken.is_replacement else _request
    letter = write(taken, ctx, application, view, officer)
    return to_officer(taken.institution, officer, letter, number=application.number, attachments=attachments)


def _replaced(
    taken: Taken, ctx: Context, application: Application, view: ApplicationView, officer: Officer
) -> OfficerReplaced | OfficerApprovalRequest:
    deadline = local_day(application.deadline, ctx.desk.utc_offset_hours)
    return OfficerReplaced(view, officer.name, show_code(application.code), deadline)


def _request(
    taken: Taken, ctx: Context, application: Application, view: ApplicationView, officer: Officer
) -> OfficerApprovalRequest:
    policy = taken.institution.policy
    contacts = {entry.contact_mail.lower() for entry in application.entries}
    return OfficerApprovalRequest(
        application=view,
        officer_name=officer.name,
        code=show_code(application.code),
        checklist=policy.checklist,
        deadline=local_day(application.deadline, ctx.desk.utc_offset_hours),
        approvals_needed=policy.approvals,
        evidence=SenderEvidence(
            sender=application.sender,
            authentication=taken.mail.authentication,
            sender_is_contact=contacts == {application.sender},
        ),
        is_urgent=is_urgent(application),
    )


def sheet_attachment(number: str, sheet: bytes) -> Attachment:
    return Attachment(f"{number}.sheet", "application/octet-stream", sheet)


def outcomes(rows: Sequence[AnyRow]) -> tuple[RowOutcome, ...]:
    return tuple(RowOutcome(r.row.seq, r.errors, r.warnings) for r in rows)


def thread_of(mail: IncomingMail) -> tuple[str, ...]:
    """The Message-IDs an answer refers to, oldest first."""
    return (*mail.references, mail.message_id) if mail.message_id else mail.references
