"""状況 FQDN from an applicant: answered to the addresses that the certificates were asked for with, to nobody else.

Whoever writes learns nothing by it: the answer goes to the stored contact, and the sender hears only that.
"""

import re

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.letters.applicant import ApplicantHelp, ApplicantStatus, AskedCertificate, AskedRow
from handlers.notices import Notice
from handlers.rules.approval import own_lines
from handlers.rules.dns_names import is_dns_name
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution
from handlers.status import standing_of
from handlers.take import thread_of
from handlers.views import last_day
from store import inventory
from store.states import Filed
from store.tables import Certificate, Entry

_LINE = re.compile(r"^(?:状況|STATUS) (\S{1,253})$", re.I)
_MOST = 20


def takes(mail: IncomingMail) -> bool:
    """One line `状況 <FQDN>` of the sender's own, in a mail that carries nothing."""
    return mail.signature is None and not mail.attachments and _name(mail) is not None


def _name(mail: IncomingMail) -> str | None:
    found = [match[1].lower() for line in own_lines(mail.text) if (match := _LINE.match(line))]
    return found[0] if len(found) == 1 and is_dns_name(found[0], allow_wildcard=False) else None


def answer_status(mail: IncomingMail, ctx: Context) -> Handled:
    name = _name(mail)
    assert name is not None
    if mail.sender is None or not ctx.register.may_be_answered(mail.sender):
        return Handled("stranger", Reason.STRANGER, Filed.REFUSED)
    notices = [
        notice for i in ctx.register.covering((name,)) for notice in _tell_contacts(mail, ctx, i, name)
    ]
    if mail.sender not in {notice.to for notice in notices}:
        # the same words whether there is such a certificate or not
        institutions = [i for i in ctx.register.institutions.values() if i.may_apply(mail.sender)]
        letter = ApplicantHelp(Reason.STATUS_SENT, mail.subject)
        language = institutions[0].language if institutions else "ja"
        notices.append(Notice(mail.sender, language, letter, thread=thread_of(mail)))
    return Handled("status", Reason.STATUS_SENT, Filed.DONE, tuple(notices))


def _tell_contacts(mail: IncomingMail, ctx: Context, institution: Institution, name: str) -> list[Notice]:
    """To each stored contact inside the institution's own domains, what that contact asked for."""
    found = inventory.applications_for(ctx.session, institution.id, name, _MOST)
    certificates = inventory.certificates_for(ctx.session, institution.id, name, _MOST)
    rows = [entry for application in found for entry in application.entries if entry.fqdn == name]
    contacts = sorted({entry.contact_mail.lower() for entry in rows})
    return [
        Notice(
            contact,
            institution.language,
            ApplicantStatus(
                about=name,
                entries=tuple(_row(ctx, e) for e in rows if e.contact_mail.lower() == contact),
                certificates=tuple(
                    _certificate(ctx, c) for c in certificates if c.entry.contact_mail.lower() == contact
                ),
            ),
            thread=thread_of(mail),
        )
        for contact in filter(institution.may_apply, contacts)
    ]


def _row(ctx: Context, entry: Entry) -> AskedRow:
    application = entry.application
    return AskedRow(
        application.number, application.kind, entry.state, application.received_at, last_day(ctx, application)
    )


def _certificate(ctx: Context, certificate: Certificate) -> AskedCertificate:
    return AskedCertificate(int(certificate.serial), standing_of(ctx, certificate), certificate.not_after)
