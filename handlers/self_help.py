"""What applicants do for themselves by answering a mail of ours: report the replacement, withdraw (manual 1-2-6).

The token in our mail proves that the sender got it, and nothing else: what it opens harms nobody but the application
it belongs to, and a replacement only brings a sheet before the officers.
"""

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.judge_rows import judge_rows
from handlers.letters.applicant import ApplicantHelp, ApplicantWithdrawn
from handlers.letters.officer import OfficerWithdrawn
from handlers.notices import Notice, to_officer
from handlers.plan import stop_asking_applicant
from handlers.renewed import REPLACED
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Language
from handlers.rules.reply_token import tokens_in
from handlers.rules.revocation_tsv import revocation_file_name, revocation_tsv
from handlers.rules.self_help import Wish, read_wish
from handlers.rules.tsv import read_tsv
from handlers.take import RECEIVED, Taken, take, thread_of
from handlers.views import view_application
from store import applications, certificates, journal, reply_tokens
from store.states import ApplicationState, EntryState, Filed, Kind
from store.tables import Application, Entry, ReplyToken

# which mail's token a wish needs
_PURPOSES = {Wish.REPLACED: REPLACED, Wish.WITHDRAW: RECEIVED}


def takes(mail: IncomingMail) -> bool:
    """One wish and something that looks like a token; a signature is neither needed nor in the way."""
    return mail.signature is None and read_wish(mail.text) is not None and bool(tokens_in(mail.text))


def help_themselves(mail: IncomingMail, ctx: Context) -> Handled:
    wish = read_wish(mail.text)
    assert wish is not None
    token = find_token(mail, ctx, _PURPOSES[wish])
    institution = _institution(ctx, token)
    if token is None or institution is None:
        return _answer(mail, ctx, Reason.TOKEN_UNKNOWN)
    if wish is Wish.WITHDRAW:
        return _withdraw(mail, ctx, ctx.session.get_one(Application, token.number), institution)
    return _report_replacement(mail, ctx, token, institution)


def find_token(mail: IncomingMail, ctx: Context, purpose: str) -> ReplyToken | None:
    """A token of ours for this purpose in the text (quotes included); None if there is none, or if they belong to
    different things: two mails of ours about the same row may both be quoted."""
    found = [reply_tokens.find(ctx.session, token) for token in tokens_in(mail.text)]
    fitting = [token for token in found if token is not None and token.purpose == purpose]
    return fitting[0] if len({(token.number, token.entry_id) for token in fitting}) == 1 else None


def _institution(ctx: Context, token: ReplyToken | None) -> Institution | None:
    if token is None:
        return None
    return ctx.register.institutions.get(ctx.session.get_one(Application, token.number).institution)


def withdraw(ctx: Context, application: Application) -> bool:
    """End every row that is still open; False if nothing was."""
    waiting = [e for e in application.entries if e.state is EntryState.WAITING]
    moved = applications.move_entries(ctx.session, waiting, EntryState.WAITING, EntryState.WITHDRAWN)
    if moved:
        applications.move_application(ctx.session, application, application.state, ApplicationState.CLOSED)
        journal.append(
            ctx.session, ctx.now, "withdrawn", {"number": application.number, "rows": [e.seq for e in moved]}
        )
    return bool(moved)


def tell_of_withdrawal(
    ctx: Context, application: Application, institution: Institution, to: str, successor: str | None
) -> tuple[Notice, ...]:
    """The applicant and every officer: the sheet they hold is void. `successor`: the corrected application."""
    view = view_application(application, institution)
    letter = ApplicantWithdrawn(view, successor)
    thread = (application.message_id,) if application.message_id else ()
    notices = [Notice(to, institution.language, letter, number=application.number, thread=thread)]
    notices += [
        to_officer(institution, officer, OfficerWithdrawn(view, successor), number=application.number)
        for officer in institution.officers
    ]
    return tuple(notices)


def _withdraw(
    mail: IncomingMail, ctx: Context, application: Application, institution: Institution
) -> Handled:
    if not withdraw(ctx, application):
        return _answer(mail, ctx, Reason.NOTHING_OPEN)
    notices = tell_of_withdrawal(ctx, application, institution, application.sender, None)
    return Handled("withdrawal", Reason.WITHDRAWN, Filed.DONE, notices, number=application.number)


def _report_replacement(
    mail: IncomingMail, ctx: Context, token: ReplyToken, institution: Institution
) -> Handled:
    """The officers get a ready sheet for the revocation, as if its TSV had been mailed (manual 1-2-7)."""
    entry = ctx.session.get_one(Entry, token.entry_id)
    # the sender becomes the applicant of a revocation and is written to before anybody approves it
    if not (ctx.register.may_be_answered(mail.sender) or mail.sender == entry.contact_mail.lower()):
        return Handled("self-help", Reason.SENDER_OUTSIDE, Filed.REFUSED)
    certificate = certificates.of_entry(ctx.session, entry)
    old = certificate.replaces if certificate else None
    if certificate is None or old is None:
        return _answer(mail, ctx, Reason.NOTHING_OPEN)
    stop_asking_applicant(ctx, certificate)
    serial = int(old.serial)
    data = revocation_tsv(old.entry.subject_dn, serial, entry.contact_mail)
    name = revocation_file_name(serial, old.entry.fqdn)
    file = read_tsv(data, name, max_rows=ctx.desk.max_rows)
    rows = judge_rows(ctx, institution, Kind.REVOKE, file)
    if any(row.errors for row in rows):
        # revoked, expired, or asked for already: nothing is left to be done
        return _answer(mail, ctx, Reason.NOTHING_OPEN)
    attachment = Attachment(name, "text/tab-separated-values", data)
    taken = Taken(mail, institution, Kind.REVOKE, attachment, file.encoding, rows, is_replacement=True)
    handled = take(taken, ctx)
    return Handled("replacement", Reason.REPLACED, Filed.DONE, handled.notices, number=handled.number)


def _answer(mail: IncomingMail, ctx: Context, reason: Reason) -> Handled:
    notices: tuple[Notice, ...] = ()
    if mail.sender is not None and mail.automatic is None and ctx.register.may_be_answered(mail.sender):
        institutions = [i for i in ctx.register.institutions.values() if i.may_apply(mail.sender)]
        language: Language = institutions[0].language if institutions else "ja"
        letter = ApplicantHelp(reason, mail.subject)
        notices = (Notice(mail.sender, language, letter, thread=thread_of(mail)),)
    return Handled("self-help", reason, Filed.REFUSED, notices)
