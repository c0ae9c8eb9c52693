"""Delivery reports: the right row of the outbox is marked, and a person who was not reached is raised (threats LP2).

A report is never answered and never believed further than this: whoever got a mail of ours knows its Message-ID and
can forge a report of that one mail to that one address. Its worst is one notice: the mail had left already, nothing is
sent again, kept back, or decided by it.
"""

from datetime import timedelta

from handlers import answer
from handlers.alarm import alarm
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.letters.applicant import ApplicantDownload
from handlers.letters.monitor import AlarmCode, MonitorAlarm, MonitorRecovered, MonitorTrouble
from handlers.letters.officer import OfficerNotDelivered, UnreachedRow
from handlers.notices import Notice, to_officer
from handlers.rules.delivery import Action, DeliveryReport, ReportedRecipient
from handlers.rules.reasons import Reason
from handlers.views import dn_lines
from store import certificates, counting, journal, outbox
from store.states import EntryState, Filed
from store.tables import Application, Entry, Outgoing

# of one officer's address: what is broken now is broken for the next mail too
_ONE_ALARM = timedelta(days=1)
_OF_MONITORS = (MonitorAlarm.template, MonitorTrouble.template, MonitorRecovered.template)


def takes(mail: IncomingMail) -> bool:
    """Never a mail of an officer: neither a good signature, nor a registered key's that was refused, nor one that
    was not looked at because the mail is faulty."""
    is_officers = mail.signature is not None or mail.refused_key is not None
    is_unjudged = mail.fault is not None and mail.signature_scheme is not None
    if mail.report is None or is_officers or is_unjudged:
        return False
    return not answer.holds_private_key(mail)


def take_report(mail: IncomingMail, ctx: Context) -> Handled:
    """Every mail of ours that it names is marked; a report of no mail of ours is journalled like any automatic mail."""
    assert mail.report is not None
    found = outbox.with_message_ids(ctx.session, mail.report.message_ids)
    notices = [notice for outgoing in found for notice in _mark(mail, mail.report, outgoing, ctx)]
    number = next((outgoing.number for outgoing in found if outgoing.number), None)
    return Handled("delivery report", Reason.AUTOMATIC, Filed.DONE, tuple(notices), number=number)


def raise_undelivered(ctx: Context, outgoing: Outgoing) -> tuple[Notice, ...]:
    """Whom to tell that a mail is now FAILED: the officers for a person, the monitors for an officer, nobody for a
    monitor. Each once, but a URL that did not arrive each time: officers send it again."""
    _note_undelivered(ctx, outgoing)
    audience = outgoing.template.partition(".")[0]
    if outgoing.template in _OF_MONITORS:
        return ()
    if audience == "applicant":
        return _tell_officers(ctx, outgoing)
    if outbox.has_failed_before(ctx.session, outgoing, since=ctx.now - _ONE_ALARM):
        return ()
    return _alarm(ctx, outgoing)


def _note_undelivered(ctx: Context, outgoing: Outgoing) -> None:
    """For the day's digest, which counts these."""
    facts = {
        "message_id": outgoing.message_id,
        "number": outgoing.number,
        "template": outgoing.template,
        "recipient": outgoing.recipient,
    }
    journal.append(ctx.session, ctx.now, counting.UNDELIVERED, facts)


def _mark(mail: IncomingMail, report: DeliveryReport, outgoing: Outgoing, ctx: Context) -> tuple[Notice, ...]:
    said = report.about(outgoing.recipient)
    effect = _apply(said, outgoing) if said else "other_recipient"
    facts = {
        "mail": mail.raw_sha256,
        "message_id": outgoing.message_id,
        "number": outgoing.number,
        "template": outgoing.template,
        "action": said.action if said else None,
        "status": said.status if said else None,
        "effect": effect,
    }
    journal.append(ctx.session, ctx.now, "delivery_report", facts)
    ctx.session.flush()
    return raise_undelivered(ctx, outgoing) if effect == "failed" else ()


def _apply(said: ReportedRecipient, outgoing: Outgoing) -> str:
    """What changed, in a word for the journal."""
    if said.action is Action.FAILED:
        return "failed" if outbox.mark_returned(outgoing, said.reason) else "nothing"
    if said.action is Action.DELAYED:
        return "delayed" if outbox.note_delay(outgoing, f"delayed: {said.reason}") else "nothing"
    return "nothing"


def _tell_officers(ctx: Context, outgoing: Outgoing) -> tuple[Notice, ...]:
    """Silence where no application is at stake (help, refusals): a forged From must not make us write to officers."""
    application = ctx.session.get(Application, outgoing.number) if outgoing.number else None
    if application is None:
        return ()
    is_download = outgoing.template == ApplicantDownload.template
    if not is_download and outbox.has_failed_before(ctx.session, outgoing, number=outgoing.number):
        return ()
    institution = ctx.register.institutions.get(application.institution)
    if institution is None:
        return _alarm(ctx, outgoing)
    letter = _letter(ctx, application, outgoing, is_download=is_download)
    notices = (
        to_officer(institution, officer, letter, number=application.number)
        for officer in institution.officers
    )
    return tuple({notice.to: notice for notice in notices}.values())


def _letter(
    ctx: Context, application: Application, outgoing: Outgoing, *, is_download: bool
) -> OfficerNotDelivered:
    theirs = [entry for entry in application.entries if _is_contact(entry, outgoing.recipient)]
    entries = theirs or application.entries
    return OfficerNotDelivered(
        number=application.number,
        servers=tuple(_row(ctx, entry) for entry in entries),
        contact_name=theirs[0].contact_name if theirs else "",
        address=outgoing.recipient,
        why=outgoing.error or "",
        is_download=is_download,
        may_resend=any(entry.state is EntryState.ISSUED for entry in entries),
    )


def _row(ctx: Context, entry: Entry) -> UnreachedRow:
    certificate = certificates.of_entry(ctx.session, entry)
    is_issued = certificate is not None and certificate.der is not None
    serial = int(certificate.serial) if certificate and is_issued else None
    return UnreachedRow(entry.fqdn, dn_lines(entry.subject_dn), serial)


def _is_contact(entry: Entry, address: str) -> bool:
    return entry.contact_mail.lower() == address.lower()


def _alarm(ctx: Context, outgoing: Outgoing) -> tuple[Notice, ...]:
    detail = f"{outgoing.number or '-'}: {outgoing.template} to {outgoing.recipient}: {outgoing.error}"
    return alarm(ctx, AlarmCode.UNDELIVERED, detail)
