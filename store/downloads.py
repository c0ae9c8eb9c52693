"""One-time URLs: only the SHA-256 of a token is kept, and only one use is the first (threats URL2)."""

import hashlib
from datetime import datetime

from sqlalchemy import CursorResult, update
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


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
