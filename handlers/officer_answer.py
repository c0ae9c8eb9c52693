"""Every mail an officer signs gets one answer: what was done, or which rule stood against it and what to do."""

from dataclasses import dataclass

from handlers.ask import sheet_attachment
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail, Signature
from handlers.letters.officer import OfficerAnswer
from handlers.letters.views import ApplicationView
from handlers.notices import Notice, to_officer
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer
from handlers.rules.sheet import show_code
from handlers.take import thread_of
from handlers.views import Needed, last_day, old_certificates, still_needed, view_application
from store import inbox
from store.states import EntryState, Filed, Verb
from store.tables import Application

# Answers that are not refusals: the officer's will stands, or stood already.
_GOOD = frozenset(
    {Reason.APPROVED, Reason.DECLINED, Reason.HELD, Reason.RESUMED, Reason.REPEATED, Reason.HELP}
)


@dataclass(frozen=True)
class Officered:
    """A mail with the officer whose key signed it."""

    mail: IncomingMail
    signature: Signature
    ctx: Context
    institution: Institution
    officer: Officer

    @staticmethod
    def of(mail: IncomingMail, signature: Signature, ctx: Context) -> "Officered":
        institution = ctx.register.institutions[signature.institution]
        officer = institution.officer(signature.officer)
        assert officer is not None, "a signature names an officer of the register it was verified against"
        return Officered(mail, signature, ctx, institution, officer)


def answer_officer(
    who: Officered,
    reason: Reason,
    application: Application | None,
    seqs: tuple[int, ...] = (),
    others: tuple[Notice, ...] = (),
    verb: Verb | None = None,
) -> Handled:
    """To the officer's one notify address, with the sheet again where something is still to be decided."""
    notice = officer_notice(who.mail, who.ctx, (who.institution, who.officer), reason, application, seqs)
    filed = Filed.DONE if reason in _GOOD else Filed.REFUSED
    number = application.number if application else None
    return Handled("decision", reason, filed, (notice, *others), verb, number)


def officer_notice(
    mail: IncomingMail,
    ctx: Context,
    to: tuple[Institution, Officer],
    reason: Reason,
    application: Application | None,
    seqs: tuple[int, ...] = (),
) -> Notice:
    """The answer itself; with an application it says which one, and how to decide it after all."""
    institution, officer = to
    needed = still_needed(ctx, application, seqs) if application else Needed(0)
    letter = OfficerAnswer(
        officer_name=officer.name,
        reason=reason,
        application=_view(ctx, application, institution) if application else None,
        code=show_code(application.code) if application else None,
        seqs=seqs,
        subject=mail.subject,
        deadline=last_day(ctx, application) if application else None,
        still_needed=needed.count,
        role=needed.role,
    )
    return to_officer(
        institution,
        officer,
        letter,
        number=application.number if application else None,
        thread=thread_of(mail),
        attachments=_sheet_again(ctx, reason, application),
    )


def _view(ctx: Context, application: Application, institution: Institution) -> ApplicationView:
    return view_application(application, institution, old=old_certificates(ctx, application))


def _sheet_again(ctx: Context, reason: Reason, application: Application | None) -> tuple[Attachment, ...]:
    if application is None or reason in _GOOD or application.policy is None:
        return ()
    if not any(entry.state is EntryState.WAITING for entry in application.entries):
        return ()
    return (sheet_attachment(application.number, inbox.blob(ctx.session, application.sheet_sha256)),)
