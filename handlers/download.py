"""Fetching a certificate by its one-time URL (manual 1-1 【利用管理者作業】, 1-1-5; threats URL1, URL2)."""

import base64
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from handlers.audience import institution_of, to_officers_of
from handlers.context import Context, Desk
from handlers.letters.monitor import AlarmCode, MonitorAlarm
from handlers.letters.officer import OfficerDownloaded
from handlers.notices import Notice
from handlers.plan import drop_fetching
from handlers.renewed import tell_of_renewal
from store import journal
from store.applications import move_entries
from store.downloads import ShownUrl, find_url, mark_used, show_url
from store.states import EntryState
from store.tables import Certificate, DownloadUrl, FileUrl

_TOKEN_BYTES = 32

# the order in which the manual prints a DN; a certificate may hold it the other way round
_DN_ORDER = ("CN", "OU", "O", "L", "ST", "C")


@dataclass(frozen=True)
class Waiting:
    """What a URL would deliver. `until`: how long it answers, aware UTC; `used`: it delivered before.

    `institution`: its name. `dn`: one `TYPE=value` each, CN first. `not_after`: the last second of validity.
    `sha256`: its hash, hex.
    """

    number: str
    institution: str
    fqdn: str
    dn: tuple[str, ...]
    dns_names: tuple[str, ...]
    serial: int
    not_after: datetime
    sha256: str
    until: datetime
    used: bool


@dataclass(frozen=True)
class Gone:
    """No such URL, or no longer: which of them, a stranger must not learn (threats URL2)."""


@dataclass(frozen=True)
class Delivered:
    """The certificate to hand over, and the mails that its first delivery causes (none for a repeat)."""

    number: str
    fqdn: str
    serial: int
    certificate_der: bytes
    notices: tuple[Notice, ...]


def new_token(random: Callable[[int], bytes]) -> str:
    """256 unguessable bits as 43 letters, digits, `-` and `_` (RFC 4648 5, without padding)."""
    return base64.urlsafe_b64encode(random(_TOKEN_BYTES)).rstrip(b"=").decode("ascii")


def url_deadline(now: datetime, desk: Desk) -> datetime:
    """One month: the same day of next month (or its last day), 23:59:59 where the desk stands; aware UTC."""
    zone = timezone(timedelta(hours=desk.utc_offset_hours))
    today = now.astimezone(zone)
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    day = min(today.day, monthrange(year, month)[1])
    return datetime(year, month, day, 23, 59, 59, tzinfo=zone).astimezone(UTC)


def look(ctx: Context, token: str) -> Waiting | Gone:
    """What stands behind a URL. Reads only: mail scanners open every link (threats URL1)."""
    url = show_url(ctx.session, token)
    if url is None or url.der is None or not is_open(ctx, url):
        return Gone()
    certificate = x509.load_der_x509_certificate(url.der)
    institution = ctx.register.institutions.get(url.institution)
    return Waiting(
        number=url.number,
        # it may have left the register since
        institution=institution.name if institution else url.institution,
        fqdn=url.fqdn,
        dn=_dn(certificate),
        dns_names=_dns_names(certificate),
        serial=certificate.serial_number,
        not_after=certificate.not_valid_after_utc,
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        until=answers_until(url, ctx.desk),
        used=url.first_used_at is not None,
    )


def download(ctx: Context, token: str) -> Delivered | Gone:
    """Hand the certificate over. Only the first use is recorded and told; repeats for some minutes are not.

    Call it under the write lock, and answer only after the commit.
    """
    found = _find_open(ctx, token)
    if found is None:
        return Gone()
    url, der = found
    entry = url.certificate.entry
    is_first = mark_used(ctx.session, url, ctx.now)
    notices = _record(ctx, url.certificate, der) if is_first else ()
    return Delivered(entry.number, entry.fqdn, int(url.certificate.serial), der, notices)


def _find_open(ctx: Context, token: str) -> tuple[DownloadUrl, bytes] | None:
    url = find_url(ctx.session, token)
    if url is None or url.certificate.der is None:
        return None
    return (url, url.certificate.der) if is_open(ctx, url) else None


def is_open(ctx: Context, url: DownloadUrl | ShownUrl | FileUrl) -> bool:
    """Whether it delivers now: before its first use to the deadline, after that while repeats are allowed."""
    until = answers_until(url, ctx.desk)
    return ctx.now <= until if url.first_used_at is None else ctx.now < until


def answers_until(url: DownloadUrl | ShownUrl | FileUrl, desk: Desk) -> datetime:
    """The end of the time that `is_open` judges by; aware UTC."""
    # who began a minute before the deadline may repeat after it: the window counts from the first use
    if url.first_used_at is None:
        return url.expires_at
    return url.first_used_at + timedelta(minutes=desk.repeat_minutes)


def _record(ctx: Context, certificate: Certificate, der: bytes) -> tuple[Notice, ...]:
    entry = certificate.entry
    facts = {"number": entry.number, "seq": entry.seq, "serial": certificate.serial}
    journal.append(ctx.session, ctx.now, "downloaded", facts)
    # a second URL for a certificate that was fetched before is no news to the officers
    if not move_entries(ctx.session, [entry], EntryState.ISSUED, EntryState.DOWNLOADED):
        return ()
    certificate.downloaded_at = ctx.now
    drop_fetching(ctx, certificate)
    notices: tuple[Notice, ...] = ()
    if institution_of(ctx, entry) is None:
        notices = _alarms(ctx, entry.number, entry.application.institution)
    if certificate.replaces is not None:
        return (*notices, *tell_of_renewal(ctx, certificate, certificate.replaces))
    letter = OfficerDownloaded(
        number=entry.number,
        dn=_dn(x509.load_der_x509_certificate(der)),
        serial=int(certificate.serial),
    )
    return (*notices, *to_officers_of(ctx, entry, letter))


def _alarms(ctx: Context, number: str, institution: str) -> tuple[Notice, ...]:
    alarm = MonitorAlarm(
        AlarmCode.INSTITUTION_MISSING,
        f"{number} was downloaded, but {institution} is no longer in the register",
    )
    return tuple(Notice(monitor, "both", alarm, number=number) for monitor in ctx.desk.monitors)


def _dn(certificate: x509.Certificate) -> tuple[str, ...]:
    pairs = [(a.rfc4514_attribute_name or a.oid.dotted_string, str(a.value)) for a in certificate.subject]
    pairs.sort(key=lambda pair: _DN_ORDER.index(pair[0]) if pair[0] in _DN_ORDER else len(_DN_ORDER))
    return tuple(f"{name}={value}" for name, value in pairs)


def _dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.value.get_values_for_type(x509.DNSName))
