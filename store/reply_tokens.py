"""Words in our mails that prove, when they come back, that the sender got that mail. Only their SHA-256 is kept."""

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from store.tables import ReplyToken


def create(
    session: Session, purpose: str, number: str, entry_id: int | None, token: str, now: datetime
) -> None:
    """Let `token` speak for `purpose` (a mail's kind) about an application, or about one of its rows."""
    row = ReplyToken(sha256=_digest(token), number=number, entry_id=entry_id, purpose=purpose, created_at=now)
    session.add(row)
    session.flush()


def find(session: Session, token: str) -> ReplyToken | None:
    """By the token as it was created: letters and dashes count."""
    return session.get(ReplyToken, _digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
