"""One-time URLs: only the SHA-256 of a token is kept, and only one use is the first (threats URL2)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CursorResult, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from store.tables import Certificate, DownloadUrl, Entry

_URL, _CERTIFICATE, _ENTRY = DownloadUrl.__table__, Certificate.__table__, Entry.__table__
# of tables, not of classes, and built once: it is run for each GET of each visitor
_SHOWN = (
    select(
        _URL.c.expires_at,
        _URL.c.first_used_at,
        _CERTIFICATE.c.der,
        _ENTRY.c.number,
        _ENTRY.c.fqdn,
        _CERTIFICATE.c.institution,
    )
    .join_from(_URL, _CERTIFICATE, _CERTIFICATE.c.id == _URL.c.certificate_id)
    .join(_ENTRY, _ENTRY.c.id == _CERTIFICATE.c.entry_id)
    .where(_URL.c.token_sha256 == bindparam("digest"))
)


@dataclass(frozen=True)
class ShownUrl:
    """What the page of a URL is made from, and no more. `der`: None as long as the CA has not signed."""

    expires_at: datetime
    first_used_at: datetime | None
    der: bytes | None
    number: str
    fqdn: str
    institution: str


def create_url(
    session: Session, certificate: Certificate, token: str, now: datetime, expires_at: datetime
) -> None:
    """Let `token` fetch `certificate` until `expires_at`, that second included. The token is not stored."""
    create_urls(session, {token: certificate}, now, expires_at)


def create_urls(
    session: Session, certificates: Mapping[str, Certificate], now: datetime, expires_at: datetime
) -> None:
    """The same for several, by their tokens."""
    rows = [
        {
            "token_sha256": _digest(token),
            "certificate_id": certificate.id,
            "created_at": now,
            "expires_at": expires_at,
        }
        for token, certificate in certificates.items()
    ]
    if rows:
        session.execute(insert(DownloadUrl), rows)


def find_url(session: Session, token: str) -> DownloadUrl | None:
    """The URL with this token, used or not, expired or not."""
    return session.get(DownloadUrl, _digest(token))


def show_url(session: Session, token: str) -> ShownUrl | None:
    """The same for those who only look, by one query of six columns."""
    row = session.connection().execute(_SHOWN, {"digest": _digest(token)}).one_or_none()
    return None if row is None else ShownUrl(*row)


def mark_used(session: Session, url: DownloadUrl, now: datetime) -> bool:
    """Note the first use; False if there was one before, whose time then stays."""
    statement = (
        update(DownloadUrl)
        .where(DownloadUrl.token_sha256 == url.token_sha256, DownloadUrl.first_used_at.is_(None))
        .values(first_used_at=now)
    )
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)


def last_expiry(session: Session, certificate: Certificate) -> datetime | None:
    """Until when the longest of a certificate's URLs works, or worked; None if it never had one."""
    query = select(func.max(DownloadUrl.expires_at)).where(DownloadUrl.certificate_id == certificate.id)
    return session.scalar(query)


def open_until(session: Session, certificate: Certificate, now: datetime) -> datetime | None:
    """The same, if it still works at `now`."""
    last = last_expiry(session, certificate)
    return last if last is not None and now <= last else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
