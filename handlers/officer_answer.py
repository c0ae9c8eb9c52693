"""Every mail an officer signs gets one answer: what was done, or which rule stood against it and what to do."""

from dataclasses import dataclass

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail, Signature
from handlers.notices import Notice, OfficerAnswer, to_officer
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer
from handlers.rules.sheet import show_code
from handlers.take import sheet_attachment, thread_of
from handlers.views import view_application
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
    letter = OfficerAnswer(
        officer_name=who.officer.name,
        reason=reason,
        application=view_application(application, who.institution) if application else None,
        code=show_code(application.code) if application else None,
        seqs=seqs,
        subject=who.mail.subject,
    )
    number = application.number if application else None
    notice = to_officer(
        who.institution,
        who.officer,
        letter,
        number=number,
        thread=thread_of(who.mail),
        attachments=_sheet_again(who, reason, application),
    )
    filed = Filed.DONE if reason in _GOOD else Filed.REFUSED
    return Handled("decision", reason, filed, (notice, *others), verb, number)


def _sheet_again(who: Officered, reason: Reason, application: Application | None) -> tuple[Attachment, ...]:
    if application is None or reason in _GOOD:
        return ()
    if not any(entry.state is EntryState.WAITING for entry in application.entries):
        return ()
    return (sheet_attachment(application.number, inbox.blob(who.ctx.session, application.sheet_sha256)),)
