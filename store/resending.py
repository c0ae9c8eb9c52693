"""A URL sent again: the earlier ones of that certificate stop working (threats URL2)."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from store.tables import Certificate, DownloadUrl, JournalEntry

RESENT = "resent"  # the journal's event


def end_urls(session: Session, certificate: Certificate, now: datetime) -> None:
    """Let every unused URL of `certificate` have ended a second before `now`."""
    session.execute(
        update(DownloadUrl)
        .where(
            DownloadUrl.certificate_id == certificate.id,
            DownloadUrl.first_used_at.is_(None),
            DownloadUrl.expires_at >= now,
        )
        .values(expires_at=now - timedelta(seconds=1))
    )


def was_resent_for(session: Session, signed_sha256: str) -> bool:
    """Whether this very signed text had new URLs sent before: one signed text, one effect (threats AP1)."""
    query = exists().where(JournalEntry.event == RESENT, JournalEntry.facts.contains(signed_sha256))
    return bool(session.scalar(select(query)))
