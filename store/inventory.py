"""What an officer may look up: everything here is asked for one institution and never reads another's rows."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, exists, func, select
from sqlalchemy.orm import Session, aliased

from store.applications import by_numbers
from store.certificates import unfetched
from store.states import ApplicationState, EntryState, Kind
from store.tables import Application, Approval, Certificate, Decision, DownloadUrl, Entry

_AT_ONCE = 200  # rows fetched together; no more than these are held
_APPLICATIONS_AT_ONCE = 20
_REVOCATIONS = (EntryState.WAITING, EntryState.APPROVED, EntryState.SIGNING, EntryState.REVOKED)


@dataclass(frozen=True)
class Found:
    """One row of an application with all that belongs to it. `officers`: ids of who approved it, by comma.

    `revocation`: the newest row that asks, or asked, to revoke `certificate`. `url_until`: of its newest URL.
    """

    application: Application
    entry: Entry
    certificate: Certificate | None
    is_renewed: bool
    url_until: datetime | None
    approved_at: datetime | None
    officers: str
    revocation: Entry | None
    revocation_received_at: datetime | None


def count_rows(session: Session, institution: str) -> int:
    """How many `stream_rows` brings."""
    query = select(func.count()).select_from(Entry).join(Application, Application.number == Entry.number)
    return session.scalar(query.where(*_is_listed(institution))) or 0


def stream_rows(session: Session, institution: str) -> Iterator[Found]:
    """Every row for a new certificate or a renewal, oldest first, in flat memory: don't keep what is yielded."""
    # only the numbers are put in order all at once
    query = _numbers().where(*_is_listed(institution)).order_by(Application.received_at, Application.number)
    # closed too where nobody reads to the end
    with closing(session.execute(query.execution_options(yield_per=_AT_ONCE))) as rows:
        for some in rows.partitions(_APPLICATIONS_AT_ONCE):
            yield from _rows_of(session, [row.number for row in some])


def _is_listed(institution: str) -> tuple[ColumnElement[bool], ...]:
    return Application.institution == institution, Application.kind != Kind.REVOKE


def _rows_of(session: Session, numbers: Sequence[str]) -> Iterator[Found]:
    revoking, revoking_application, newer = aliased(Entry), aliased(Application), aliased(Certificate)
    query = (
        select(
            Application,
            Entry,
            Certificate,
            exists().where(newer.replaces_id == Certificate.id, newer.der.is_not(None)),
            _newest_url(),
            _approved_at(),
            _approvers(),
            revoking,
            revoking_application.received_at,
        )
        .join(Entry, Entry.number == Application.number)
        .outerjoin(Certificate, Certificate.entry_id == Entry.id)
        .outerjoin(revoking, revoking.id == _newest_revocation())
        .outerjoin(revoking_application, revoking_application.number == revoking.number)
        .where(Application.number.in_(numbers))
        .order_by(Application.received_at, Application.number, Entry.seq)
        .execution_options(yield_per=_AT_ONCE)
    )
    with closing(session.execute(query)) as rows:
        for row in rows:
            application, entry, certificate, renewed, until, approved_at, officers, asked, asked_at = row
            yield Found(
                application, entry, certificate, renewed, until, approved_at, officers or "", asked, asked_at
            )


def _newest_url() -> ScalarSelect[datetime]:
    query = select(func.max(DownloadUrl.expires_at)).where(DownloadUrl.certificate_id == Certificate.id)
    return query.correlate(Certificate).scalar_subquery()


def _approved_at() -> ScalarSelect[datetime]:
    query = select(func.max(Decision.decided_at)).join(Approval, Decision.id == Approval.decision_id)
    return query.where(Approval.entry_id == Entry.id).correlate(Entry).scalar_subquery()


def _approvers() -> ScalarSelect[str]:
    query = select(func.aggregate_strings(Approval.officer, ",")).where(Approval.entry_id == Entry.id)
    return query.correlate(Entry).scalar_subquery()


