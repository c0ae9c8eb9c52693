"""Mails that came in: which are handled, which crashed us, and the bytes of each."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, exists, func, insert, select
from sqlalchemy.orm import Session

from store.states import Filed
from store.tables import Attempt, Blob, Mail

_AT_ONCE = 500
# kinds of rows whose mail was not handled: the same bytes, come again, are handled
CRASHED = "crashed"
RETRIED = "retried"
OVER_QUOTA = "over quota"
# built once: they are run for each mail, and to build one costs as much as to run it
_IS_KEPT = select(Blob.sha256).where(Blob.sha256 == bindparam("digest"))
_BLOB = select(Blob.data).where(Blob.sha256 == bindparam("digest"))
_FILED = select(Mail.filed).where(
    Mail.account == bindparam("account"),
    Mail.folder == bindparam("folder"),
    Mail.uidvalidity == bindparam("uidvalidity"),
    Mail.uid == bindparam("uid"),
)
_WAS_HANDLED = select(
    exists().where(Mail.raw_sha256 == bindparam("digest"), Mail.kind.not_in((CRASHED, RETRIED, OVER_QUOTA)))
)
_FORGET = delete(Attempt).where(
    Attempt.account == bindparam("account"),
    Attempt.folder == bindparam("folder"),
    Attempt.uidvalidity == bindparam("uidvalidity"),
    Attempt.uid == bindparam("uid"),
)


def keep_blob(session: Session, data: bytes) -> str:
    """Keep `data` once, under its hex SHA-256, which is returned."""
    digest = hashlib.sha256(data).hexdigest()
    # its bytes may be megabytes, and are ours already
    if session.scalar(_IS_KEPT, {"digest": digest}) is None:
        session.execute(insert(Blob), {"sha256": digest, "data": data})
    return digest


def blob(session: Session, sha256: str) -> bytes:
    """The bytes kept under this digest; KeyError if there are none."""
    found = session.scalar(_BLOB, {"digest": sha256})
    if found is None:
        raise KeyError(sha256)
    return found


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


def find_filed(session: Session, key: tuple[str, str, int, int]) -> Filed | None:
    """Where the mail at this place belongs, if it is committed."""
    return session.scalar(_FILED, _named(key))


def received_at(session: Session, raw_sha256: str) -> datetime | None:
    """When a mail with exactly these bytes first came."""
    query = select(func.min(Mail.received_at)).where(Mail.raw_sha256 == raw_sha256)
    return session.scalar(query)


def was_handled(session: Session, raw_sha256: str) -> bool:
    """Whether a mail with exactly these bytes was handled before, wherever it lay."""
    return bool(session.scalar(_WAS_HANDLED, {"digest": raw_sha256}))


def was_sent_kind_since(session: Session, sender: str | None, kind: str, since: datetime) -> bool:
    """Whether this sender already got an answer of this kind after `since`."""
    query = exists().where(Mail.sender == sender, Mail.kind == kind, Mail.handled_at > since)
    return bool(session.scalar(select(query)))


def was_given(session: Session, sender: str | None, reason: str, since: datetime) -> bool:
    """Whether a mail of this sender met with `reason` after `since`."""
    query = exists().where(Mail.sender == sender, Mail.reason == reason, Mail.handled_at > since)
    return bool(session.scalar(select(query)))


def count_unsigned(session: Session, sender: str, since: datetime, without: Sequence[str]) -> int:
    """How many mails of this sender without a good signature came after `since`; `without`: reasons not counted."""
    query = select(func.count()).where(
        Mail.sender == sender, Mail.handled_at > since, ~Mail.signed, Mail.reason.not_in(without)
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
    session.execute(_FORGET, _named(key), execution_options={"synchronize_session": False})


def _named(key: tuple[str, str, int, int]) -> dict[str, object]:
    return dict(zip(("account", "folder", "uidvalidity", "uid"), key, strict=True))
