"""Stored rows as people read them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from handlers.context import Context
from handlers.letters.views import ApplicationView, EntryView, OldCertificate
from handlers.rules.dns_names import unicode_form
from handlers.rules.policy import progress, whose_turn
from handlers.rules.register import Institution, Officer
from handlers.rules.row_errors import RowError
from handlers.rules.sheet import SheetRow
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.working_days import local_day
from store import applications, certificates
from store.states import ApplicationState, EntryState, RevocationReason
from store.tables import Application, Certificate, Entry

# what a renewal may change: the manual's column name, and where it is kept
_CHANGING = (
    ("主体者DN", "subject_dn"),
    ("証明書プロファイルID", "profile_id"),
    ("dNSName", "dns_names"),
    ("利用管理者氏名", "contact_name"),
    ("利用管理者所属", "contact_department"),
    ("利用管理者mail", "contact_mail"),
    ("利用管理者ソフトウェア名等", "software"),
)


@dataclass(frozen=True)
class Needed:
    """`count`: approvals still missing; `role`: of whoever is next, empty: any officer."""

    count: int
    role: str = ""


def view_application(
    application: Application,
    institution: Institution | None,
    warnings: Mapping[int, tuple[RowError, ...]] | None = None,
    old: Mapping[int, OldCertificate] | None = None,
) -> ApplicationView:
    """`warnings` and `old` by SEQ. An institution that left the register is shown by its id."""
    return ApplicationView(
        number=application.number,
        institution=institution.name if institution else application.institution,
        kind=application.kind,
        sender=application.sender,
        received_at=application.received_at,
        file_name=application.file_name,
        entries=tuple(
            _view_entry(entry, (warnings or {}).get(entry.seq, ()), (old or {}).get(entry.seq))
            for entry in application.entries
        ),
    )


def _view_entry(entry: Entry, warnings: tuple[RowError, ...], old: OldCertificate | None) -> EntryView:
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
        old=old,
        reason=entry.reason,
        comment=entry.comment,
    )


def old_certificates(ctx: Context, application: Application) -> dict[int, OldCertificate]:
    """By SEQ: the certificates that the rows of a renewal or a revocation name."""
    serials = {entry.old_serial for entry in application.entries if entry.old_serial}
    if not serials:
        return {}
    found = certificates.by_serials(ctx.session, serials)
    return {
        entry.seq: _view_old(found[entry.old_serial], entry, ctx)
        for entry in application.entries
        if entry.old_serial in found
    }


def _view_old(old: Certificate, entry: Entry, ctx: Context) -> OldCertificate:
    is_renewal = entry.csr is not None
    fields = _CHANGING if is_renewal else ()
    pairs = [(name, str(getattr(old.entry, field)), str(getattr(entry, field))) for name, field in fields]
    return OldCertificate(
        serial=int(old.serial),
        not_after=old.not_after,
        is_valid=certificates.is_valid(old, ctx.now),
        contact_mail=old.entry.contact_mail,
        changes=tuple(
            (name, " ".join(before.split("\n")), " ".join(after.split("\n")))
            for name, before, after in pairs
            if before != after
        ),
    )


def is_urgent(application: Application) -> bool:
    """A key is in wrong hands: minutes count."""
    return any(entry.reason == RevocationReason.KEY_COMPROMISE for entry in application.entries)


def is_asked_at_once(institution: Institution, application: Application) -> bool:
    """Else the batch of the next working day asks the officers."""
    return institution.requests != "daily" or is_urgent(application)


def last_day(ctx: Context, application: Application) -> date | None:
    """The last day to decide, on people's calendars; None while a hold stops the clock or nothing is open."""
    if application.state is not ApplicationState.OPEN:
        return None
    return local_day(application.deadline, ctx.desk.utc_offset_hours)


def still_needed(ctx: Context, application: Application, seqs: Collection[int]) -> Needed:
    """What the one of these rows lacks that lacks most; nothing if all of them are decided."""
    institution = ctx.register.institutions.get(application.institution)
    policy = institution.policy_for(application.kind) if institution else None
    if institution is None or policy is None:
        return Needed(0)
    approvers = approvers_by_row(ctx, institution, application)
    waiting = (e for e in application.entries if e.seq in seqs and e.state is EntryState.WAITING)
    found = [progress(policy, approvers[entry.id]) for entry in waiting]
    most = max(found, key=lambda each: each.missing, default=None)
    return Needed(most.missing, (most.step and most.step.role) or "") if most else Needed(0)


def approvers_by_row(
    ctx: Context, institution: Institution, application: Application
) -> dict[int, list[Officer]]:
    """Who approved each row, by its id, oldest first; whoever left the register is no officer any more."""
    given = applications.approvals_on(ctx.session, application.number)
    return {
        entry.id: [o for a in given.get(entry.id, ()) if (o := institution.officer(a.officer)) is not None]
        for entry in application.entries
    }


def officers_in_turn(ctx: Context, institution: Institution, application: Application) -> list[Officer]:
    """Those whose approval of some row that waits would count now, in the register's order."""
    policy = institution.policy_for(application.kind)
    if policy is None:
        return []
    approvers = approvers_by_row(ctx, institution, application)
    # rows stand alike in crowds: each way they stand is looked at once
    standing = {tuple(approvers[e.id]) for e in application.entries if e.state is EntryState.WAITING}
    ids = {officer.id for one in standing for officer in whose_turn(policy, institution.officers, one)}
    return [officer for officer in institution.officers if officer.id in ids]


def dn_lines(subject_dn: str) -> tuple[str, ...]:
    """`TYPE=value` lines of a stored DN, CN first."""
    parsed = parse_subject_dn(subject_dn)
    return parsed.lines() if isinstance(parsed, SubjectDN) else (subject_dn,)


def sheet_row(seq: int, raw_line: bytes, fqdn: str) -> SheetRow:
    return SheetRow(seq, sha256(raw_line).hexdigest(), f"CN={fqdn}")
