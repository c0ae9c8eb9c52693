"""What stands beside a certificate that is about to end: others for its names, a renewal under way, mails sent."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.states import EntryState, Kind
from store.tables import Application, Certificate, Entry, OtherName, Outgoing

_UNDER_WAY = (EntryState.WAITING, EntryState.APPROVED, EntryState.SIGNING)


def ending_no_earlier(session: Session, certificate: Certificate) -> Sequence[Certificate]:
    """The other signed, unrevoked certificates of the same institution that hold one of this one's names and end with
    it or later."""
    names = certificate.entry.dns_names.split("\n")
    by_other = select(OtherName.entry_id).where(OtherName.name.in_(names))
    # asked for first: else SQLite goes through all that the institution ever had
    holders = session.scalars(select(Entry.id).where(Entry.fqdn.in_(names)).union(by_other)).all()
    query = (
        select(Certificate)
        .join(Entry, Entry.id == Certificate.entry_id)
        .join(Application, Application.number == Entry.number)
        .where(
            Certificate.entry_id.in_(holders),
            Application.institution == certificate.entry.application.institution,
            Certificate.id != certificate.id,
            Certificate.der.is_not(None),
            Certificate.revoked_at.is_(None),
            Certificate.not_after >= certificate.not_after,
        )
        .order_by(Certificate.id)
    )
    return session.scalars(query).all()


def renewal_under_way(session: Session, certificate: Certificate) -> str | None:
    """The number of the application that renews it and is not finished, the newest."""
    query = (
        select(func.max(Application.number))
        .join(Entry, Entry.number == Application.number)
        .where(
            Application.kind == Kind.RENEW,
            Entry.old_serial == certificate.serial,
            Entry.state.in_(_UNDER_WAY),
        )
    )
    return session.scalar(query)


def mails_queued(session: Session, recipient: str, templates: Collection[str], since: datetime) -> int:
    """How many mails of these templates were queued to an address since then."""
    query = select(func.count()).where(
        Outgoing.recipient == recipient, Outgoing.template.in_(templates), Outgoing.queued_at >= since
    )
    return session.scalar(query) or 0
