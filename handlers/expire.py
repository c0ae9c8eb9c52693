"""Names about to lose their certificate: who hears of it, with what they need to renew; never more a day than agreed.

`handlers.remind` calls this at the steps that `handlers.plan.plan_expiry` noted when the certificate was issued.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from handlers.audience import institution_of, to_contact, to_officers_of
from handlers.context import Context
from handlers.incoming import Attachment
from handlers.letters.applicant import ApplicantExpiring
from handlers.letters.officer import OfficerExpiring
from handlers.notices import Notice
from handlers.plan import morning_of
from handlers.rules.expiry import Cover, step_at, uncovered_names
from handlers.rules.renewal_tsv import renewal_file_name, renewal_row
from handlers.rules.working_days import local_day
from handlers.views import dn_lines
from store import certificates, coverage
from store.dues import DueKind, plan_due
from store.tables import Certificate, Due

Notices = tuple[Notice, ...]
_KINDS = (DueKind.EXPIRY, DueKind.EXPIRY_OFFICERS)
_TEMPLATES = (ApplicantExpiring.template, OfficerExpiring.template)


@dataclass(frozen=True)
class _Ending:
    """What both letters say. `pending`: the application that renews it already; then there is no `tsv`."""

    certificate: Certificate
    names: tuple[str, ...]
    days_left: int
    pending: str | None
    tsv: Attachment | None


def warn_contact(ctx: Context, due: Due) -> Notices:
    ending = _find_ending(ctx, due)
    if ending is None:
        return ()
    certificate, entry = ending.certificate, ending.certificate.entry
    letter = ApplicantExpiring(
        number=entry.number,
        dn=dn_lines(entry.subject_dn),
        names=ending.names,
        serial=int(certificate.serial),
        not_after=certificate.not_after,
        days_left=ending.days_left,
        pending=ending.pending,
        file_name=ending.tsv.name if ending.tsv else "",
    )
    return (to_contact(ctx, entry, letter, (ending.tsv,) if ending.tsv else ()),)


def warn_officers(ctx: Context, due: Due) -> Notices:
    ending = _find_ending(ctx, due)
    if ending is None:
        return ()
    certificate, entry = ending.certificate, ending.certificate.entry
    letter = OfficerExpiring(
        number=entry.number,
        dn=dn_lines(entry.subject_dn),
        names=ending.names,
        serial=int(certificate.serial),
        not_after=certificate.not_after,
        days_left=ending.days_left,
        contact_name=entry.contact_name,
        contact_mail=entry.contact_mail,
        pending=ending.pending,
        file_name=ending.tsv.name if ending.tsv else "",
    )
    return to_officers_of(ctx, entry, letter, (ending.tsv,) if ending.tsv else ())


def keep_to_cap(ctx: Context, due: Due, found: Notices, earlier: Sequence[Notice]) -> Notices:
    """`found`, or nothing and the due again tomorrow, if an address has had its day's share of these mails.

    `earlier`: what this round wrote and nobody queued yet. The cap gives way where tomorrow would be too late.
    """
    if DueKind(due.kind) not in _KINDS or not any(_is_full(ctx, notice.to, earlier) for notice in found):
        return found
    today = local_day(ctx.now, ctx.desk.utc_offset_hours)
    tomorrow = morning_of(ctx, today + timedelta(days=1))
    certificate = _certificate(ctx, due)
    if certificate is None or certificate.not_after < tomorrow:
        return found
    plan_due(ctx.session, DueKind(due.kind), due.what, tomorrow)
    return ()


def _is_full(ctx: Context, address: str, earlier: Sequence[Notice]) -> bool:
    midnight = morning_of(ctx, local_day(ctx.now, ctx.desk.utc_offset_hours), hour=0)
    queued = coverage.mails_queued(ctx.session, address, _TEMPLATES, midnight)
    written = sum(notice.to == address and notice.letter.template in _TEMPLATES for notice in earlier)
    return queued + written >= ctx.desk.expiry_mails_per_day


def _find_ending(ctx: Context, due: Due) -> _Ending | None:
    """None if there is nothing to say: revoked, expired, muted, or other certificates hold all the names."""
    certificate = _certificate(ctx, due)
    if certificate is None or not certificates.is_valid(certificate, ctx.now):
        return None
    institution = institution_of(ctx, certificate.entry)
    # an institution that may not apply any more could not renew either
    if institution is None or not institution.active or not institution.expiry_notices:
        return None
    step = step_at(certificate.not_after - certificate.not_before, _days_before(ctx, certificate, due))
    others = map(_cover, coverage.ending_no_earlier(ctx.session, certificate))
    names = uncovered_names(_cover(certificate), others, step)
    if not names:
        return None
    pending = coverage.renewal_under_way(ctx.session, certificate)
    zone = ctx.desk.utc_offset_hours
    days_left = (local_day(certificate.not_after, zone) - local_day(ctx.now, zone)).days
    return _Ending(certificate, names, days_left, pending, None if pending else _prefilled(certificate))


def _certificate(ctx: Context, due: Due) -> Certificate | None:
    return certificates.by_serials(ctx.session, [due.what]).get(due.what)


def _days_before(ctx: Context, certificate: Certificate, due: Due) -> int:
    zone = ctx.desk.utc_offset_hours
    return (local_day(certificate.not_after, zone) - local_day(due.due_at, zone)).days


def _cover(certificate: Certificate) -> Cover:
    entry = certificate.entry
    names = tuple(entry.dns_names.split("\n"))
    return Cover(certificate.id, names, certificate.not_after, entry.contact_mail.lower())


def _prefilled(certificate: Certificate) -> Attachment | None:
    """The renewal's TSV; None for a row that came in UTF-8 with characters that CP932 does not have."""
    entry, serial = certificate.entry, int(certificate.serial)
    if entry.profile_id is None:
        return None
    try:
        tsv = renewal_row(
            entry.subject_dn,
            entry.profile_id,
            serial,
            entry.contact_name,
            entry.contact_department,
            entry.contact_mail,
            entry.fqdn,
            entry.software,
            tuple(entry.dns_names.split("\n")),
        )
    except ValueError:
        return None
    return Attachment(renewal_file_name(serial, entry.fqdn), "text/tab-separated-values", tsv)
