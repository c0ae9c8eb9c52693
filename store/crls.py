"""Revocation lists as they were signed, and what the next one must say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from store.states import EntryState, Kind, RevocationReason
from store.tables import Application, Certificate, Crl, Entry


@dataclass(frozen=True)
class RevokedCertificate:
    """`reason`: the number of RFC 5280 5.3.1."""

    serial: int
    revoked_at: datetime
    reason: int


def newest(session: Session) -> Crl | None:
    return session.scalar(select(Crl).order_by(Crl.number.desc()).limit(1))


@dataclass(frozen=True)
class ListTimes:
    """Of one list, without its bytes."""

    number: int
    this_update: datetime
    next_update: datetime


def newest_times(session: Session) -> ListTimes | None:
    query = select(Crl.number, Crl.this_update, Crl.next_update).order_by(Crl.number.desc()).limit(1)
    found = session.execute(query).first()
    return ListTimes(*found) if found else None


def add(session: Session, number: int, this_update: datetime, next_update: datetime, der: bytes) -> Crl:
    """Keep a signed list. A number that was used before is refused by the table."""
    crl = Crl(number=number, this_update=this_update, next_update=next_update, der=der)
    session.add(crl)
    session.flush()
    return crl


def revoked_certificates(
    session: Session, issuer: str, ended_since: datetime | None
) -> Iterator[RevokedCertificate]:
    """What is revoked of one issuer (hex SHA-256 of its SPKI), in the order of their ends, streamed.

    Certificates that ended before `ended_since` are left out; None: none is.
    """
    query = (
        select(Certificate.serial, Certificate.revoked_at, Certificate.revocation_reason)
        .where(Certificate.issuer == issuer, Certificate.revoked_at.is_not(None))
        .order_by(Certificate.not_after)
        .execution_options(yield_per=500)
    )
    if ended_since is not None:
        query = query.where(Certificate.not_after >= ended_since)
    for serial, revoked_at, reason in session.execute(query):
        assert revoked_at is not None
        yield RevokedCertificate(int(serial), revoked_at, reason or 0)


def intended_revocations(session: Session) -> Sequence[Entry]:
    """Rows whose revocation is written down as an intent and on no stored list yet, oldest first."""
    query = (
        select(Entry)
        .join(Application, Application.number == Entry.number)
        .where(Application.kind == Kind.REVOKE, Entry.state == EntryState.SIGNING)
        .order_by(Entry.id)
    )
    return session.scalars(query).all()


def is_key_compromised(session: Session) -> bool:
    """Whether an approved revocation that no list shows is for a compromised key."""
    query = exists().where(
        Entry.state.in_((EntryState.APPROVED, EntryState.SIGNING)),
        Entry.reason == RevocationReason.KEY_COMPROMISE,
    )
    return bool(session.scalar(select(query)))


def signed_certificate(session: Session, issuer: str, serial: int) -> Certificate | None:
    """The certificate that this issuer signed with this serial number."""
    query = select(Certificate).where(
        Certificate.issuer == issuer, Certificate.serial == str(serial), Certificate.der.is_not(None)
    )
    return session.scalar(query)
