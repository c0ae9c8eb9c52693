"""From an approval to an order for the CA, and from the certificate to the applicant (manual 1-1, 発行受付通知).

What is ordered is derived anew from the bytes whose digest the officers signed, and compared with what the store
says field by field: whoever changed the store in between finds the approval void (threats AP1, 'frozen').
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from handlers.alarm import alarm
from handlers.context import Context
from handlers.download import new_token, url_deadline
from handlers.frozen import Frozen, approved_rows, digest, is_as_intended, is_untouched, open_frozen
from handlers.frozen_request import frozen_request, rules_of
from handlers.letters.applicant import ApplicantDownload, ApplicantNotIssued
from handlers.letters.monitor import AlarmCode
from handlers.letters.officer import OfficerNotIssued
from handlers.letters.views import ApplicationView, Download, RowOutcome
from handlers.notices import Notice, to_officer
from handlers.plan import plan_issued
from handlers.proof import Proven
from handlers.refreeze import refreeze_if_changed, void
from handlers.rules.checks import ServerRequest, blocked_key, screen
from handlers.rules.order import Reserved, public_key_in
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
# what was signed is not what is stored: no approval of it counts any more
_VOIDING = frozenset({Code.UNPROVEN, Code.TAMPERED})


@dataclass(frozen=True)
class Issuer:
    """The CA as far as a plan must know it: hex SHA-256 of its key's SPKI, and the last second it may sign for.

    `reserved`: serials of the signer, taken from the front; without enough of them nothing is planned.
    """

    id: str
    not_after: datetime
    reserved: list[Reserved]


def plan(
    ctx: Context, application: Application, proven: Proven, issuer: Issuer, whois: WhoisFacts | None = None
) -> list[Notice]:
    """Write down the intent for every approved row that still may be issued, or fail them and say why.

    With STOP_ALL one bad row stops all of this application's rows (manual 1-1-4 step 4). Rows for which WHOIS gave no
    answer stay approved for a while, to be planned again; with STOP_ALL the others wait for them.
    """
    changed = refreeze_if_changed(ctx, application)
    if changed is not None:
        return list(changed)
    entries = [e for e in application.entries if e.state is EntryState.APPROVED]
    if entries and not is_untouched(ctx, application):
        return fail(ctx, application, entries, {e.seq: (row_error(Code.TAMPERED),) for e in entries})
    judged = _judge(ctx, application, entries, proven)
    good = {entry: result for entry, result in judged if not isinstance(result, tuple)}
    weighed = weigh(ctx, application, good, whois or {})
    bad = {entry.seq: result for entry, result in judged if isinstance(result, tuple)} | dict(weighed.errors)
    stops_all = application.error_mode is ErrorMode.STOP_ALL
    if bad and stops_all:
        return fail(ctx, application, entries, bad)
    wanted = [e for e in good if e.seq not in bad and e.seq not in weighed.waiting]
    if (weighed.waiting and stops_all) or len(wanted) > len(issuer.reserved):
        return []
    _intend(ctx, application, {entry: good[entry] for entry in wanted}, issuer)
    failed = fail(ctx, application, [e for e in entries if e.seq in bad], bad) if bad else []
    return [*weighed.alarms, *failed]


def _judge(
    ctx: Context, application: Application, entries: Sequence[Entry], proven: Proven
) -> list[tuple[Entry, ServerRequest | tuple[RowError, ...]]]:
    """Of each row the request to be issued, or everything that stands against it."""
    institution = ctx.register.institutions.get(application.institution)
    if institution is None or not institution.active:
        return [(entry, (row_error(Code.INSTITUTION_INACTIVE),)) for entry in entries]
    approved = approved_rows(ctx, application, institution, proven)
    frozen = open_frozen(ctx, application)
    rules = rules_of(ctx, application, institution)
    today = local_day(ctx.now, ctx.desk.utc_offset_hours)
    judged: list[tuple[Entry, ServerRequest | tuple[RowError, ...]]] = []
    for entry in entries:
        request = frozen_request(frozen, entry, rules) if entry.seq in approved else None
        if entry.seq not in approved:
            judged.append((entry, (row_error(Code.UNPROVEN),)))
        elif request is None:
            judged.append((entry, (row_error(Code.TAMPERED),)))
        else:
            errors = screen(institution, request.dns_names, today) + blocked_key(request, ctx.blocked_keys)
            judged.append((entry, errors or request))
    return judged


def _intend(
    ctx: Context, application: Application, wanted: Mapping[Entry, ServerRequest], issuer: Issuer
) -> None:
    old = certificates.by_serials(ctx.session, {e.old_serial for e in wanted if e.old_serial})
    reserved = [issuer.reserved.pop(0) for _ in wanted]
    intents = [
        certificates.Intent(
            entry_id=entry.id,
            serial=given.serial,
            not_before=given.at,
            not_after=min(request.profile.not_after(given.at), issuer.not_after),
            replaces_id=old[entry.old_serial].id if entry.old_serial in old else None,
        )
        for (entry, request), given in zip(wanted.items(), reserved, strict=True)
    ]
    certificates.intend_all(ctx.session, application.institution, issuer.id, intents)
    applications.move_entries(ctx.session, list(wanted), EntryState.APPROVED, EntryState.SIGNING)
    facts = [
        {
            "number": entry.number,
            "seq": entry.seq,
            "serial": str(given.serial),
            "row": digest(entry.raw_line),
        }
        for entry, given in zip(wanted, reserved, strict=True)
    ]
    journal.append_all(ctx.session, ctx.now, "intended", facts)


def find_faults(
    ctx: Context, found: Sequence[tuple[Certificate, bytes | None]]
) -> dict[int, tuple[RowError, ...]]:
    """By the certificate's id: what stands against a committed intent, by what the desk knows; () for nothing. Asked
    before the signer is, and again with the DER that it gave: a crash or an intruder may lie between the two, and the
    URL goes where the store says. That officers approved it, the signer sees."""
    by_number = {c.entry.number: c.entry.application for c, _ in found}
    frozen = {number: open_frozen(ctx, application) for number, application in by_number.items()}
    return {c.id: _find_fault(ctx, c, der, frozen[c.entry.number]) for c, der in found}


def _find_fault(
    ctx: Context, certificate: Certificate, der: bytes | None, frozen: Frozen | None
) -> tuple[RowError, ...]:
    entry = certificate.entry
    institution = ctx.register.institutions.get(entry.application.institution)
    if institution is None:
        return (row_error(Code.INSTITUTION_INACTIVE),)
    request = frozen_request(frozen, entry, rules_of(ctx, entry.application, institution))
    signed = None if der is None else x509.load_der_x509_certificate(der)
    is_ours = request is not None and (
        signed is None or digest(public_key_in(signed)) == request.public_key_sha256
    )
    return () if is_ours and is_as_intended(certificate, signed) else (row_error(Code.TAMPERED),)


def record(ctx: Context, signed: Sequence[tuple[Certificate, bytes]]) -> list[Notice]:
    """Store signed certificates (DER), and give each contact one mail with a one-time URL a row."""
    certificates.keep_signed(ctx.session, signed, ctx.now)
    entries = [certificate.entry for certificate, _ in signed]
    applications.move_entries(ctx.session, entries, EntryState.SIGNING, EntryState.ISSUED)
    facts = [
        {"number": c.entry.number, "seq": c.entry.seq, "serial": c.serial, "certificate": digest(der)}
        for c, der in signed
    ]
    journal.append_all(ctx.session, ctx.now, "issued", facts)
    plan_issued(ctx, [certificate for certificate, _ in signed])
    waiting: dict[tuple[str, str], list[tuple[Entry, Download]]] = defaultdict(list)
    for entry, download in _offer(ctx, [certificate for certificate, _ in signed]):
        waiting[entry.number, entry.contact_mail.lower()].append((entry, download))
    return [_download_mail(ctx, number, to, rows) for (number, to), rows in waiting.items()]


def adopt(certificate: Certificate, der: bytes) -> None:
    """What was signed holds: after an older copy of the store came back, the signer answers with its first."""
    signed = x509.load_der_x509_certificate(der)
    certificate.serial = str(signed.serial_number)
    certificate.not_before, certificate.not_after = signed.not_valid_before_utc, signed.not_valid_after_utc


def _offer(ctx: Context, issued: Sequence[Certificate]) -> list[tuple[Entry, Download]]:
    """A one-time URL for each."""
    tokens = {new_token(ctx.random): certificate for certificate in issued}
    expires_at = url_deadline(ctx.now, ctx.desk)
    downloads.create_urls(ctx.session, tokens, ctx.now, expires_at)
    return [
        (
            c.entry,
            Download(
                c.entry.seq,
                dn_lines(c.entry.subject_dn),
                int(c.serial),
                f"{ctx.desk.public_url}/d/{token}",
                expires_at,
            ),
        )
        for token, c in tokens.items()
    ]


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
    if _VOIDING & set(alarming):
        void(ctx, application, entries, "tampered")
    for code in alarming:
        seqs = [seq for seq, found in errors.items() if code in {error.code for error in found}]
        notices += alarm(
            ctx,
            AlarmCode(Code(code).name.lower()),
            f"{application.number}, SEQ {seqs}: {RowError(code).cell('en')}",
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
