"""Certificates: the committed intent to sign, then the signed bytes."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.states import CertificateState, EntryState
from store.tables import Certificate, Entry


def intend(
    session: Session,
    entry: Entry,
    *,
    issuer: str,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    replaces: Certificate | None = None,
) -> Certificate:
    """Reserve a serial number for `entry`. A second one for the same entry is refused by the table."""
    certificate = Certificate(
        entry_id=entry.id, issuer=issuer, serial=str(serial), not_before=not_before, not_after=not_after
    )
    certificate.entry, certificate.replaces = entry, replaces
    session.add(certificate)
    session.flush()
    return certificate


def unsigned(session: Session, limit: int) -> Sequence[Certificate]:
    """Intents whose signed bytes are not stored yet, oldest first: also those a crash left behind."""
    query = (
        select(Certificate)
        .join(Entry, Entry.id == Certificate.entry_id)
        .where(Certificate.der.is_(None), Entry.state == EntryState.SIGNING)
        .order_by(Certificate.id)
        .limit(limit)
    )
    return session.scalars(query).all()


def by_serials(session: Session, serials: Collection[str]) -> dict[str, Certificate]:
    """The signed certificates with these serials (decimal text), whoever they belong to."""
    query = select(Certificate).where(Certificate.serial.in_(serials), Certificate.der.is_not(None))
    return {certificate.serial: certificate for certificate in session.scalars(query)}


def of_entry(session: Session, entry: Entry) -> Certificate | None:
    """The certificate that a row led to, intent or signed."""
    return session.scalar(select(Certificate).where(Certificate.entry_id == entry.id))


def is_valid(certificate: Certificate, now: datetime) -> bool:
    """Signed, not revoked, not expired."""
    return state_of(certificate, now) is CertificateState.VALID


def state_of(certificate: Certificate, now: datetime) -> CertificateState:
    """Its last second still counts (RFC 5280 4.1.2.5); what was revoked stays so after its end."""
    if certificate.der is None:
        return CertificateState.INTENDED
    if certificate.revoked_at is not None:
        return CertificateState.REVOKED
    return CertificateState.VALID if certificate.not_after >= now else CertificateState.EXPIRED
