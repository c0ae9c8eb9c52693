"""One-time URLs of files that are too large for a mail: as those of certificates, only a token's SHA-256 is kept."""

import hashlib
from datetime import datetime

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from store.tables import FileUrl


def create_url(
    session: Session, institution: str, name: str, token: str, now: datetime, expires_at: datetime
) -> None:
    """Let `token` fetch the institution's file `name` until `expires_at`, that second included. The token is not
    stored."""
    session.add(
        FileUrl(
            token_sha256=_digest(token),
            name=name,
            institution=institution,
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()


def find_url(session: Session, token: str) -> FileUrl | None:
    """The URL with this token, used or not, expired or not."""
    return session.get(FileUrl, _digest(token))


def mark_used(session: Session, url: FileUrl, now: datetime) -> bool:
    """Note the first use; False if there was one before, whose time then stays."""
    statement = (
        update(FileUrl)
        .where(FileUrl.token_sha256 == url.token_sha256, FileUrl.first_used_at.is_(None))
        .values(first_used_at=now)
    )
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
