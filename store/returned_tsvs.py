"""Revocation TSVs that we attached: one that comes back byte for byte is known again (manual 1-2-7)."""

from sqlalchemy.orm import Session

from store import inbox
from store.tables import Certificate, ReturnedTsv


def offer(session: Session, tsv: bytes, old: Certificate, number: str) -> None:
    """Keep what was attached. `number`: the renewal's; the same bytes for a later renewal belong to that."""
    sha256 = inbox.keep_blob(session, tsv)
    session.merge(ReturnedTsv(sha256=sha256, certificate_id=old.id, number=number))
    session.flush()


def find(session: Session, sha256: str) -> ReturnedTsv | None:
    """By the hex SHA-256 of a file."""
    return session.get(ReturnedTsv, sha256)
