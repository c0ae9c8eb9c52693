"""A renewed certificate was fetched: the old one must be replaced, then revoked (manual 1-2-5, 1-2-6)."""

from handlers.audience import to_contact, to_officers_of
from handlers.context import Context
from handlers.incoming import Attachment
from handlers.letters.applicant import ApplicantDownloaded
from handlers.letters.officer import OfficerRenewalDownloaded
from handlers.notices import Notice
from handlers.plan import plan_replacement
from handlers.rules.reply_token import RANDOM_BYTES, reply_token
from handlers.rules.revocation_tsv import revocation_file_name, revocation_tsv
from handlers.views import dn_lines
from store import certificates, reply_tokens, returned_tsvs
from store.tables import Certificate

REPLACED = "replaced"  # the purpose of the token in ApplicantDownloaded


def tell_of_renewal(ctx: Context, certificate: Certificate, old: Certificate) -> tuple[Notice, ...]:
    """The first download of `certificate`. While `old` is valid its revocation TSV goes along,
    and the applicant is asked to replace it; otherwise there is nothing left to do.
    """
    old_is_valid = certificates.is_valid(old, ctx.now)
    entry = certificate.entry
    letter = OfficerRenewalDownloaded(
        number=entry.number,
        dn=dn_lines(entry.subject_dn),
        new_serial=int(certificate.serial),
        old_serial=int(old.serial),
        old_is_valid=old_is_valid,
    )
    attachments = (_revocation_attachment(ctx, certificate, old),) if old_is_valid else ()
    notices = to_officers_of(ctx, entry, letter, attachments)
    if not old_is_valid:
        return notices
    plan_replacement(ctx, certificate)
    return (*notices, ask_for_replacement(ctx, certificate, old, 0))


def ask_for_replacement(ctx: Context, certificate: Certificate, old: Certificate, days: int) -> Notice:
    """To the contact, `days` after the download, with a token of its own: only its hash is kept."""
    entry = certificate.entry
    token = reply_token(ctx.random(RANDOM_BYTES))
    reply_tokens.create(ctx.session, REPLACED, entry.number, entry.id, token, ctx.now)
    letter = ApplicantDownloaded(
        number=entry.number,
        dn=dn_lines(entry.subject_dn),
        new_serial=int(certificate.serial),
        old_serial=int(old.serial),
        token=token,
        days=days,
    )
    return to_contact(ctx, entry, letter)


def _revocation_attachment(ctx: Context, certificate: Certificate, old: Certificate) -> Attachment:
    """Column 10 is the old certificate's own contact: a file of ours must raise no warning (CONTACT_DIFFERS)."""
    serial = int(old.serial)
    tsv = revocation_tsv(old.entry.subject_dn, serial, old.entry.contact_mail)
    returned_tsvs.offer(ctx.session, tsv, old, certificate.entry.number)
    return Attachment(revocation_file_name(serial, old.entry.fqdn), "text/tab-separated-values", tsv)
