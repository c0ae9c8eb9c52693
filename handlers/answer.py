"""The mails that change nothing: unreadable, automatic, unsigned, wrongly signed, or asking for help.

Each is answered once and usefully where there is a person who may be answered, else journalled in silence.
"""

from dataclasses import replace
from datetime import timedelta

from handlers.alarm import alarm
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.letters.applicant import ApplicantHelp
from handlers.letters.monitor import AlarmCode
from handlers.notices import Notice
from handlers.officer_answer import Officered, answer_officer, officer_notice
from handlers.rules.approval import read_decision
from handlers.rules.csr import has_private_key
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer
from handlers.take import thread_of
from store import applications, inbox
from store.states import Filed

# A mail over these limits is not parsed at all; the monitors are told (threats DOS1).
_QUARANTINED = frozenset(
    {Reason.TOO_LARGE, Reason.TOO_COMPLEX, Reason.HEADER_TOO_LARGE, Reason.UNREADABLE, Reason.CRASHED}
)

_DAY = timedelta(days=1)


def is_unreadable(mail: IncomingMail) -> bool:
    return mail.fault is not None


def answer_unreadable(mail: IncomingMail, ctx: Context) -> Handled:
    """Set aside; the monitors are told, and the sender if a person of ours."""
    fault = mail.fault
    assert fault is not None
    notices = answer_somebody(mail, ctx, fault)
    if fault not in _QUARANTINED:
        return Handled("unreadable", fault, Filed.REFUSED, notices)
    detail = f"uid {mail.key.uid}, from {mail.sender or 'unknown'}, {len(mail.raw)} bytes read"
    return Handled("unreadable", fault, Filed.QUARANTINE, (*notices, *alarm(ctx, AlarmCode(fault), detail)))


def holds_private_key(mail: IncomingMail) -> bool:
    """In the raw bytes, or behind a transfer encoding in the text or an attachment (threats CSR5)."""
    return any(map(has_private_key, (mail.raw, mail.text.encode(), *(a.data for a in mail.attachments))))


def answer_private_key(mail: IncomingMail, ctx: Context) -> Handled:
    """Whatever else the mail asks for: nothing is done and nothing of it is kept, whoever sent it."""
    reason = Reason.PRIVATE_KEY
    if mail.signature is not None:
        return replace(answer_officer(Officered.of(mail, mail.signature, ctx), reason, None), keep_raw=False)
    return Handled("private key", reason, Filed.REFUSED, answer_somebody(mail, ctx, reason), keep_raw=False)


def has_unread_text(mail: IncomingMail) -> bool:
    return mail.signature is not None and mail.signature.content.text is None


def answer_unread_text(mail: IncomingMail, ctx: Context) -> Handled:
    """A good signature over something that holds no text we may read: HTML only, a strange charset."""
    assert mail.signature is not None
    reason = mail.signature.content.text_fault or Reason.NO_TEXT
    return answer_officer(Officered.of(mail, mail.signature, ctx), reason, None)


def is_automatic(mail: IncomingMail) -> bool:
    return mail.automatic is not None and mail.signature is None


def keep_silent(mail: IncomingMail, ctx: Context) -> Handled:
    return Handled("automatic", Reason.AUTOMATIC, Filed.DONE)


def has_refused_signature(mail: IncomingMail) -> bool:
    return mail.signature_fault is not None


def answer_refused_signature(mail: IncomingMail, ctx: Context) -> Handled:
    assert mail.signature_fault is not None
    return Handled(
        "refused signature",
        mail.signature_fault,
        Filed.REFUSED,
        answer_somebody(mail, ctx, mail.signature_fault),
    )


def is_unsigned_decision(mail: IncomingMail) -> bool:
    """Words of decision, or the code of a sheet, with no signature at all."""
    reading = read_decision(mail.text)
    return mail.signature is None and (reading.fault is not Reason.NO_DECISION or bool(reading.codes))


def answer_unsigned_decision(mail: IncomingMail, ctx: Context) -> Handled:
    """A code without words of decision comes from machines too, which quote our mails: answered once a day."""
    is_quote = read_decision(mail.text).fault is Reason.NO_DECISION
    if is_quote and inbox.was_given(ctx.session, mail.sender, Reason.UNSIGNED, ctx.now - _DAY):
        return Handled("silence", Reason.HELPED_TODAY, Filed.REFUSED)
    notices = answer_somebody(mail, ctx, Reason.UNSIGNED)
    return Handled("unsigned decision", Reason.UNSIGNED, Filed.REFUSED, notices)


def help_sender(mail: IncomingMail, ctx: Context) -> Handled:
    """Help for people of ours, once a day; silence for strangers."""
    if mail.signature is not None:
        return answer_officer(Officered.of(mail, mail.signature, ctx), Reason.NO_DECISION, None)
    if mail.sender is None or not ctx.register.may_be_answered(mail.sender):
        return Handled("stranger", Reason.STRANGER, Filed.REFUSED)
    if inbox.was_sent_kind_since(ctx.session, mail.sender, "help", ctx.now - _DAY):
        return Handled("silence", Reason.HELPED_TODAY, Filed.REFUSED)
    reason = Reason.NO_TSV if mail.attachments else Reason.HELP
    return Handled("help", reason, Filed.REFUSED, answer_somebody(mail, ctx, reason))


def _refused_owner(mail: IncomingMail, ctx: Context) -> tuple[Institution, Officer] | None:
    if mail.refused_key is None or mail.signature_scheme is None:
        return None
    return ctx.register.officer_with_key(mail.signature_scheme, mail.refused_key)


def answer_somebody(mail: IncomingMail, ctx: Context, reason: Reason) -> tuple[Notice, ...]:
    """To the officer whose key or address it is, else to an applicant, else to nobody."""
    if owner := _refused_owner(mail, ctx):
        return (_to_claimed_officer(mail, ctx, owner, reason),)
    if mail.automatic is not None or mail.sender is None:
        return ()
    officers = ctx.register.officers_at(mail.sender)
    if officers and reason not in (Reason.HELP, Reason.NO_TSV):
        return (_to_claimed_officer(mail, ctx, officers[0], reason),)
    if not ctx.register.may_be_answered(mail.sender):
        return ()
    institutions = [i for i in ctx.register.institutions.values() if i.may_apply(mail.sender)]
    language = (institutions or [officers[0][0]])[0].language
    return (Notice(mail.sender, language, ApplicantHelp(reason, mail.subject), thread=thread_of(mail)),)


def _to_claimed_officer(
    mail: IncomingMail, ctx: Context, owner: tuple[Institution, Officer], reason: Reason
) -> Notice:
    """With the application that the mail's text names, so that the officer can decide by replying to this very mail.
    The text is not trusted for anything else, and only this officer's own registered address gets it."""
    codes = read_decision(mail.text).codes
    application = applications.find_by_code(ctx.session, codes[0]) if len(codes) == 1 else None
    if application is not None and application.institution != owner[0].id:
        application = None
    return officer_notice(mail, ctx, owner, reason, application)
