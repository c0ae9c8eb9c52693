"""What comes due by time: one function a kind. It looks at how things stand now and may find nothing to say.

A due is done when it was looked at, whether or not anybody was written to; so no jump of the clock repeats it.
"""

from collections.abc import Callable, Mapping

from handlers.ask import sheet_attachment
from handlers.audience import to_contact, to_officers_of
from handlers.batch_mail import send_batch
from handlers.context import Context
from handlers.digest import send_digest
from handlers.expire import keep_to_cap, warn_contact, warn_officers
from handlers.key_warnings import warn_of_key
from handlers.letters.applicant import ApplicantNotDownloaded
from handlers.letters.officer import OfficerNotDownloaded, OfficerReminder, OfficerRevocationReminder
from handlers.notices import Notice, to_officer
from handlers.plan import plan_decision_later
from handlers.renewed import ask_for_replacement
from handlers.rules.register import Officer
from handlers.rules.sheet import show_code
from handlers.rules.working_days import local_day
from handlers.views import dn_lines, is_urgent, officers_in_turn, old_certificates, view_application
from store import certificates, downloads, dues, inbox, journal
from store.dues import DueKind
from store.states import ApplicationState, EntryState
from store.tables import Application, Certificate, Due

Notices = tuple[Notice, ...]
_AT_ONCE = 50


def remind(ctx: Context) -> list[Notice]:
    """Do what is due, some at a time: call it again while `is_anything_due`."""
    notices: list[Notice] = []
    for due in dues.open_dues(ctx.session, ctx.now, _AT_ONCE):
        found = keep_to_cap(ctx, due, _ASK[DueKind(due.kind)](ctx, due), notices)
        dues.done(ctx.session, due, ctx.now)
        if found:
            journal.append(ctx.session, ctx.now, "reminded", {"kind": due.kind, "what": due.what})
        notices += found
    return notices


def is_anything_due(ctx: Context) -> bool:
    return bool(dues.open_dues(ctx.session, ctx.now, 1))


def _ask_for_decision(ctx: Context, due: Due) -> Notices:
    """Of an open application, to the officers who still could sign (threats 9, 'Time')."""
    application = ctx.session.get(Application, due.what)
    if application is None:
        return ()
    if application.state is ApplicationState.HELD:
        plan_decision_later(ctx, application)
        return ()
    institution = ctx.register.institutions.get(application.institution)
    is_open = application.state is ApplicationState.OPEN and ctx.now <= application.deadline
    if institution is None or not is_open:
        return ()
    sheet = sheet_attachment(application.number, inbox.blob(ctx.session, application.sheet_sha256))
    return tuple(
        to_officer(
            institution,
            officer,
            _reminder(ctx, application, officer),
            number=application.number,
            attachments=(sheet,),
        )
        for officer in officers_in_turn(ctx, institution, application)
    )


def _reminder(ctx: Context, application: Application, officer: Officer) -> OfficerReminder:
    institution = ctx.register.institutions.get(application.institution)
    return OfficerReminder(
        application=view_application(application, institution, old=old_certificates(ctx, application)),
        officer_name=officer.name,
        code=show_code(application.code),
        deadline=local_day(application.deadline, ctx.desk.utc_offset_hours),
        is_urgent=is_urgent(application),
    )


def _ask_to_fetch(ctx: Context, due: Due) -> Notices:
    """The applicant, as long as there is a URL that would still work."""
    certificate = _unfetched(ctx, due)
    expires_at = downloads.open_until(ctx.session, certificate, ctx.now) if certificate else None
    if certificate is None or expires_at is None:
        return ()
    entry = certificate.entry
    letter = ApplicantNotDownloaded(
        entry.number, dn_lines(entry.subject_dn), int(certificate.serial), expires_at
    )
    return (to_contact(ctx, entry, letter),)


def _ask_to_telephone(ctx: Context, due: Due) -> Notices:
    """The officers, even after the URL ended: somebody must be asked (manual 1-1-5)."""
    certificate = _unfetched(ctx, due)
    expires_at = downloads.last_expiry(ctx.session, certificate) if certificate else None
    if certificate is None or expires_at is None:
        return ()
    entry = certificate.entry
    letter = OfficerNotDownloaded(
        number=entry.number,
        dn=dn_lines(entry.subject_dn),
        serial=int(certificate.serial),
        contact_name=entry.contact_name,
        contact_mail=entry.contact_mail,
        expires_at=expires_at,
    )
    return to_officers_of(ctx, entry, letter)


def _unfetched(ctx: Context, due: Due) -> Certificate | None:
    certificate = _certificate(ctx, due)
    if certificate is None or not certificates.is_valid(certificate, ctx.now):
        return None
    return certificate if certificate.entry.state is EntryState.ISSUED else None


def _ask_to_replace(ctx: Context, due: Due) -> Notices:
    """The applicant; a report that it is done drops these dues (manual 1-2-6)."""
    new, old = _renewal(ctx, due)
    if new is None or old is None or new.downloaded_at is None:
        return ()
    days = (due.due_at - new.downloaded_at).days
    return (ask_for_replacement(ctx, new, old, days),)


def _ask_to_revoke_old(ctx: Context, due: Due) -> Notices:
    """The officers, once; without the TSV (manual 1-2-9)."""
    new, old = _renewal(ctx, due)
    if new is None or old is None:
        return ()
    entry = new.entry
    letter = OfficerRevocationReminder(entry.number, dn_lines(old.entry.subject_dn), int(old.serial))
    return to_officers_of(ctx, entry, letter)


def _renewal(ctx: Context, due: Due) -> tuple[Certificate | None, Certificate | None]:
    """The new certificate and the one it replaces, while that is still valid."""
    new = _certificate(ctx, due)
    old = new.replaces if new else None
    return (new, old) if old is not None and certificates.is_valid(old, ctx.now) else (None, None)


def _certificate(ctx: Context, due: Due) -> Certificate | None:
    return certificates.by_serials(ctx.session, [due.what]).get(due.what)


_ASK: Mapping[DueKind, Callable[[Context, Due], Notices]] = {
    DueKind.DECIDE: _ask_for_decision,
    DueKind.FETCH: _ask_to_fetch,
    DueKind.TELEPHONE: _ask_to_telephone,
    DueKind.REPLACE: _ask_to_replace,
    DueKind.REVOKE_OLD: _ask_to_revoke_old,
    DueKind.EXPIRY: warn_contact,
    DueKind.EXPIRY_OFFICERS: warn_officers,
    DueKind.BATCH: send_batch,
    DueKind.KEY_ENDING: warn_of_key,
    DueKind.DIGEST: send_digest,
}
