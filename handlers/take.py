"""A checked application is put before the officers: numbered, frozen as a sheet, and asked about (manual 1-1-3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.alarm import alarm
from handlers.ask import Fresh, ask_officers, sheet_attachment, tell_of_waiting
from handlers.context import Context
from handlers.frozen import freeze
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.judge_rows import AnyRow
from handlers.letters.applicant import ApplicantReceived
from handlers.letters.monitor import AlarmCode
from handlers.letters.officer import OfficerReplaced
from handlers.letters.views import ApplicationView, RowOutcome
from handlers.notices import Notice, to_officer
from handlers.plan import plan_decision
from handlers.refreeze import alarm_no_policy
from handlers.rules.checks import ServerRequest
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer
from handlers.rules.reply_token import RANDOM_BYTES, reply_token
from handlers.rules.revocation import RevocationRequest
from handlers.rules.sheet import show_code
from handlers.rules.tsv import Row
from handlers.rules.working_days import add_working_days, end_of_day, local_day
from handlers.views import is_asked_at_once, is_urgent, officers_in_turn, old_certificates, view_application
from store import applications, inbox, journal, reply_tokens
from store.states import ApplicationState, EntryState, Filed, Kind
from store.tables import Application, Entry

__all__ = [
    "RECEIVED",
    "Taken",
    "answer_dry_run",
    "outcomes",
    "sheet_attachment",
    "take",
    "thread_of",
]

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
    """Keep it, freeze the sheet, tell the applicant, ask the officers whose turn it is; of them only `asked`, if given.

    Without a policy for its kind it is held, and nobody is asked.
    """
    number = applications.next_number(
        ctx.session, local_day(ctx.now, ctx.desk.utc_offset_hours).strftime("%Y%m%d")
    )
    application = _build(taken, ctx, number)
    _store(taken, ctx, application)
    if application.policy is not None:
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
    notices += _ask(taken, ctx, application, asked)
    if is_urgent(application):
        notices += alarm(
            ctx,
            AlarmCode.KEY_COMPROMISE,
            f"{number}: {taken.institution.id} asks to revoke a compromised key",
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
        uploader=taken.mail.signature.officer if taken.mail.signature else None,
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


def _store(taken: Taken, ctx: Context, application: Application) -> None:
    application.mail_sha256 = inbox.keep_blob(ctx.session, taken.mail.raw)
    application.file_sha256 = inbox.keep_blob(ctx.session, taken.file.data)
    freeze(ctx, application, taken.institution)
    if application.policy is None:
        # nobody may approve it: it waits until the register says who (mail-protocol 4)
        application.state, application.held_at = ApplicationState.HELD, ctx.now
    ctx.session.add(application)
    ctx.session.flush()
    applications.hold_keys(ctx.session, application.entries)
    applications.keep_names(ctx.session, application.entries)


def _tell_applicants(
    taken: Taken, ctx: Context, application: Application, view: ApplicationView, *, dry_run: bool
) -> tuple[Notice, ...]:
    """One receipt to the sender, and one to each contact (column 10) that may be written to before approval."""
    deadline = local_day(application.deadline, ctx.desk.utc_offset_hours)
    letter = ApplicantReceived(
        application=view,
        rows=outcomes(taken.rows),
        deadline=deadline if taken.institution.policy_for(taken.kind) else None,
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


def _ask(
    taken: Taken, ctx: Context, application: Application, asked: Sequence[Officer] | None
) -> tuple[Notice, ...]:
    """The request to those whose turn it is, or the ready revocation of a certificate that was replaced."""
    institution = taken.institution
    if application.policy is None:
        waiting = tell_of_waiting(institution, application, institution.officers, is_void=False)
        return (*waiting, *alarm_no_policy(ctx, application))
    if not is_asked_at_once(institution, application):
        return ()
    turn = officers_in_turn(ctx, institution, application)
    officers = [officer for officer in turn if asked is None or officer in asked]
    if taken.is_replacement:
        return tuple(_replaced(taken, ctx, application, officer) for officer in officers)
    fresh = Fresh(taken.mail.authentication, taken.warnings)
    return ask_officers(ctx, institution, application, officers, fresh=fresh)


def _replaced(taken: Taken, ctx: Context, application: Application, officer: Officer) -> Notice:
    view = view_application(
        application, taken.institution, taken.warnings, old_certificates(ctx, application)
    )
    deadline = local_day(application.deadline, ctx.desk.utc_offset_hours)
    letter = OfficerReplaced(view, officer.name, show_code(application.code), deadline)
    attachments = (
        Attachment(taken.file.name, "text/tab-separated-values", taken.file.data),
        sheet_attachment(application.number, inbox.blob(ctx.session, application.sheet_sha256)),
    )
    return to_officer(taken.institution, officer, letter, number=application.number, attachments=attachments)


def outcomes(rows: Sequence[AnyRow]) -> tuple[RowOutcome, ...]:
    return tuple(RowOutcome(r.row.seq, r.errors, r.warnings) for r in rows)


def thread_of(mail: IncomingMail) -> tuple[str, ...]:
    """The Message-IDs an answer refers to, oldest first."""
    return (*mail.references, mail.message_id) if mail.message_id else mail.references
