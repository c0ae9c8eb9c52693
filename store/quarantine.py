"""Mails that were set aside: which they are, and what a person decides about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from store import inbox, journal
from store.states import Filed
from store.tables import Attempt, Blob, Mail

_DROPPED = "dropped"


@dataclass(frozen=True)
class Aside:
    """One mail that was set aside. `raw_sha256`: of what was read of it, empty where that failed; `kept`: how many
    bytes of it the store has, None for none; `attempts`: how often it made us stumble, with the last `error`.

    `is_released`: a retry has begun; it is done when the mail lies among those that wait.
    """

    id: int
    received_at: datetime
    set_aside_at: datetime
    reason: str
    sender: str | None
    raw_sha256: str
    kept: int | None
    attempts: int
    error: str | None
    is_released: bool

    @property
    def is_whole(self) -> bool:
        """Whether the store has all of it; of a mail that is too large it has only the header."""
        return self.kept is not None and self.reason != "too_large"


def asides(session: Session) -> Sequence[Aside]:
    """All that nobody has decided about, oldest first."""
    return [_aside(*row) for row in session.execute(_query().order_by(Mail.id))]


def aside(session: Session, id: int) -> Aside | None:
    """None where this is no mail that was set aside, or somebody has decided about it."""
    row = session.execute(_query().where(Mail.id == id)).first()
    return _aside(*row) if row else None


def release(session: Session, id: int, by: str, now: datetime) -> None:
    """Let these bytes be handled anew, wherever they come in. Call it before the mail is moved back."""
    mail = session.get_one(Mail, id)
    mail.kind = inbox.RETRIED
    inbox.forget_attempts(session, (mail.account, mail.folder, mail.uidvalidity, mail.uid))
    _note(session, mail, "retry", by, now)


def close_retry(session: Session, id: int) -> None:
    """The mail lies among those that wait, or was handled since: nothing is set aside any more."""
    session.get_one(Mail, id).filed = Filed.DONE


def drop(session: Session, id: int, by: str, now: datetime) -> None:
    """Nobody will answer it. The same bytes, come again, are a duplicate."""
    mail = session.get_one(Mail, id)
    mail.kind, mail.filed = _DROPPED, Filed.REFUSED
    inbox.forget_attempts(session, (mail.account, mail.folder, mail.uidvalidity, mail.uid))
    _note(session, mail, "drop", by, now)


def _note(session: Session, mail: Mail, action: str, by: str, now: datetime) -> None:
    facts = {
        "action": action,
        "id": mail.id,
        "uid": mail.uid,
        "uidvalidity": mail.uidvalidity,
        "mail": mail.raw_sha256,
        "reason": mail.reason,
        "by": by,
    }
    journal.append(session, now, "quarantine", facts)


def _query() -> Select[Mail, int | None, int | None, str | None]:
    same_key = and_(
        Attempt.account == Mail.account,
        Attempt.folder == Mail.folder,
        Attempt.uidvalidity == Mail.uidvalidity,
        Attempt.uid == Mail.uid,
    )
    # the length only: a list of many mails must not bring all their bytes into memory
    return (
        select(Mail, func.length(Blob.data), Attempt.count, Attempt.error)
        .outerjoin(Blob, Blob.sha256 == Mail.raw_sha256)
        .outerjoin(Attempt, same_key)
        .where(Mail.filed == Filed.QUARANTINE)
    )


def _aside(mail: Mail, kept: int | None, attempts: int | None, error: str | None) -> Aside:
    return Aside(
        id=mail.id,
        received_at=mail.received_at,
        set_aside_at=mail.handled_at,
        reason=mail.reason,
        sender=mail.sender,
        raw_sha256=mail.raw_sha256,
        kept=kept,
        attempts=attempts or 0,
        error=error,
        is_released=mail.kind == inbox.RETRIED,
    )
