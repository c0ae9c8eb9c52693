"""From an approval to an order for the CA, and from the certificate to the applicant (manual 1-1, 発行受付通知).

What is ordered is derived anew from the bytes whose digest the officers signed, and compared with what the store
says field by field: whoever changed the store in between finds the approval void (threats AP1, 'frozen').
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from handlers.alarm import alarm
from handlers.context import Context
from handlers.download import new_token, url_deadline
from handlers.frozen import digest, frozen_row, is_approved
from handlers.letters.applicant import ApplicantDownload, ApplicantNotIssued
from handlers.letters.officer import OfficerNotIssued
from handlers.letters.views import ApplicationView, Download, RowOutcome
from handlers.notices import Notice, to_officer
from handlers.plan import plan_expiry, plan_fetching
from handlers.proof import Proven
from handlers.rules.checks import IssueRules, ServerRequest, check_issue_rows, screen
from handlers.rules.numbers import serial_number
from handlers.rules.order import IssueOrder, public_key_of
from handlers.rules.register import Institution
from handlers.rules.registrant import WhoisFacts
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.working_days import local_day
from handlers.views import dn_lines, view_application
from handlers.whois import weigh
from store import applications, certificates, downloads, journal
from store.states import EntryState, ErrorMode
from store.tables import Application, Certificate, Entry

# what a person must look into: no applicant's fault
_ALARMING = frozenset({Code.UNPROVEN, Code.TAMPERED, Code.CA_REFUSED})


@dataclass(frozen=True)
class Issuer:
    """The CA as far as a plan must know it: hex SHA-256 of its key's SPKI, and the last second it may sign for."""

    id: str
    not_after: datetime


def plan(
    ctx: Context, application: Application, proven: Proven, issuer: Issuer, whois: WhoisFacts | None = None
) -> list[Notice]:
    """Write down the intent for every approved row that still may be issued, or fail them and say why.

    With STOP_ALL one bad row stops all of this application's rows (manual 1-1-4 step 4). Rows for which WHOIS gave no
    answer stay approved for a while, to be planned again; with STOP_ALL the others wait for them.
    """
    entries = [e for e in application.entries if e.state is EntryState.APPROVED]
    judged = [(entry, _judge(ctx, application, entry, proven)) for entry in entries]
    good = {entry: result for entry, result in judged if not isinstance(result, tuple)}
    weighed = weigh(ctx, application, good, whois or {})
    bad = {entry.seq: result for entry, result in judged if isinstance(result, tuple)} | dict(weighed.errors)
    stops_all = application.error_mode is ErrorMode.STOP_ALL
    if bad and stops_all:
        return fail(ctx, application, entries, bad)
    if weighed.waiting and stops_all:
        return []
    for entry, request in good.items():
        if entry.seq not in bad and entry.seq not in weighed.waiting:
            _intend(ctx, entry, request, issuer)
    failed = fail(ctx, application, [e for e in entries if e.seq in bad], bad) if bad else []
    return [*weighed.alarms, *failed]


def _judge(
    ctx: Context, application: Application, entry: Entry, proven: Proven
) -> ServerRequest | tuple[RowError, ...]:
    """The request to be issued, or everything that stands against it."""
    institution = ctx.register.institutions.get(application.institution)
    if institution is None or not institution.active:
        return (row_error(Code.INSTITUTION_INACTIVE),)
    if not is_approved(ctx, entry, institution, proven):
        return (row_error(Code.UNPROVEN),)
    request = _frozen_request(ctx, application, entry, institution)
    if request is None:
        return (row_error(Code.TAMPERED),)
    return screen(institution, request.dns_names, local_day(ctx.now, ctx.desk.utc_offset_hours)) or request


def _frozen_request(
    ctx: Context, application: Application, entry: Entry, institution: Institution
) -> ServerRequest | None:
    """The row's request, derived from its approved bytes; None unless everything stored still agrees with them."""
    row = frozen_row(ctx, application, entry)
    if row is None:
        return None
    rules = IssueRules(institution, ctx.desk.profiles, ctx.desk.strict_jisx0208, kind=application.kind)
    request = check_issue_rows((row,), rules)[0].request
    return request if request is not None and _stored_fields(entry) == _derived_fields(request) else None


def _stored_fields(entry: Entry) -> tuple[object, ...]:
    return (
        entry.subject_dn,
        entry.fqdn,
        entry.dns_names,
        entry.profile_id,
        entry.csr,
        entry.public_key_sha256,
        entry.contact_name,
        entry.contact_department,
        entry.contact_mail,
        entry.software,
        entry.old_serial,
    )


def _derived_fields(request: ServerRequest) -> tuple[object, ...]:
    return (
        request.subject_dn.text(),
        request.fqdn,
        "\n".join(request.dns_names),
        request.profile.id,
        request.csr_der,
        request.public_key_sha256,
        request.contact_name,
        request.contact_department,
        request.contact_mail,
        request.software,
        None if request.old_serial is None else str(request.old_serial),
    )


