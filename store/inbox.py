"""Mails that came in: which are handled, which crashed us, and the bytes of each."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from store.states import Filed
from store.tables import Attempt, Blob, Mail

_AT_ONCE = 500


def keep_blob(session: Session, data: bytes) -> str:
    """Keep `data` once, under its hex SHA-256, which is returned."""
    digest = hashlib.sha256(data).hexdigest()
    if session.get(Blob, digest) is None:
        session.add(Blob(sha256=digest, data=data))
        session.flush()
    return digest


def blob(session: Session, sha256: str) -> bytes:
    """The bytes kept under this digest; KeyError if there are none."""
    found = session.get(Blob, sha256)
    if found is None:
        raise KeyError(sha256)
    return found.data


def handled_uids(
    session: Session, account: str, folder: str, uidvalidity: int, uids: Sequence[int]
) -> dict[int, Filed]:
    """Which of `uids` are committed already, and where each belongs."""
    found: dict[int, Filed] = {}
    for start in range(0, len(uids), _AT_ONCE):
        rows = session.execute(
            select(Mail.uid, Mail.filed).where(
                Mail.account == account,
                Mail.folder == folder,
                Mail.uidvalidity == uidvalidity,
                Mail.uid.in_(uids[start : start + _AT_ONCE]),
            )
        )
        found.update((row.uid, row.filed) for row in rows)
    return found


def was_handled(session: Session, raw_sha256: str) -> bool:
    """Whether a mail with exactly these bytes was handled before, wherever it lay."""
    return bool(session.scalar(select(exists().where(Mail.raw_sha256 == raw_sha256))))


def was_sent_kind_since(session: Session, sender: str, kind: str, since: datetime) -> bool:
    """Whether this sender already got an answer of this kind after `since`."""
    query = exists().where(Mail.sender == sender, Mail.kind == kind, Mail.handled_at > since)
    return bool(session.scalar(select(query)))


def was_helped_today(session: Session, sender: str, now: datetime) -> bool:
    return was_sent_kind_since(session, sender, "help", now - timedelta(days=1))


def count_refused(session: Session, sender: str | None, since: datetime, *, signed: bool) -> int:
    """How many mails of this sender changed nothing after `since`, those met with silence by this count left out.

    `signed`: those with an officer's good signature, else those without.
    """
    is_decision = Mail.kind == "decision"
    query = select(func.count()).where(
        Mail.sender == sender,
        Mail.handled_at > since,
        Mail.filed != Filed.DONE,
        Mail.reason != "answered_often",
        is_decision if signed else ~is_decision,
    )
    return session.scalar(query) or 0


def count_attempt(session: Session, key: tuple[str, str, int, int], error: str, now: datetime) -> int:
    """Note that handling this mail raised; returns how often it has."""
    attempt = session.get(Attempt, key)
    if attempt is None:
        account, folder, uidvalidity, uid = key
        attempt = Attempt(
            account=account, folder=folder, uidvalidity=uidvalidity, uid=uid, count=0, error="", last_at=now
        )
        session.add(attempt)
    attempt.count += 1
    attempt.error, attempt.last_at = error[:4000], now
    session.flush()
    return attempt.count


def forget_attempts(session: Session, key: tuple[str, str, int, int]) -> None:
    account, folder, uidvalidity, uid = key
    session.execute(
        delete(Attempt).where(
            Attempt.account == account,
            Attempt.folder == folder,
            Attempt.uidvalidity == uidvalidity,
            Attempt.uid == uid,
        )
    )
