"""再送: the approval request once more, or a fresh URL for a certificate that was not fetched (manual 1-1-5)."""

from collections import defaultdict

from handlers.ask import ask_officers
from handlers.audience import to_contact
from handlers.download import new_token, url_deadline
from handlers.letters.applicant import ApplicantDownload
from handlers.letters.lookup import OfficerResent, ResentRow
from handlers.letters.views import Download
from handlers.notices import Notice, to_officer
from handlers.officer_answer import Officered
from handlers.rules.reasons import Reason
from handlers.take import thread_of
from handlers.views import dn_lines
from store import downloads, inventory, journal, resending
from store.states import EntryState
from store.tables import Application, Certificate, Entry


def send_again(who: Officered, number: str) -> tuple[Reason, tuple[Notice, ...]]:
    """What was done and the mails for it; a Reason that refuses comes with none."""
    ctx = who.ctx
    application = inventory.application_of(ctx.session, who.institution.id, number.upper())
    if application is None:
        return Reason.NOT_FOUND, ()
    if any(entry.state is EntryState.WAITING for entry in application.entries):
        return _request(who, application)
    if resending.was_resent_for(ctx.session, who.signature.content.signed_sha256):
        return Reason.REPEATED, ()
    waiting = [c for c in inventory.certificates_of(ctx.session, application) if _may_be_fetched(who, c)]
    if not waiting:
        return Reason.NOTHING_TO_RESEND, ()
    return Reason.RESENT, _offer_again(who, application, waiting)


def _may_be_fetched(who: Officered, certificate: Certificate) -> bool:
    return (
        certificate.entry.state is EntryState.ISSUED
        and certificate.revoked_at is None
        and certificate.not_after >= who.ctx.now
    )


def _offer_again(who: Officered, application: Application, waiting: list[Certificate]) -> tuple[Notice, ...]:
    """New URLs to the contacts alone: the officer learns that they went, never the URLs."""
    ctx = who.ctx
    by_contact: dict[str, list[tuple[Entry, Download]]] = defaultdict(list)
    for certificate in waiting:
        entry = certificate.entry
        by_contact[entry.contact_mail.lower()].append((entry, _new_url(who, certificate)))
    facts = {
        "number": application.number,
        "officer": who.officer.id,
        "rows": [certificate.entry.seq for certificate in waiting],
        "signed": who.signature.content.signed_sha256,
    }
    journal.append(ctx.session, ctx.now, resending.RESENT, facts)
    rows = [
        ResentRow(entry.seq, entry.fqdn, entry.contact_mail, download.expires_at)
        for offered in by_contact.values()
        for entry, download in offered
    ]
    letter = OfficerResent(who.officer.name, application.number, tuple(sorted(rows, key=lambda row: row.seq)))
    answer = to_officer(
        who.institution, who.officer, letter, number=application.number, thread=thread_of(who.mail)
    )
    return answer, *(_download_mail(who, offered) for offered in by_contact.values())


def _new_url(who: Officered, certificate: Certificate) -> Download:
    ctx, entry = who.ctx, certificate.entry
    resending.end_urls(ctx.session, certificate, ctx.now)
    token, expires_at = new_token(ctx.random), url_deadline(ctx.now, ctx.desk)
    downloads.create_url(ctx.session, certificate, token, ctx.now, expires_at)
    url = f"{ctx.desk.public_url}/d/{token}"
    return Download(entry.seq, dn_lines(entry.subject_dn), int(certificate.serial), url, expires_at)


def _download_mail(who: Officered, offered: list[tuple[Entry, Download]]) -> Notice:
    first = offered[0][0]
    letter = ApplicantDownload(first.number, first.contact_name, tuple(download for _, download in offered))
    return to_contact(who.ctx, first, letter)


def _request(who: Officered, application: Application) -> tuple[Reason, tuple[Notice, ...]]:
    """To this officer alone. What our mail server said about the sender stands in the first request only: here it is
    unknown, and the officer is warned."""
    if application.policy is None:
        return Reason.NO_POLICY, ()
    thread = thread_of(who.mail)
    return Reason.RESENT, ask_officers(who.ctx, who.institution, application, [who.officer], thread=thread)
