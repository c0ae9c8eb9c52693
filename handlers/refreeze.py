"""A sheet commits to the policy: when the register changes that, the sheet is void, what was approved on it counts no
more, and the officers are asked anew (threats AP1: 'any edit makes a new sheet and voids the old')."""

from collections.abc import Sequence

from handlers.alarm import alarm
from handlers.ask import ask_officers, tell_of_waiting
from handlers.clock import start_clock
from handlers.context import Context
from handlers.frozen import freeze, is_in_force
from handlers.letters.applicant import ApplicantReviewAnew
from handlers.letters.monitor import AlarmCode
from handlers.notices import Notice
from handlers.rules.register import Institution
from handlers.views import last_day, officers_in_turn, view_application
from store import applications, journal
from store.states import ApplicationState, EntryState
from store.tables import Application, Entry

_OVER = (ApplicationState.CLOSED, ApplicationState.LAPSED)


def refreeze_changed(ctx: Context) -> list[Notice]:
    """Everything undecided whose sheet names a policy that is no longer in force: call it when the register may have
    changed."""
    notices: list[Notice] = []
    for application in applications.undecided(ctx.session):
        notices += refreeze_if_changed(ctx, application) or ()
    return notices


def refreeze_if_changed(ctx: Context, application: Application) -> tuple[Notice, ...] | None:
    """Void the sheet and freeze another, if the policy in force is not the one it names; None if it is.

    Rows that were approved and not carried out wait again. Without any policy the application is held. While rows are
    at the signer the sheet stays, void as it is: it is the name by which the signer knows what it signed.
    """
    institution = ctx.register.institutions.get(application.institution)
    if institution is None or is_in_force(ctx, application, institution):
        return None
    if any(entry.state is EntryState.SIGNING for entry in application.entries):
        return ()
    had_policy = application.policy is not None
    is_held = application.state is ApplicationState.HELD and had_policy
    code = application.code
    void(ctx, application, application.entries, "policy")
    applications.void_sheet(ctx.session, application, ctx.now)
    freeze(ctx, application, institution)
    journal.append(
        ctx.session,
        ctx.now,
        "frozen",
        {
            "number": application.number,
            "instead": code,
            "sheet": application.sheet_sha256,
            "file": application.file_sha256,
            "mail": application.mail_sha256,
        },
    )
    if application.policy is None:
        return _wait(ctx, application, institution)
    if not is_held:
        start_clock(ctx, application)
    return _ask_anew(ctx, application, institution, had_policy=had_policy)


def void(ctx: Context, application: Application, entries: Sequence[Entry], cause: str) -> None:
    """Forget the approvals of these rows, and take those that were not carried out yet back."""
    undone = [e for e in entries if e.state is EntryState.APPROVED] if cause == "policy" else []
    undone = applications.move_entries(ctx.session, undone, EntryState.APPROVED, EntryState.WAITING)
    kept = (EntryState.WAITING, EntryState.FAILED)
    rows = [e for e in entries if e.state in kept]
    decisions = applications.void_approvals(ctx.session, rows)
    facts = {
        "number": application.number,
        "code": application.code,
        "cause": cause,
        "rows": [e.seq for e in rows],
        "decisions": decisions,
    }
    journal.append(ctx.session, ctx.now, "voided", facts)
    if undone and application.state in _OVER:
        applications.move_application(ctx.session, application, application.state, ApplicationState.OPEN)


def _wait(ctx: Context, application: Application, institution: Institution) -> tuple[Notice, ...]:
    if application.state is ApplicationState.OPEN:
        applications.move_application(ctx.session, application, ApplicationState.OPEN, ApplicationState.HELD)
    application.held_at = ctx.now
    return (
        _to_applicant(ctx, application, institution),
        *tell_of_waiting(institution, application, institution.officers, is_void=True),
        *alarm_no_policy(ctx, application),
    )


def alarm_no_policy(ctx: Context, application: Application) -> tuple[Notice, ...]:
    """Only the operators can mend it."""
    detail = f"{application.number}: no policy of {application.institution} names the kind {application.kind}"
    return alarm(ctx, AlarmCode.NO_POLICY, detail)


def _ask_anew(
    ctx: Context, application: Application, institution: Institution, *, had_policy: bool
) -> tuple[Notice, ...]:
    asked = officers_in_turn(ctx, institution, application)
    others = [o for o in institution.officers if o not in asked]
    told = (
        () if application.state is ApplicationState.HELD else (_to_applicant(ctx, application, institution),)
    )
    waiting = tell_of_waiting(institution, application, others, is_void=True) if had_policy else ()
    return (
        *told,
        *ask_officers(ctx, institution, application, asked, is_anew=had_policy),
        *waiting,
    )


def _to_applicant(ctx: Context, application: Application, institution: Institution) -> Notice:
    letter = ApplicantReviewAnew(view_application(application, institution), last_day(ctx, application))
    thread = (application.message_id,) if application.message_id else ()
    return Notice(application.sender, institution.language, letter, number=application.number, thread=thread)
