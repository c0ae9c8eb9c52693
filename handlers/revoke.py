"""From an approved revocation to a line of the CRL, and to those who must know (manual 1-3-4, 失効完了通知).

As in `handlers.issue`, what is revoked is derived anew from the bytes whose digest the officers signed. A row is only
called revoked in the transaction that stores the list which says so: a crash before it signs another list, and nobody
hears of a revocation that relying parties can't see.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from handlers.context import Context
from handlers.frozen import Frozen, approved_rows, digest, is_untouched, open_frozen
from handlers.issue import fail
from handlers.letters.applicant import ApplicantRevoked
from handlers.letters.officer import OfficerRevoked
from handlers.notices import Notice, to_officer
from handlers.proof import Proven
from handlers.refreeze import refreeze_if_changed
from handlers.rules.columns import REVOKE_COLUMNS
from handlers.rules.order import Revoked
from handlers.rules.revocation import RevocationRequest, check_revoke_rows
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.views import dn_lines
from store import applications, crls, journal
from store.states import EntryState, ErrorMode
from store.tables import Application, Certificate, Entry

_NOT_REVOCABLE = row_error(Code.NOT_REVOCABLE, 4, columns=REVOKE_COLUMNS)


@dataclass(frozen=True)
class _Judged:
    request: RevocationRequest
    certificate: Certificate


def plan(ctx: Context, application: Application, proven: Proven, issuer: str) -> list[Notice]:
    """Write down the intent for every approved row that still may be carried out, or fail them and say why.

    With STOP_ALL one bad row stops all of this application's rows. `issuer`: hex SHA-256 of our CA's SPKI.
    """
    changed = refreeze_if_changed(ctx, application)
    if changed is not None:
        return list(changed)
    entries = [e for e in application.entries if e.state is EntryState.APPROVED]
    if entries and not is_untouched(ctx, application):
        return fail(ctx, application, entries, {e.seq: (row_error(Code.TAMPERED),) for e in entries})
    judged = list(_judge(ctx, application, entries, proven, issuer))
    bad = {entry.seq: result for entry, result in judged if isinstance(result, tuple)}
    if bad and application.error_mode is ErrorMode.STOP_ALL:
        return fail(ctx, application, entries, bad)
    for entry, result in judged:
        if isinstance(result, _Judged):
            _intend(ctx, entry, result)
    return fail(ctx, application, [e for e in entries if e.seq in bad], bad) if bad else []


def _judge(
    ctx: Context, application: Application, entries: Sequence[Entry], proven: Proven, issuer: str
) -> Iterator[tuple[Entry, _Judged | tuple[RowError, ...]]]:
    """What is to be revoked, or everything that stands against it. An institution that is no longer active may
    still have its certificates revoked: that takes nothing from anybody."""
    institution = ctx.register.institutions.get(application.institution)
    approved = approved_rows(ctx, application, institution, proven) if institution else frozenset()
    frozen = open_frozen(ctx, application)
    for entry in entries:
        if institution is None:
            yield entry, (row_error(Code.INSTITUTION_INACTIVE),)
        elif entry.seq not in approved:
            yield entry, (row_error(Code.UNPROVEN),)
        else:
            yield entry, _judge_row(ctx, frozen, entry, issuer)


def _judge_row(
    ctx: Context, frozen: Frozen | None, entry: Entry, issuer: str
) -> _Judged | tuple[RowError, ...]:
    request = _frozen_request(frozen, entry)
    if request is None:
        return (row_error(Code.TAMPERED),)
    certificate = crls.signed_certificate(ctx.session, issuer, request.serial)
    if certificate is None or not _is_revocable(ctx, entry.application, request, certificate):
        return (_NOT_REVOCABLE,)
    return _Judged(request, certificate)


def _frozen_request(frozen: Frozen | None, entry: Entry) -> RevocationRequest | None:
    """The row's request, derived from its approved bytes; None unless everything stored still agrees with them."""
    row = frozen.row(entry) if frozen else None
    if row is None:
        return None
    request = check_revoke_rows((row,))[0].request
    if request is None:
        return None
    stored: tuple[object, ...] = (
        *(entry.subject_dn, entry.old_serial, entry.reason, entry.comment, entry.contact_mail),
        *(entry.match_key, entry.fqdn, entry.dns_names, entry.profile_id, entry.csr),
    )
    derived = (
        request.subject_dn.text(),
        str(request.serial),
        int(request.reason),
        request.comment,
        request.contact_mail,
        request.subject_dn.match_key(),
        request.subject_dn.cn.lower(),
        request.subject_dn.cn.lower(),
        None,
        None,
    )
    return request if stored == derived else None


