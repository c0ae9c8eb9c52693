"""What time does by itself: open applications lapse after their working days, holds end."""

from datetime import timedelta

from handlers.clock import resume
from handlers.context import Context
from handlers.letters.applicant import ApplicantHeld, ApplicantLapsed
from handlers.letters.officer import OfficerDecided, OfficerLapsed
from handlers.notices import Notice, to_officer
from handlers.rules.working_days import local_day
from handlers.views import view_application
from store import applications, journal
from store.states import ApplicationState, EntryState, Verb
from store.tables import Application


def lapse_overdue(ctx: Context) -> list[Notice]:
    """Close what officers let pass; applicant and officers are told."""
    notices: list[Notice] = []
    for application in applications.past_deadline(ctx.session, ctx.now):
        notices += _lapse(ctx, application)
    return notices


def _lapse(ctx: Context, application: Application) -> list[Notice]:
    waiting = [e for e in application.entries if e.state is EntryState.WAITING]
    applications.move_entries(ctx.session, waiting, EntryState.WAITING, EntryState.LAPSED)
    applications.move_application(ctx.session, application, application.state, ApplicationState.LAPSED)
    journal.append(ctx.session, ctx.now, "lapsed", {"number": application.number})
    return _tell(ctx, application)


def _tell(ctx: Context, application: Application) -> list[Notice]:
    institution = ctx.register.institutions.get(application.institution)
    view = view_application(application, institution)
    language = institution.language if institution else "ja"
    notices = [Notice(application.sender, language, ApplicantLapsed(view), number=application.number)]
    if institution:
        notices += [
            to_officer(institution, officer, OfficerLapsed(view), number=application.number)
            for officer in institution.officers
        ]
    return notices


def end_holds(ctx: Context) -> list[Notice]:
    """A hold lasts `hold_days` at most; then the clock runs again and everyone is told. What waited so long for a
    policy lapses: nobody could approve it."""
    notices: list[Notice] = []
    limit = ctx.now - timedelta(days=ctx.desk.hold_days)
    for application in applications.held_since_before(ctx.session, limit):
        if application.policy is None:
            notices += _lapse(ctx, application)
            continue
        resume(ctx, application)
        journal.append(ctx.session, ctx.now, "resumed", {"number": application.number})
        institution = ctx.register.institutions.get(application.institution)
        if institution is None:
            continue
        view = view_application(application, institution)
        deadline = local_day(application.deadline, ctx.desk.utc_offset_hours)
        letter = ApplicantHeld(view, Verb.RESUME, "", deadline)
        notices.append(Notice(application.sender, institution.language, letter, number=application.number))
        seqs = tuple(e.seq for e in application.entries if e.state is EntryState.WAITING)
        decided = OfficerDecided(view, None, Verb.RESUME, seqs, "", deadline)
        notices += [
            to_officer(institution, officer, decided, number=application.number)
            for officer in institution.officers
        ]
    return notices
