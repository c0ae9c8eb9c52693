"""Stored rows as people read them."""

from collections.abc import Collection, Mapping
from datetime import date
from hashlib import sha256

from handlers.context import Context
from handlers.notices import ApplicationView, EntryView
from handlers.rules.dns_names import unicode_form
from handlers.rules.register import Institution
from handlers.rules.row_errors import RowError
from handlers.rules.sheet import SheetRow
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.working_days import local_day
from store import applications
from store.states import ApplicationState, EntryState
from store.tables import Application, Entry


def view_application(
    application: Application,
    institution: Institution | None,
    warnings: Mapping[int, tuple[RowError, ...]] | None = None,
) -> ApplicationView:
    """`warnings` by SEQ. An institution that left the register is shown by its id."""
    return ApplicationView(
        number=application.number,
        institution=institution.name if institution else application.institution,
        kind=application.kind,
        sender=application.sender,
        received_at=application.received_at,
        file_name=application.file_name,
        entries=tuple(
            _view_entry(entry, (warnings or {}).get(entry.seq, ())) for entry in application.entries
        ),
    )


def _view_entry(entry: Entry, warnings: tuple[RowError, ...]) -> EntryView:
    names = tuple(entry.dns_names.split("\n"))
    shown = tuple(unicode_form(name) for name in names)
    return EntryView(
        seq=entry.seq,
        dn=dn_lines(entry.subject_dn),
        fqdn=entry.fqdn,
        dns_names=names,
        unicode_names=shown if shown != names else (),
        profile_id=entry.profile_id,
        public_key=entry.public_key,
        public_key_sha256=entry.public_key_sha256,
        contact_name=entry.contact_name,
        contact_department=entry.contact_department,
        contact_mail=entry.contact_mail,
        software=entry.software,
        warnings=warnings,
        row_line=sheet_row(entry.seq, entry.raw_line, entry.fqdn).line(),
    )


def last_day(ctx: Context, application: Application) -> date | None:
    """The last day to decide, on people's calendars; None while a hold stops the clock or nothing is open."""
    if application.state is not ApplicationState.OPEN:
        return None
    return local_day(application.deadline, ctx.desk.utc_offset_hours)


def still_needed(ctx: Context, application: Application, seqs: Collection[int]) -> int:
    """How many more officers must approve the one of these rows that lacks most; 0 if all of them are decided."""
    institution = ctx.register.institutions.get(application.institution)
    waiting = [e for e in application.entries if e.seq in seqs and e.state is EntryState.WAITING]
    if institution is None or not waiting:
        return 0
    return max(institution.policy.approvals - len(applications.approvals_of(ctx.session, e)) for e in waiting)


def dn_lines(subject_dn: str) -> tuple[str, ...]:
    """`TYPE=value` lines of a stored DN, CN first."""
    parsed = parse_subject_dn(subject_dn)
    return parsed.lines() if isinstance(parsed, SubjectDN) else (subject_dn,)


def sheet_row(seq: int, raw_line: bytes, fqdn: str) -> SheetRow:
    return SheetRow(seq, sha256(raw_line).hexdigest(), f"CN={fqdn}")
