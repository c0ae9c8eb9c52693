"""One-time URLs: only the SHA-256 of a token is kept, and only one use is the first (threats URL2)."""

import hashlib
from datetime import datetime

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from store.tables import Certificate, DownloadUrl


def create_url(
    session: Session, certificate: Certificate, token: str, now: datetime, expires_at: datetime
) -> None:
    """Let `token` fetch `certificate` until `expires_at`, that second included. The token is not stored."""
    session.add(
        DownloadUrl(
            token_sha256=_digest(token),
            certificate_id=certificate.id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()


def find_url(session: Session, token: str) -> DownloadUrl | None:
    """The URL with this token, used or not, expired or not."""
    return session.get(DownloadUrl, _digest(token))


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