def _newest_revocation() -> ScalarSelect[int]:
    asked, application = aliased(Entry), aliased(Application)
    query = (
        select(func.max(asked.id))
        .join(application, application.number == asked.number)
        .where(
            asked.old_serial == Certificate.serial,
            asked.state.in_(_REVOCATIONS),
            application.kind == Kind.REVOKE,
            application.institution == Application.institution,
        )
    )
    return query.correlate(Certificate, Application).scalar_subquery()


def stream_issued(
    session: Session, institution: str
) -> Iterator[tuple[int, Kind, datetime, datetime, datetime | None]]:
    """(profile, kind, issued, last second of validity, revoked) of every issued certificate."""
    query = (
        select(
            Entry.profile_id,
            Application.kind,
            Certificate.issued_at,
            Certificate.not_after,
            Certificate.revoked_at,
        )
        .select_from(Certificate)
        .join(Entry, Entry.id == Certificate.entry_id)
        .join(Application, Application.number == Entry.number)
        .where(Application.institution == institution, Certificate.issued_at.is_not(None))
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in session.execute(query):
        profile_id, kind, issued_at, not_after, revoked_at = row
        assert profile_id is not None
        assert issued_at is not None
        yield profile_id, kind, issued_at, not_after, revoked_at


def application_of(session: Session, institution: str, number: str) -> Application | None:
    """None too for an application of another institution."""
    application = session.get(Application, number)
    return application if application and application.institution == institution else None


def open_applications(session: Session, institution: str, now: datetime, limit: int) -> Sequence[Application]:
    """Those that wait for a decision, for the CA, or for the download of what is still valid; oldest first."""
    is_its = Application.institution == institution
    undecided = is_its, Application.state.in_((ApplicationState.OPEN, ApplicationState.HELD))
    # said in a way that keeps SQLite from going through all that the institution ever had
    with_rows = _numbers().join(Entry, Entry.number == Application.number).distinct().where(is_its.is_(True))
    queries = (
        _numbers().where(*undecided),
        with_rows.where(Entry.state.in_((EntryState.APPROVED, EntryState.SIGNING))),
        with_rows.join(Certificate, Certificate.entry_id == Entry.id).where(
            Certificate.institution == institution, *unfetched(now)
        ),
    )
    oldest = (query.order_by(Application.received_at, Application.number).limit(limit) for query in queries)
    found = {(row.received_at, row.number) for query in oldest for row in session.execute(query)}
    return by_numbers(session, [number for _, number in sorted(found)[:limit]])


def _numbers() -> Select[datetime, str]:
    return select(Application.received_at, Application.number)


def applications_for(session: Session, institution: str, fqdn: str, limit: int) -> Sequence[Application]:
    """Those with a row for this name (lower case), newest first."""
    query = (
        select(Application)
        .join(Entry, Entry.number == Application.number)
        .where(Application.institution == institution, Entry.fqdn == fqdn)
        .distinct()
        .order_by(Application.received_at.desc())
    )
    return session.scalars(query.limit(limit)).all()


def certificates_for(session: Session, institution: str, fqdn: str, limit: int) -> Sequence[Certificate]:
    """Signed certificates for this name (lower case), newest first."""
    query = _signed(institution).where(Entry.fqdn == fqdn).order_by(Certificate.id.desc()).limit(limit)
    return session.scalars(query).all()


def certificate_with(session: Session, institution: str, serial: str) -> Certificate | None:
    """The signed certificate with this serial (decimal, no zeros in front)."""
    return session.scalars(_signed(institution).where(Certificate.serial == serial)).first()


def certificates_of(session: Session, application: Application) -> Sequence[Certificate]:
    """The signed certificates of an application, by row."""
    query = _signed(application.institution).where(Entry.number == application.number).order_by(Entry.seq)
    return session.scalars(query).all()


def _signed(institution: str) -> Select[Certificate]:
    return (
        select(Certificate)
        .join(Entry, Entry.id == Certificate.entry_id)
        .join(Application, Application.number == Entry.number)
        .where(Application.institution == institution, Certificate.der.is_not(None))
    )


def is_renewed(session: Session, certificate: Certificate) -> bool:
    newer = exists().where(Certificate.replaces_id == certificate.id, Certificate.der.is_not(None))
    return bool(session.scalar(select(newer)))
