"""Certificates: the committed intent to sign, then the signed bytes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, insert, select, update
from sqlalchemy.orm import Session, contains_eager, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from store.slices import slices
from store.states import CertificateState, EntryState
from store.tables import Certificate, Entry

_IS_UNSIGNED = (Certificate.der.is_(None), Entry.state == EntryState.SIGNING)
_WITH_ITS_ROW = (contains_eager(Certificate.entry), selectinload(Certificate.replaces))


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
        entry_id=entry.id,
        institution=entry.application.institution,
        issuer=issuer,
        serial=str(serial),
        not_before=not_before,
        not_after=not_after,
    )
    certificate.entry, certificate.replaces = entry, replaces
    session.add(certificate)
    session.flush()
    return certificate


@dataclass(frozen=True)
class Intent:
    """A certificate to be: whose row, which serial and dates, and the id of the one that it replaces."""

    entry_id: int
    serial: int
    not_before: datetime
    not_after: datetime
    replaces_id: int | None


def intend_all(session: Session, institution: str, issuer: str, intents: Sequence[Intent]) -> None:
    """As `intend`, for many of one institution: one by one they would cost more than to sign them."""
    rows = [
        {
            "entry_id": intent.entry_id,
            "institution": institution,
            "issuer": issuer,
            "serial": str(intent.serial),
            "not_before": intent.not_before,
            "not_after": intent.not_after,
            "replaces_id": intent.replaces_id,
        }
        for intent in intents
    ]
    if rows:
        session.execute(insert(Certificate), rows)


def keep_signed(session: Session, signed: Sequence[tuple[Certificate, bytes]], now: datetime) -> None:
    """What became of intents: their DER, as issued now."""
    table = Certificate.__table__
    statement = update(table).where(table.c.id == bindparam("b_id"))  # type: ignore[arg-type]
    rows = [{"b_id": c.id, "der": der, "issued_at": now} for c, der in signed]
    if rows:
        session.flush()
        session.connection().execute(statement, rows)
    for certificate, der in signed:
        set_committed_value(certificate, "der", der)
        set_committed_value(certificate, "issued_at", now)


def unsigned_applications(session: Session) -> list[str]:
    """Numbers of those with intents whose signed bytes are not stored yet, oldest first: also what a crash left."""
    query = select(Entry.number).join(Certificate, Certificate.entry_id == Entry.id).where(*_IS_UNSIGNED)
    return list(session.scalars(query.group_by(Entry.number).order_by(func.min(Certificate.id))))


def unsigned(session: Session, limit: int, numbers: Collection[str] | None = None) -> Sequence[Certificate]:
    """Intents whose signed bytes are not stored yet, oldest first; of these applications only."""
    query = select(Certificate).join(Certificate.entry).where(*_IS_UNSIGNED)
    if numbers is not None:
        query = query.where(Entry.number.in_(numbers))
    query = query.order_by(Certificate.id).limit(limit).options(*_WITH_ITS_ROW)
    return session.scalars(query).all()


def by_ids(session: Session, ids: Sequence[int]) -> list[Certificate]:
    """With their rows and what they replace, in the order of `ids`."""
    found: dict[int, Certificate] = {}
    for some in slices(ids):
        query = select(Certificate).join(Certificate.entry).where(Certificate.id.in_(some))
        found |= {one.id: one for one in session.scalars(query.options(*_WITH_ITS_ROW))}
    return [found[id] for id in ids]


def by_serials(session: Session, serials: Collection[str]) -> dict[str, Certificate]:
    """The signed certificates with these serials (decimal text), whoever they belong to."""
    if not serials:
        return {}
    query = select(Certificate).where(Certificate.serial.in_(serials), Certificate.der.is_not(None))
    return {certificate.serial: certificate for certificate in session.scalars(query)}


def unfetched(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Good at `now`, and nobody has fetched it; of certificates and their entries."""
    return (
        Certificate.downloaded_at.is_(None),
        Certificate.not_after >= now,
        Certificate.der.is_not(None),
        Certificate.revoked_at.is_(None),
        Entry.state == EntryState.ISSUED,
    )


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