def _intend(ctx: Context, entry: Entry, request: ServerRequest, issuer: Issuer) -> None:
    old = (
        certificates.by_serials(ctx.session, [entry.old_serial]).get(entry.old_serial)
        if entry.old_serial
        else None
    )
    certificate = certificates.intend(
        ctx.session,
        entry,
        issuer=issuer.id,
        serial=serial_number(ctx.random(12)),
        not_before=ctx.now,
        not_after=min(request.profile.not_after(ctx.now), issuer.not_after),
        replaces=old,
    )
    applications.move_entries(ctx.session, [entry], EntryState.APPROVED, EntryState.SIGNING)
    journal.append(
        ctx.session,
        ctx.now,
        "intended",
        {
            "number": entry.number,
            "seq": entry.seq,
            "serial": certificate.serial,
            "row": digest(entry.raw_line),
        },
    )


def order_for(ctx: Context, certificate: Certificate, proven: Proven) -> IssueOrder | tuple[RowError, ...]:
    """The order behind a committed intent, derived once more from the approved bytes: a crash or an intruder may lie
    between the two."""
    entry = certificate.entry
    request = _judge(ctx, entry.application, entry, proven)
    if isinstance(request, tuple):
        return request
    return IssueOrder(
        serial=int(certificate.serial),
        subject=request.subject_dn.attributes,
        dns_names=request.dns_names,
        public_key=public_key_of(request.csr_der),
        profile=request.profile,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )


def record(ctx: Context, signed: Sequence[tuple[Certificate, bytes]]) -> list[Notice]:
    """Store signed certificates (DER), and give each contact one mail with a one-time URL a row."""
    waiting: dict[tuple[str, str], list[tuple[Entry, Download]]] = defaultdict(list)
    for certificate, der in signed:
        entry = certificate.entry
        certificate.der, certificate.issued_at = der, ctx.now
        applications.move_entries(ctx.session, [entry], EntryState.SIGNING, EntryState.ISSUED)
        journal.append(
            ctx.session,
            ctx.now,
            "issued",
            {
                "number": entry.number,
                "seq": entry.seq,
                "serial": certificate.serial,
                "certificate": digest(der),
            },
        )
        plan_fetching(ctx, certificate)
        plan_expiry(ctx, certificate)
        download = _offer(ctx, entry, certificate)
        waiting[entry.number, entry.contact_mail.lower()].append((entry, download))
    return [_download_mail(ctx, number, to, rows) for (number, to), rows in waiting.items()]


def _offer(ctx: Context, entry: Entry, certificate: Certificate) -> Download:
    token = new_token(ctx.random)
    expires_at = url_deadline(ctx.now, ctx.desk)
    downloads.create_url(ctx.session, certificate, token, ctx.now, expires_at)
    url = f"{ctx.desk.public_url}/d/{token}"
    return Download(entry.seq, dn_lines(entry.subject_dn), int(certificate.serial), url, expires_at)


def _download_mail(ctx: Context, number: str, to: str, rows: list[tuple[Entry, Download]]) -> Notice:
    first = rows[0][0]
    institution = ctx.register.institutions.get(first.application.institution)
    letter = ApplicantDownload(number, first.contact_name, tuple(download for _, download in rows))
    thread = (first.application.message_id,) if first.application.message_id else ()
    return Notice(to, institution.language if institution else "ja", letter, number=number, thread=thread)


def fail(
    ctx: Context, application: Application, entries: Sequence[Entry], errors: dict[int, tuple[RowError, ...]]
) -> list[Notice]:
    """These rows will not be issued: they end, and applicant, officers (and, for tampering, the monitors) are told."""
    for state in (EntryState.APPROVED, EntryState.SIGNING):
        for entry in applications.move_entries(ctx.session, entries, state, EntryState.FAILED):
            codes = [error.code for error in errors.get(entry.seq, ())]
            entry.failure = json.dumps(codes)
            facts = {"number": application.number, "seq": entry.seq, "codes": codes}
            journal.append(ctx.session, ctx.now, "failed", facts)
    institution = ctx.register.institutions.get(application.institution)
    view = view_application(application, institution)
    rows = tuple(RowOutcome(e.seq, errors.get(e.seq, ())) for e in entries)
    notices = _tell_of_failure(application, institution, view, rows)
    alarming = sorted({error.code for found in errors.values() for error in found} & _ALARMING)
    for code in alarming:
        seqs = [seq for seq, found in errors.items() if code in {error.code for error in found}]
        notices += alarm(
            ctx, Code(code).name.lower(), f"{application.number}, SEQ {seqs}: {RowError(code).cell('en')}"
        )
    return notices


def _tell_of_failure(
    application: Application,
    institution: Institution | None,
    view: ApplicationView,
    rows: tuple[RowOutcome, ...],
) -> list[Notice]:
    language = institution.language if institution else "ja"
    to_applicant = ApplicantNotIssued(view, rows)
    notices = [Notice(application.sender, language, to_applicant, number=application.number)]
    if institution:
        notices += [
            to_officer(institution, officer, OfficerNotIssued(view, rows), number=application.number)
            for officer in institution.officers
        ]
    return notices