def _is_revocable(
    ctx: Context, application: Application, request: RevocationRequest, certificate: Certificate
) -> bool:
    """Still valid, of the same institution, and for the name that the row says (threats OWN1)."""
    return (
        certificate.revoked_at is None
        and certificate.not_after >= ctx.now
        and certificate.entry.application.institution == application.institution
        and _common_name(certificate) == request.subject_dn.cn.lower()
    )


def _common_name(certificate: Certificate) -> str:
    """Of the signed bytes, in lower case."""
    subject = x509.load_der_x509_certificate(certificate.der or b"").subject
    return "".join(str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)).lower()


def _intend(ctx: Context, entry: Entry, judged: _Judged) -> None:
    applications.move_entries(ctx.session, [entry], EntryState.APPROVED, EntryState.SIGNING)
    facts = {
        "number": entry.number,
        "seq": entry.seq,
        "serial": judged.certificate.serial,
        "kind": "revoke",
        "row": digest(entry.raw_line),
    }
    journal.append(ctx.session, ctx.now, "intended", facts)


def find_fault(
    ctx: Context, entry: Entry, issuer: str, revoked: Revoked | None = None
) -> tuple[RowError, ...]:
    """What stands against a committed intent, by what the desk knows; () for nothing. Asked before the signer is, and
    again with what it did: a crash or an intruder may lie between the two. That officers approved it, the signer sees.
    """
    judged = _judge_row(ctx, open_frozen(ctx, entry.application), entry, issuer)
    if isinstance(judged, tuple):
        return judged
    is_other = revoked is not None and revoked.serial != judged.request.serial
    return (row_error(Code.TAMPERED),) if is_other else ()


def record(ctx: Context, issuer: str, done: Sequence[tuple[Entry, Revoked]], crl_number: int) -> list[Notice]:
    """Note what the list of this number says, in the transaction that stores it. A second time does nothing."""
    notices = []
    for entry, revoked in done:
        if not applications.move_entries(ctx.session, [entry], EntryState.SIGNING, EntryState.REVOKED):
            continue
        certificate = crls.signed_certificate(ctx.session, issuer, revoked.serial)
        assert certificate is not None
        certificate.revoked_at, certificate.revocation_reason = revoked.revoked_at, revoked.reason
        facts = {
            "number": entry.number,
            "seq": entry.seq,
            "serial": certificate.serial,
            "reason": revoked.reason,
            "crl": crl_number,
        }
        journal.append(ctx.session, ctx.now, "revoked", facts)
        notices += _tell(ctx, entry, certificate, revoked)
    return notices


def _tell(ctx: Context, entry: Entry, certificate: Certificate, revoked: Revoked) -> list[Notice]:
    """The officers, the contact the certificate was issued to, and the sender: an address once in each role."""
    application = entry.application
    institution = ctx.register.institutions.get(application.institution)
    dn = dn_lines(certificate.entry.subject_dn)
    to_applicant = ApplicantRevoked(entry.number, dn, revoked.serial, revoked.reason)
    language = institution.language if institution else "ja"
    thread = (application.message_id,) if application.message_id else ()
    contact = certificate.entry.contact_mail.lower()
    notices = [Notice(contact, language, to_applicant, number=entry.number)]
    if application.sender != contact:
        notices.append(Notice(application.sender, language, to_applicant, number=entry.number, thread=thread))
    if institution is None:
        return notices
    letter = OfficerRevoked(entry.number, dn, revoked.serial, revoked.reason)
    told = (to_officer(institution, o, letter, number=entry.number) for o in institution.officers)
    return [*notices, *{notice.to: notice for notice in told}.values()]
